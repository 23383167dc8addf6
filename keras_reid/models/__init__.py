"""Models: what is compiled, fitted, saved and served."""

from keras_reid.models.distiller import Distiller
from keras_reid.models.from_disk import load_model
from keras_reid.models.reid_model import ReIDModel

__all__ = ["Distiller", "ReIDModel", "load_model"]
