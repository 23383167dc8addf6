"""MGN's checkpoints: a ResNet whose end exists three times."""

import dataclasses

from keras_reid.weights.architectures.resnet import recognize_resnet
from keras_reid.weights.fastreid_names import plain_resnet_names


def recognize_mgn(shapes):
    """The `Architecture` of a `MultiGranularityResNet`.

    Args:
        shapes: `{name: shape}` of the whole model's weights.
    """
    plain = recognize_resnet({plain: shapes[name] for plain, name in plain_resnet_names(shapes).items()})
    arguments = {key: value for key, value in plain.arguments.items() if key != "non_local"}
    return dataclasses.replace(plain, backbone="MultiGranularityResNet", arguments=arguments)
