"""Client for a served model over REST or gRPC; it does not import TensorFlow."""

from keras_reid.serving.client.client import Client
from keras_reid.serving.client.failures import Refused, ServingError, Unavailable

__all__ = ["Client", "Refused", "ServingError", "Unavailable"]
