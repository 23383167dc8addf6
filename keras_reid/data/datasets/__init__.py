"""Readers: frozen dataclasses whose `read(root)` gives a `ReIDDataset`."""

from keras_reid.data.datasets.benchmarks import BENCHMARKS
from keras_reid.data.datasets.cars196 import Cars196
from keras_reid.data.datasets.combined import Combined
from keras_reid.data.datasets.csv_file import CSV
from keras_reid.data.datasets.cub200 import CUB200
from keras_reid.data.datasets.cuhk03 import CUHK03
from keras_reid.data.datasets.dukemtmc import DukeMTMC
from keras_reid.data.datasets.folder import Folder
from keras_reid.data.datasets.in_shop import InShop
from keras_reid.data.datasets.market1501 import Market1501
from keras_reid.data.datasets.msmt17 import MSMT17
from keras_reid.data.datasets.partial_persons import OccludedDuke, OccludedREID, PartialiLIDS, PartialREID
from keras_reid.data.datasets.partial_queries import PartialQueries
from keras_reid.data.datasets.records import Records
from keras_reid.data.datasets.stanford_online_products import StanfordOnlineProducts
from keras_reid.data.datasets.train_only import TrainOnly
from keras_reid.data.datasets.vehicleid import VehicleID
from keras_reid.data.datasets.veri import VeRi
from keras_reid.data.datasets.veriwild import VeRiWild

__all__ = [
    "BENCHMARKS",
    "CSV",
    "CUB200",
    "CUHK03",
    "MSMT17",
    "Cars196",
    "Combined",
    "DukeMTMC",
    "Folder",
    "InShop",
    "Market1501",
    "OccludedDuke",
    "OccludedREID",
    "PartialQueries",
    "PartialREID",
    "PartialiLIDS",
    "Records",
    "StanfordOnlineProducts",
    "TrainOnly",
    "VeRi",
    "VeRiWild",
    "VehicleID",
]
