"""Readers: frozen dataclasses whose `read(root)` gives a `ReIDDataset`."""

from keras_reid.data.datasets.csv_file import CSV
from keras_reid.data.datasets.dukemtmc import DukeMTMC
from keras_reid.data.datasets.folder import Folder
from keras_reid.data.datasets.market1501 import Market1501

__all__ = ["CSV", "DukeMTMC", "Folder", "Market1501"]
