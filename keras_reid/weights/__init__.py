"""Importers of weights that other projects trained, and a writer of weights for them."""

from keras_reid.checkpoints import Report
from keras_reid.weights.backbone import build_backbone
from keras_reid.weights.fastreid import build_fastreid, load_fastreid
from keras_reid.weights.fastreid_writing import write_fastreid
from keras_reid.weights.torchreid import build_torchreid
from keras_reid.weights.transreid import build_transreid
from keras_reid.weights.whole_model import build_whole_model

__all__ = [
    "Report",
    "build_backbone",
    "build_fastreid",
    "build_torchreid",
    "build_transreid",
    "build_whole_model",
    "load_fastreid",
    "write_fastreid",
]
