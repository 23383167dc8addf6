"""Callbacks; importing this needs Keras."""

from keras_reid.training.callbacks.checkpoints import Checkpoints
from keras_reid.training.callbacks.metrics_log import MetricsLog
from keras_reid.training.callbacks.progress_line import ProgressLine
from keras_reid.training.callbacks.retrieval import RetrievalEvaluation

__all__ = ["Checkpoints", "MetricsLog", "ProgressLine", "RetrievalEvaluation"]
