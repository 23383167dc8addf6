"""Importers of weights that other projects trained."""

from keras_reid.checkpoints import Report
from keras_reid.weights.fastreid import build_fastreid, load_fastreid

__all__ = ["Report", "build_fastreid", "load_fastreid"]
