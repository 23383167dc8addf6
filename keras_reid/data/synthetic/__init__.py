"""Re-identification data that are drawn, not downloaded: people and vehicles seen by several cameras, and videos."""

from keras_reid.data.synthetic.presets import PRESETS, Preset
from keras_reid.data.synthetic.reader import Synthetic
from keras_reid.data.synthetic.scenes import Scene
from keras_reid.data.synthetic.tracker_faults import TrackerFaults

__all__ = ["PRESETS", "Preset", "Scene", "Synthetic", "TrackerFaults"]
