"""`python -m serving.server MODEL_DIR`, from a checkout: `keras_reid.serving.server` under its old name."""

from keras_reid.serving.server.command import main
from keras_reid.utils import command_line

if __name__ == "__main__":
    command_line.run(main)
