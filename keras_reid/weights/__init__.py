"""Importers of weights that other projects trained."""

from keras_reid.weights.fastreid import build_fastreid, load_fastreid
from keras_reid.weights.report import Report

__all__ = ["Report", "build_fastreid", "load_fastreid"]
