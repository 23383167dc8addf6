"""Clients of a served model, over REST or gRPC; neither imports TensorFlow."""

from serving.client.client import Client
from serving.client.failures import Refused, ServingError, Unavailable

__all__ = ["Client", "Refused", "ServingError", "Unavailable"]
