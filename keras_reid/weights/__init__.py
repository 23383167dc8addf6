"""Importers of weights that other projects trained."""

from keras_reid.checkpoints import Report
from keras_reid.weights.backbone import build_backbone
from keras_reid.weights.fastreid import build_fastreid, load_fastreid
from keras_reid.weights.fastreid_writing import write_fastreid

__all__ = ["Report", "build_backbone", "build_fastreid", "load_fastreid", "write_fastreid"]
