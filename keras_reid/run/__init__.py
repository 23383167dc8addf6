"""How a run is done: its data, its model, its training, and its results. Importing this imports no Keras."""

from keras_reid.run.model import build_model, compile_model

__all__ = ["build_model", "compile_model"]
