"""A re-identification data set that is drawn, not downloaded: people and vehicles seen by several cameras."""

from keras_reid.data.synthetic.presets import PRESETS, Preset
from keras_reid.data.synthetic.reader import Synthetic

__all__ = ["PRESETS", "Preset", "Synthetic"]
