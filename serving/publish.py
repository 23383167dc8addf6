"""`python -m serving.publish EXPORT MODELS/NAME`, from a checkout: `keras_reid.serving.publish` under its old name."""

from keras_reid.serving.publish import *  # noqa: F403
from keras_reid.serving.publish import main
from keras_reid.utils import command_line

if __name__ == "__main__":
    command_line.run(main)
