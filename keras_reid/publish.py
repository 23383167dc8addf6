"""`keras-reid publish EXPORT MODELS/NAME`: publishes a SavedModel for servers."""

from keras_reid.serving.publish import Publish, main
from keras_reid.utils import command_line

__all__ = ["Publish", "main"]

if __name__ == "__main__":
    command_line.run(main)
