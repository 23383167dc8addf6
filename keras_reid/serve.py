"""`keras-reid serve MODEL_DIR`: serves a SavedModel as TensorFlow Serving does."""

from keras_reid.serving.server.command import main
from keras_reid.serving.server.options import Serve
from keras_reid.utils import command_line

__all__ = ["Serve", "main"]

if __name__ == "__main__":
    command_line.run(main)
