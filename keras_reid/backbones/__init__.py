"""Backbones: `keras.Model`s from normalised images to a feature map `(batch, height, width, channels)`."""

from keras_reid.backbones.resnet import ResNet

__all__ = ["ResNet"]
