"""From a distance to the probability that two images show the same identity."""

from keras_reid.evaluation.calibration.calibration import Calibration, Verdict
from keras_reid.evaluation.calibration.domain import appearance, appearances, fit_domain
from keras_reid.evaluation.calibration.drift import Drift, DriftAlarm
from keras_reid.evaluation.calibration.fitting import calibrate
from keras_reid.evaluation.calibration.verifying import verify

__all__ = [
    "Calibration",
    "Drift",
    "DriftAlarm",
    "Verdict",
    "appearance",
    "appearances",
    "calibrate",
    "fit_domain",
    "verify",
]
