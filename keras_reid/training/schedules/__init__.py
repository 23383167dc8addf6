"""Learning-rate schedules, per optimizer step: a step is an update of the weights."""

from keras_reid.training.schedules.beside_warm_up import beside_warm_up
from keras_reid.training.schedules.cosine_after_delay import CosineAfterDelay
from keras_reid.training.schedules.curve import learning_rates
from keras_reid.training.schedules.warm_up import WarmUp

__all__ = ["CosineAfterDelay", "WarmUp", "beside_warm_up", "learning_rates"]
