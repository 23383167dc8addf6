"""Callbacks; importing this needs Keras."""

from keras_reid.training.callbacks.averaged import averaged_weights
from keras_reid.training.callbacks.best_model import BestModel
from keras_reid.training.callbacks.checkpoints import Checkpoints, Position
from keras_reid.training.callbacks.metrics_log import MetricsLog
from keras_reid.training.callbacks.nan_guard import NaNGuard
from keras_reid.training.callbacks.progress_line import ProgressLine
from keras_reid.training.callbacks.retrieval_evaluation import RetrievalEvaluation
from keras_reid.training.callbacks.run_evaluation import RunEvaluation
from keras_reid.training.callbacks.tensorboard_log import TensorBoardLog
from keras_reid.training.callbacks.termination import Terminated, termination

__all__ = [
    "BestModel",
    "Checkpoints",
    "MetricsLog",
    "NaNGuard",
    "Position",
    "ProgressLine",
    "RetrievalEvaluation",
    "RunEvaluation",
    "TensorBoardLog",
    "Terminated",
    "averaged_weights",
    "termination",
]
