import subprocess
import sys

import keras_reid.data

_DESCRIBE = """
import sys
import keras_reid.data as data
data.Folder(), data.CSV(), data.IdentitySampler(), data.ShuffleSampler()
data.BalancedIdentitySampler(), data.ClassBalancedSampler(), data.WeightedSetsSampler({"market1501": 1})
data.Combined(tuple(data.BENCHMARKS.values())), data.TrainOnly("viper")
from keras_reid.data import augmentation
augmentation.AutoAugment(), augmentation.Flip(), augmentation.PadCrop(), augmentation.RandomErasing()
print([name for name in ("tensorflow", "keras") if name in sys.modules])
"""


def test_describing_data_imports_neither_tensorflow_nor_keras():
    result = subprocess.run([sys.executable, "-c", _DESCRIBE], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_every_name_is_there():
    for name in keras_reid.data.__all__:
        if name not in ("Synthetic", "synthetic"):
            assert getattr(keras_reid.data, name) is not None
    assert set(keras_reid.data.__all__) == set(dir(keras_reid.data))
    assert not hasattr(keras_reid.data, "Market1502")
