"""Backbones: `keras.Model`s from normalised images to a feature map `(batch, height, width, channels)`."""

from keras_reid.backbones.adapter import KerasBackbone
from keras_reid.backbones.jigsaw_vit import JigsawViT
from keras_reid.backbones.mobilenet_v2 import MobileNetV2
from keras_reid.backbones.multi_granularity import MultiGranularityResNet
from keras_reid.backbones.osnet import OSNet
from keras_reid.backbones.osnet_ain import OSNetAIN
from keras_reid.backbones.repvgg import RepVGG
from keras_reid.backbones.resnest import ResNeSt
from keras_reid.backbones.resnet import ResNet
from keras_reid.backbones.resnext import ResNeXt
from keras_reid.backbones.vit import ViT

__all__ = [
    "JigsawViT",
    "KerasBackbone",
    "MobileNetV2",
    "MultiGranularityResNet",
    "OSNet",
    "OSNetAIN",
    "RepVGG",
    "ResNeSt",
    "ResNeXt",
    "ResNet",
    "ViT",
]
