"""Keras' own harness, `keras.src.testing`, over every public layer, head, loss, schedule and optimizer.

It makes a layer again from its config and from JSON (`run_class_serialization_test`), builds it without a call, calls
it with symbols and with values, trains it in a model under `fit` (compiled with XLA), and calls it under mixed_float16.

One check is left out: its training step gives a layer's outputs back to `fit` as targets, from a generator, and Keras'
adapter of generators refuses lists in them. Heads with branches give lists.
"""

import inspect

import keras
import numpy as np
import pytest
from keras.src import testing

from keras_reid import heads, layers, losses, training
from keras_reid.data.augmentation import Flip
from keras_reid.data.augmentation.augmentation_layer import AugmentationLayer
from keras_reid.models.function_loss import FunctionLoss

HARNESS = testing.TestCase()
MAP, VECTOR, TOKENS, IMAGES = (2, 8, 4, 16), (2, 16), (2, 6, 16), (2, 32, 16, 3)
# Arguments, and the shape of the input where it is no feature map.
LAYERS = {
    "ArcSoftmax": ({"num_classes": 5}, VECTOR),
    "CameraEmbedding": ({"num_cameras": 3}, {"tokens_shape": TOKENS, "cameras_shape": (2,)}),
    "CircleSoftmax": ({"num_classes": 5}, VECTOR),
    "Conv2D": ({"filters": 8, "kernel_size": 3}, MAP),
    "CosSoftmax": ({"num_classes": 5}, VECTOR),
    "GroupedConv2D": ({"filters": 8, "kernel_size": 3, "groups": 4}, MAP),
    "IdentityPooling2D": ({}, (2, 1, 1, 16)),
    "LinearClassifier": ({"num_classes": 5}, VECTOR),
    "PatchEmbedding": ({"dim": 8}, IMAGES),
    "SplitAttention": ({"filters": 8}, MAP),
    "TransformerBlock": ({"num_heads": 2}, TOKENS),
    "BNNeckHead": ({"num_classes": 5, "embedding_dim": 6, "reduction_activation": "relu"}, VECTOR),
    "ClassTokenHead": ({"num_classes": 5, "num_parts": 2}, (2, 1, 3, 16)),
    "FullyConnectedHead": ({"num_classes": 5, "embedding_dim": 6}, VECTOR),
    "JigsawPatches": ({"shift": 2, "num_parts": 2}, (2, 7, 16)),
    "LinearHead": ({"num_classes": 5}, VECTOR),
    "MultiGranularityHeads": ({"num_classes": 5, "embedding_dim": 6}, [MAP, MAP, MAP]),
    "PartialHead": ({"num_classes": 5}, MAP),
    "ReductionHead": ({"num_classes": 5, "embedding_dim": 6}, VECTOR),
}
# Of several arguments; and outputs that hold lists. See above.
WITHOUT_TRAINING = {
    "CameraEmbedding",
    "ClassTokenHead",
    "JigsawPatches",
    "MultiGranularityHeads",
    "PartialHead",
}
QUICK = {"GeMPooling2D", "LinearHead", "NeckNormalization"}  # the others take seconds each, for XLA
PUBLIC = [(room.__name__, name) for room in (layers, heads) for name in room.__all__]


def settings(name):
    arguments, shape = LAYERS.get(name, ({}, MAP))
    dtype = {"tokens_shape": "float32", "cameras_shape": "int32"} if isinstance(shape, dict) else None
    return {"init_kwargs": arguments, "input_shape": shape, "input_dtype": dtype}


@pytest.mark.filterwarnings("ignore:.*in training mode without labels")  # which the harness has not
@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")  # it trains from a generator
@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")  # nor have some poolings
@pytest.mark.parametrize(
    ("room", "name"),
    [pytest.param(*one, marks=[] if one[1] in QUICK else pytest.mark.medium) for one in PUBLIC],
)
def test_layers(room, name):
    cls = getattr({one.__name__: one for one in (layers, heads)}[room], name)
    HARNESS.run_layer_test(cls, **settings(name), run_training_check=name not in WITHOUT_TRAINING)


def test_augmentation_layer():
    HARNESS.run_class_serialization_test(AugmentationLayer(Flip(probability=0.5), seed=1))


@keras.saving.register_keras_serializable(package="test_keras_harness")
def squares(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_pred), axis=-1)


OTHERS = {
    "ClusterMemoryLoss": {"dim": 6, "max_clusters": 9},
    "MemoryLoss": {"dim": 6, "loss": losses.CircleLoss(), "size": 20},
    "FunctionLoss": {"function": squares},
    "CosineAfterDelay": {"learning_rate": 0.1, "delay_steps": 2, "total_steps": 7},
    "WarmUp": {"learning_rate": 0.1, "steps": 5},
    "SGD": {"learning_rate": 0.1, "momentum": 0.9, "l2": 1e-4},
    "Adam": {"learning_rate": 1e-3, "l2": 1e-4},
}
KINDS = (keras.optimizers.Optimizer, keras.optimizers.schedules.LearningRateSchedule)
CLASSES = [
    *(getattr(losses, name) for name in losses.__all__),
    FunctionLoss,
    *(one for one in vars(training).values() if inspect.isclass(one) and issubclass(one, KINDS)),
]


def test_every_schedule_and_optimizer_is_there():
    assert {"CosineAfterDelay", "WarmUp", "SGD", "Adam"} <= {cls.__name__ for cls in CLASSES}


@pytest.mark.parametrize("cls", CLASSES)
def test_losses_schedules_and_optimizers(cls):
    instance = cls(**OTHERS.get(cls.__name__, {}))
    again = HARNESS.run_class_serialization_test(instance)
    if isinstance(instance, keras.optimizers.Optimizer):
        variables = [keras.Variable(np.ones((3,), "float32")) for _ in range(2)]
        for optimizer, variable in zip((instance, again), variables, strict=True):
            optimizer.apply([keras.ops.ones((3,))], [variable])
        np.testing.assert_array_equal(*variables)
        assert np.all(np.asarray(variables[0]) < 1)
    elif isinstance(instance, KINDS[1]):
        assert [float(instance(step)) for step in range(8)] == [float(again(step)) for step in range(8)]
