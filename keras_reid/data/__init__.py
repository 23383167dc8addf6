"""Images with identities: data sets, samplers, decoding, augmentation and the `tf.data` pipeline.

Importing this package imports neither TensorFlow nor Keras: each name loads its module at first use.
"""

import importlib

_SUBMODULES = (
    "augmentation",
    "contents",
    "datasets",
    "decoding",
    "pipeline",
    "pixel_cache",
    "resizing",
    "samplers",
    "synthetic",
    "unreadable",
)
_OLD_SUBMODULES = ("checking", "records")  # until 0.3, see keras_reid/utils/moved.py
_NAMES = {
    "BENCHMARKS": "datasets",
    "BalancedIdentitySampler": "samplers",
    "CSV": "datasets",
    "CUB200": "datasets",
    "CUHK03": "datasets",
    "Cars196": "datasets",
    "ClassBalancedSampler": "samplers",
    "Combined": "datasets",
    "DukeMTMC": "datasets",
    "Folder": "datasets",
    "IdentitySampler": "samplers",
    "InShop": "datasets",
    "MSMT17": "datasets",
    "Market1501": "datasets",
    "OccludedDuke": "datasets",
    "OccludedREID": "datasets",
    "PartialQueries": "datasets",
    "PartialREID": "datasets",
    "PartialiLIDS": "datasets",
    "PixelCache": "pixel_cache",
    "ReIDDataset": "dataset",
    "Records": "datasets",
    "Sample": "sample",
    "ShuffleSampler": "samplers",
    "StanfordOnlineProducts": "datasets",
    "Synthetic": "synthetic",
    "TrainOnly": "datasets",
    "VeRi": "datasets",
    "VeRiWild": "datasets",
    "VehicleID": "datasets",
    "WeightedSetsSampler": "samplers",
    "check_sharding": "samplers",
    "combine": "datasets.combined",
    "combine_all": "datasets.combined",
}

__all__ = [*_NAMES, *_SUBMODULES]


def __getattr__(name):
    if name in _SUBMODULES or name in _OLD_SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
