import keras
import numpy as np
import pytest

from keras_reid.backbones import ResNet
from keras_reid.backbones.residual import ResidualBuilder
from keras_reid.layers import IBN, NonLocal2D
from tests.harness import HALF_POLICIES, randomize, reloaded, run_model_test, shapes


def images(height=64, width=32, batch=2):
    return np.random.default_rng(0).normal(size=(batch, height, width, 3)).astype("float32")


def count(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


@pytest.mark.parametrize(
    "arguments",
    [
        {"depth": 18, "ibn": True, "squeeze_excite": True},
        {"depth": 50, "non_local": True, "last_stride": 2, "input_shape": (64, 32, 3)},
    ],
    ids=["basic", "bottleneck"],
)
def test_contract(arguments):
    channels = 8 * 4 if arguments["depth"] == 18 else 32 * 4
    size = (4, 2) if arguments.get("last_stride", 1) == 1 else (2, 1)
    half = HALF_POLICIES if arguments["depth"] == 18 else ()
    run_model_test(lambda: ResNet(width=4, **arguments), images(), (2, *size, channels), half)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"depth": 18}, 11_176_512),
        pytest.param({"depth": 34}, 21_284_672, marks=pytest.mark.slow),
        pytest.param({"depth": 50}, 23_508_032, marks=pytest.mark.slow),
        pytest.param({"depth": 50, "ibn": True}, 23_508_032, marks=pytest.mark.slow),
        pytest.param({"depth": 50, "non_local": True}, 23_536_719, marks=pytest.mark.medium),
        pytest.param({"depth": 101}, 42_500_160, marks=pytest.mark.slow),
        pytest.param({"depth": 101, "non_local": True}, 42_571_873, marks=pytest.mark.slow),
        pytest.param({"depth": 101, "squeeze_excite": True}, 47_243_328, marks=pytest.mark.slow),
        pytest.param({"depth": 152}, 58_143_808, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_parameters_as_in_the_original(arguments, expected):
    assert count(ResNet(**arguments)) == expected


@pytest.mark.parametrize(
    ("height", "width", "last_stride", "expected"),
    [
        (256, 128, 1, (16, 8)),
        (256, 128, 2, (8, 4)),
        (384, 128, 1, (24, 8)),
        (256, 256, 1, (16, 16)),
        (75, 51, 1, (5, 4)),
    ],
)
def test_output_size(height, width, last_stride, expected):
    backbone = ResNet(18, last_stride=last_stride, width=4)
    assert backbone.compute_output_shape((1, height, width, 3)) == (1, *expected, 32)


def test_depths_are_listed_with_the_shallowest_first():
    assert ResNet.depths == (18, 34, 50, 101, 152)


def names(model, cls):
    return [layer.name for layer in model.layers if isinstance(layer, cls)]


def test_ibn_is_the_first_normalisation_of_the_blocks_in_stages_1_to_3():
    blocks = [f"layer{stage}.{i}.bn1" for stage in (1, 2, 3) for i in range(2)]
    assert names(ResNet(18, ibn=True, width=4), IBN) == blocks
    assert names(ResNet(18, width=4), IBN) == []


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (18, (0, 0)),
        pytest.param(50, (2, 3), marks=pytest.mark.medium),
        pytest.param(101, (2, 9), marks=pytest.mark.slow),
        pytest.param(152, (2, 9), marks=pytest.mark.slow),
    ],
)
def test_non_local_blocks_end_stages_2_and_3(depth, expected):
    model = ResNet(depth, non_local=True, width=2)
    found = names(model, NonLocal2D)
    assert found == [f"NL_{s}.{i}" for s, n in zip((2, 3), expected, strict=True) for i in range(n)]
    if found:
        order = [layer.name for layer in model.layers]
        assert order.index("layer2.3.relu") < order.index("NL_2.1") < order.index("layer3.0.conv1")


def test_strided_convolutions_are_padded_on_all_sides():
    # With "same" padding, which fills only the bottom and the right, the mirror image would give another map.
    model = ResNet(18, width=4)
    randomize(model)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel = np.asarray(layer.kernel)
            layer.kernel.assign(kernel + kernel[:, ::-1])
    stem = keras.Model(model.input, model.get_layer("relu").output)
    x = images(33, 33)
    np.testing.assert_allclose(stem(x[:, :, ::-1])[:, :, ::-1], stem(x), rtol=1e-4, atol=1e-4)


def test_first_pooling_covers_the_last_row_and_column():
    model = ResNet(18, width=2)
    pool = keras.Model(model.get_layer("relu").output, model.get_layer("maxpool").output)
    for size, expected in ((4, 2), (5, 2), (6, 3), (7, 3)):
        x = np.zeros((1, size, size, 2), "float32")
        x[:, -1, -1] = 1
        assert shapes(pool(x)) == (1, expected, expected, 2)
        assert float(np.asarray(pool(x))[0, -1, -1, 0]) == 1


def test_initial_weights():
    model = ResNet(18)
    kernel = np.asarray(model.get_layer("layer4.1.conv2").kernel)
    assert kernel.std() == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.01)
    norm = model.get_layer("bn1")
    assert (norm.epsilon, norm.momentum) == (1e-5, 0.9)
    assert not any(layer.use_bias for layer in model.layers if isinstance(layer, keras.layers.Conv2D))


def test_one_step_moves_every_weight():
    backbone = ResNet(50, width=4, ibn=True, non_local=True, squeeze_excite=True)
    for layer in backbone.layers:
        if isinstance(layer, NonLocal2D):
            layer.norm.gamma.assign(0.1 * np.ones(layer.norm.gamma.shape))
    model = keras.Sequential([backbone, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
    before = [np.array(v) for v in backbone.trainable_variables]
    model.compile(keras.optimizers.SGD(1.0), loss="mse", run_eagerly=True)
    model.train_on_batch(images(64, 64, 4), np.ones((4, 2)))
    # A bias before a normalisation, and one of φ whose sum cancels, may rest; all else must move.
    still = [
        v.path
        for v, b in zip(backbone.trainable_variables, before, strict=True)
        if np.array_equal(np.asarray(v), b) and not v.path.endswith("bias")
    ]
    assert still == []


def test_trainable_survives_the_round_trip():
    model = ResNet(18, width=2)
    model.trainable = False
    other = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))
    assert not other.trainable
    assert other.trainable_variables == []


def test_a_part_of_a_stage():
    build = ResidualBuilder(None, 18, width=4)
    x = keras.Input((8, 8, 4))
    assert build.stage(x, 1, stride=1, blocks=range(0)) is x
    names = [
        [layer.name for layer in keras.Model(x, build.stage(x, 1, stride=1, blocks=blocks)).layers]
        for blocks in (range(1, 2), None)
    ]
    assert ["layer1.0.conv1" in found for found in names] == [False, True]
    assert ["layer1.1.conv1" in found for found in names] == [True, True]


def test_frozen_layers_stay_frozen():
    model = ResNet(18, width=2)
    assert "frozen_layers" not in model.get_config()
    for name in ("conv1", "bn1"):
        model.get_layer(name).trainable = False
    assert model.get_config()["frozen_layers"] == ["bn1", "conv1"]
    other = reloaded(model)
    assert [layer.name for layer in other.layers if not layer.trainable] == ["conv1", "bn1"]
    assert len(other.trainable_variables) == len(model.trainable_variables)
    model.trainable = False
    assert "frozen_layers" not in model.get_config()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 20}, r"`depth` of ResNet must be one of 18, 34, 50, 101, 152\. Received: depth=20"),
        ({"last_stride": 4}, r"`last_stride` of ResNet must be one of 1, 2\. Received: last_stride=4"),
        ({"width": 1}, r"`width` of ResNet must be an integer of at least 2\. Received: width=1"),
        ({"width": 7.5}, r"Received: width=7\.5"),
        ({"input_shape": (64, 32)}, r"`input_shape` of ResNet must be \(height, width, channels\)"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ResNet(**arguments)
