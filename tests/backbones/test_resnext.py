import keras
import numpy as np
import pytest

from keras_reid.backbones import ResNeXt, base, residual
from keras_reid.layers import IBN, GroupedConv2D, NonLocal2D, SqueezeExcite
from tests.harness import randomize, run_model_test


def images(height=64, width=32, batch=2):
    return np.random.default_rng(0).normal(size=(batch, height, width, 3)).astype("float32")


def count(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


@pytest.fixture
def few_blocks(monkeypatch):
    """Depth 50 has two blocks in stages 2 and 4 and one in the others: all kinds of blocks, built in a second."""
    monkeypatch.setitem(residual.BLOCKS, 50, (1, 2, 1, 2))


@pytest.fixture(scope="module")
def small():
    return ResNeXt(width=16, ibn=True, squeeze_excite=True, non_local=True)


@pytest.mark.usefixtures("few_blocks")
def test_contract():
    make = lambda: ResNeXt(width=16, ibn=True, last_stride=2)  # noqa: E731
    run_model_test(make, images(), (2, 2, 1, 512), half_policies=("mixed_float16",))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"depth": 50}, 22_979_904),
        pytest.param(
            {"depth": 50, "ibn": True, "ibn_last_stage": True, "non_local": True},
            # Five non-local blocks have 7 · channels + 3 parameters each; IBN changes nothing.
            22_979_904 + 2 * (7 * 512 + 3) + 3 * (7 * 1024 + 3),
            marks=pytest.mark.slow,
        ),
        pytest.param({"depth": 101}, 42_128_704, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_parameters_as_in_the_original(arguments, expected):
    assert count(ResNeXt(**arguments)) == expected


@pytest.mark.parametrize(
    ("height", "width", "last_stride", "expected"),
    [(256, 128, 1, (16, 8)), (256, 128, 2, (8, 4)), (75, 51, 1, (5, 4)), (75, 51, 2, (3, 2))],
)
@pytest.mark.usefixtures("few_blocks")
def test_output_size(height, width, last_stride, expected):
    backbone = ResNeXt(last_stride=last_stride, width=16)
    assert backbone.compute_output_shape((1, height, width, 3)) == (1, *expected, 512)


def test_depths_are_listed_with_the_shallowest_first():
    assert ResNeXt.depths == (50, 101)


def names(model, kind):
    return [layer.name for layer in model.layers if isinstance(layer, kind)]


def test_3x3_convolutions_are_in_32_groups(small):
    grouped = names(small, GroupedConv2D)
    assert len(grouped) == 16
    assert {small.get_layer(name).groups for name in grouped} == {32}
    assert all(name.endswith(".conv2") for name in grouped)
    assert small.get_layer("layer1.0.conv2").kernel.shape == (3, 3, 1, 32)
    assert small.get_layer("layer4.2.conv2").kernel.shape == (3, 3, 8, 256)


def test_stages_with_ibn(small, monkeypatch):
    blocks = [f"layer{stage}.{i}.bn1" for stage, count in ((1, 3), (2, 4), (3, 6)) for i in range(count)]
    assert names(small, IBN) == blocks
    monkeypatch.setitem(residual.BLOCKS, 50, (1, 1, 1, 2))
    first = [f"layer{stage}.0.bn1" for stage in (1, 2, 3, 4)]
    assert names(ResNeXt(width=16, ibn=True, ibn_last_stage=True), IBN) == [*first, "layer4.1.bn1"]
    assert names(ResNeXt(width=16), IBN) == []


def test_non_local_blocks_end_stages_2_and_3(small):
    expected = ["NL_2.0", "NL_2.1", "NL_3.0", "NL_3.1", "NL_3.2"]
    assert names(small, NonLocal2D) == expected
    order = [layer.name for layer in small.layers]
    assert order.index("layer2.3.relu") < order.index("NL_2.1") < order.index("layer3.0.conv1")


@pytest.mark.slow
def test_non_local_blocks_of_the_deeper_network():
    # Five again, though ResNet has eleven there.
    assert len(names(ResNeXt(101, non_local=True, width=16), NonLocal2D)) == 5


@pytest.mark.usefixtures("few_blocks")
def test_squeeze_excite_ends_every_block():
    expected = [
        f"layer{stage}.{i}.se" for stage, count in ((1, 1), (2, 2), (3, 1), (4, 2)) for i in range(count)
    ]
    assert names(ResNeXt(width=16, squeeze_excite=True), SqueezeExcite) == expected
    assert names(ResNeXt(width=16), SqueezeExcite) == []


@pytest.mark.parametrize("size", [4, 5, 6, 7])
def test_first_pooling_is_padded_on_all_sides(size, small):
    pool = keras.Model(small.get_layer("relu").output, small.get_layer("maxpool").output)
    x = np.random.default_rng(0).uniform(size=(1, size, size, 16)).astype("float32")
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = [
        [padded[0, i : i + 3, j : j + 3].max((0, 1)) for j in range(0, size, 2)] for i in range(0, size, 2)
    ]
    np.testing.assert_array_equal(pool(x)[0], expected)


@pytest.mark.usefixtures("few_blocks")
def test_one_step_moves_every_weight():
    backbone = ResNeXt(width=16, ibn=True)
    randomize(backbone)
    model = keras.Sequential([backbone, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
    before = [np.array(v) for v in backbone.trainable_variables]
    model.compile(keras.optimizers.SGD(1.0), loss="mse", run_eagerly=True)
    model.train_on_batch(images(64, 64, 4), np.ones((4, 2)))
    for variable, value in zip(backbone.trainable_variables, before, strict=True):
        assert not np.array_equal(np.asarray(variable), value), variable.path


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({}, "resnext50_32x4d"),
        ({"ibn": True}, "resnext50_32x4d_ibn_a"),
        ({"ibn": True, "ibn_last_stage": True}, "resnext50_32x4d_ibn_a with IBN in the last stage"),
        ({"squeeze_excite": True}, "se_resnext50_32x4d"),
        ({"width": 16}, "resnext50_32x4d of width 16"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("few_blocks")
def test_name_of_the_published_weights(arguments, name, monkeypatch):
    asked = []
    monkeypatch.setattr(base, "load_pretrained", lambda *received: asked.append(received[1:]))
    ResNeXt(pretrained="imagenet", **arguments)
    assert asked == [("imagenet", name)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 152}, r"`depth` of ResNeXt must be one of 50, 101\. Received: depth=152"),
        ({"last_stride": 4}, r"`last_stride` of ResNeXt must be one of 1, 2\. Received: last_stride=4"),
        ({"ibn_last_stage": True}, r"`ibn_last_stage` of ResNeXt needs `ibn=True`\. Received: ibn=False"),
        ({"width": 24}, r"`width` of ResNeXt must be a positive multiple of 16\. Received: width=24"),
        ({"width": 0}, r"Received: width=0"),
        ({"width": 16.0}, r"Received: width=16\.0"),
        ({"input_shape": (64, 32)}, r"`input_shape` of ResNeXt must be \(height, width, channels\)"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ResNeXt(**arguments)
