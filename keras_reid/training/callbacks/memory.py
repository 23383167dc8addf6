"""Peak memory."""

import resource
import sys

import tensorflow as tf


def peak_memory():
    """Bytes at the peak so far: of the GPU with the most, or of the process where there is no GPU."""
    gpus = tf.config.list_logical_devices("GPU")
    if gpus:
        return max(tf.config.experimental.get_memory_info(gpu.name)["peak"] for gpu in gpus)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
