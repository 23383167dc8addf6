"""`python -m serving.client URL IMAGES…`, from a checkout: `keras_reid.serving.client` under its old name."""

from keras_reid.serving.client import *  # noqa: F403
from keras_reid.serving.client.__main__ import main
from keras_reid.utils import command_line

if __name__ == "__main__":
    command_line.run(main)
