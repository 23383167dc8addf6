"""Weights files of PyTorch networks: reading them, fetching published ones, and filling Keras layers from them.

This knows layers but no network: layers with weights are named as the files name them, so that a network says by its
layers which names it wants. What is FastReID's own (whole models, options) is in `keras_reid.weights`.
"""

from keras_reid.checkpoints.filling import Report, fill, named
from keras_reid.checkpoints.pretrained import load_pretrained
from keras_reid.checkpoints.published import PUBLISHED, Published, fetch
from keras_reid.checkpoints.safetensors_file import read_safetensors, write_safetensors
from keras_reid.checkpoints.state_dict import StateDict, find_state_dict, read_state_dict
from keras_reid.checkpoints.targets import Target, layer_targets, model_targets

__all__ = [
    "PUBLISHED",
    "Published",
    "Report",
    "StateDict",
    "Target",
    "fetch",
    "fill",
    "find_state_dict",
    "layer_targets",
    "load_pretrained",
    "model_targets",
    "named",
    "read_safetensors",
    "read_state_dict",
    "write_safetensors",
]
