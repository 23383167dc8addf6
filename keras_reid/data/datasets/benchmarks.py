"""Every reader with a test part, by the name of the data set that it reads."""

from keras_reid.data.datasets.cars196 import Cars196
from keras_reid.data.datasets.cub200 import CUB200
from keras_reid.data.datasets.cuhk03 import CUHK03
from keras_reid.data.datasets.dukemtmc import DukeMTMC
from keras_reid.data.datasets.in_shop import InShop
from keras_reid.data.datasets.market1501 import Market1501
from keras_reid.data.datasets.msmt17 import MSMT17
from keras_reid.data.datasets.partial_persons import OccludedDuke, OccludedREID, PartialiLIDS, PartialREID
from keras_reid.data.datasets.stanford_online_products import StanfordOnlineProducts
from keras_reid.data.datasets.vehicleid import VehicleID
from keras_reid.data.datasets.veri import VeRi
from keras_reid.data.datasets.veriwild import VeRiWild

BENCHMARKS = {
    "market1501": Market1501(),
    "market1501_500k": Market1501(distractors=True),
    "dukemtmc": DukeMTMC(),
    "msmt17": MSMT17(),
    "cuhk03": CUHK03(),
    "cuhk03_detected": CUHK03(labeled=False),
    "cuhk03_classic0": CUHK03(classic_split=True),
    "cuhk03_detected_classic0": CUHK03(labeled=False, classic_split=True),
    "occluded_duke": OccludedDuke(),
    "occludedreid": OccludedREID(),
    "partialreid": PartialREID(),
    "partialilids": PartialiLIDS(),
    "veri": VeRi(),
    **{f"vehicleid_{size}": VehicleID(size) for size in ("small", "medium", "large", "all")},
    **{f"veriwild_{size}": VeRiWild(size) for size in ("small", "medium", "large")},
    "cub200": CUB200(),
    "cars196": Cars196(),
    "sop": StanfordOnlineProducts(),
    "inshop": InShop(),
}
