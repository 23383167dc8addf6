"""`python -m keras_reid.serving.server MODEL_DIR`: `keras-reid serve` under the name of its module."""

from keras_reid.serving.server.command import main
from keras_reid.utils import command_line

if __name__ == "__main__":
    command_line.run(main)
