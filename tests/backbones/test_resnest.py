import keras
import numpy as np
import pytest

from keras_reid.backbones import ResNeSt, base, resnest
from keras_reid.layers import NonLocal2D, SplitAttention
from tests.harness import randomize, run_model_test


def images(height=64, width=32, batch=2):
    return np.random.default_rng(0).normal(size=(batch, height, width, 3)).astype("float32")


def count(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


@pytest.fixture
def few_blocks(monkeypatch):
    """Depth 50 has two blocks in stages 1 and 4 and one in the others: all kinds of blocks, built in a second."""
    monkeypatch.setitem(resnest._BLOCKS, 50, (2, 1, 1, 2))


@pytest.fixture(scope="module")
def small():
    return ResNeSt(width=2)


@pytest.mark.usefixtures("few_blocks")
def test_contract():
    run_model_test(lambda: ResNeSt(width=4), images(), (2, 4, 2, 128), half_policies=("mixed_float16",))


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (50, 25_434_240),
        pytest.param(101, 46_226_016, marks=pytest.mark.slow),
        pytest.param(200, 68_152_544, marks=pytest.mark.slow),
        pytest.param(269, 108_880_480, marks=pytest.mark.slow),
    ],
)
def test_parameters_as_in_the_original(depth, expected):
    assert count(ResNeSt(depth)) == expected


@pytest.mark.parametrize(
    ("height", "width", "last_stride", "expected"),
    [
        (256, 128, 1, (16, 8)),
        (256, 128, 2, (8, 4)),
        (75, 51, 1, (5, 4)),
        (75, 51, 2, (3, 2)),
        (97, 110, 1, (7, 7)),
    ],
)
@pytest.mark.usefixtures("few_blocks")
def test_output_size(height, width, last_stride, expected):
    backbone = ResNeSt(last_stride=last_stride, width=4)
    assert backbone.compute_output_shape((1, height, width, 3)) == (1, *expected, 128)


def test_depths_are_listed_with_the_shallowest_first():
    assert ResNeSt.depths == (50, 101, 200, 269)


def split_convolutions(model):
    return [layer for layer in model.layers if isinstance(layer, SplitAttention)]


def test_dilation_of_the_last_stage_makes_up_for_its_stride(small, monkeypatch):
    found = split_convolutions(small)
    assert [layer.name for layer in found[-3:]] == [f"layer4.{i}.conv2" for i in range(3)]
    assert [layer.conv.dilation_rate[0] for layer in found] == [1] * 13 + [1, 2, 2]
    assert {layer.radix for layer in found} == {2}
    monkeypatch.setitem(resnest._BLOCKS, 50, (1, 1, 1, 3))
    for arguments in ({"last_stride": 2}, {"dilate_last_stage": False}):
        found = split_convolutions(ResNeSt(width=2, **arguments))
        assert [layer.conv.dilation_rate[0] for layer in found] == [1] * 6, arguments


def test_non_local_blocks_end_stages_2_and_3(small, monkeypatch):
    monkeypatch.setitem(resnest._BLOCKS, 50, (1, 3, 3, 1))
    order = [layer.name for layer in ResNeSt(width=2, non_local=True).layers]
    assert [name for name in order if name.startswith("NL_")] == [
        "NL_2.0",
        "NL_2.1",
        "NL_3.0",
        "NL_3.1",
        "NL_3.2",
    ]
    assert order.index("layer2.1.relu") < order.index("NL_2.0") < order.index("layer2.2.conv1")
    assert not any(isinstance(layer, NonLocal2D) for layer in small.layers)


@pytest.mark.usefixtures("few_blocks")
def test_width_of_the_stem(monkeypatch):
    assert ResNeSt(50, width=8).get_layer("conv1.0").filters == 4
    monkeypatch.setitem(resnest._BLOCKS, 101, (1, 1, 1, 1))
    model = ResNeSt(101, width=8)
    assert [model.get_layer(f"conv1.{i}").filters for i in (0, 3, 6)] == [8, 8, 16]


def part(model, last, before):
    """The layers from after `before` up to `last`."""
    return keras.Model(model.get_layer(before).output, model.get_layer(last).output)


@pytest.mark.parametrize(("height", "width"), [(6, 4), (7, 5), (6, 5), (1, 2)])
@pytest.mark.parametrize(("block", "stride"), [("layer2.0", 2), ("layer4.0", 1)])
def test_average_after_the_split_convolution_counts_its_padding(height, width, block, stride, small):
    channels = small.get_layer(f"{block}.conv2").filters
    x = np.random.default_rng(0).normal(size=(2, height, width, channels)).astype("float32")
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = [
        [padded[:, i : i + 3, j : j + 3].sum((1, 2)) / 9 for j in range(0, width, stride)]
        for i in range(0, height, stride)
    ]
    expected = np.transpose(expected, (2, 0, 1, 3))
    np.testing.assert_allclose(part(small, f"{block}.avd", f"{block}.conv2")(x), expected, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(6, 4), (7, 5), (6, 5), (1, 2)])
def test_average_of_the_shortcut_counts_pixels_alone(height, width, small):
    x = np.random.default_rng(0).normal(size=(2, height, width, 8)).astype("float32")
    expected = [
        [x[:, i : i + 2, j : j + 2].mean((1, 2)) for j in range(0, width, 2)] for i in range(0, height, 2)
    ]
    expected = np.transpose(expected, (2, 0, 1, 3))
    shortcut = part(small, "layer2.0.downsample.0", "layer1.2.relu")
    np.testing.assert_allclose(shortcut(x), expected, atol=1e-6)


@pytest.mark.usefixtures("few_blocks")
def test_which_blocks_average():
    def averages(**arguments):
        model = ResNeSt(width=2, **arguments)
        return {
            layer.name: layer.strides[0]
            for layer in model.layers
            if isinstance(layer, keras.layers.AveragePooling2D)
        }

    everywhere = {f"layer{s}.0.{part}": 2 for s in (2, 3, 4) for part in ("avd", "downsample.0")}
    assert averages(last_stride=2) == everywhere
    del everywhere["layer4.0.downsample.0"]
    assert averages(last_stride=1) == {**everywhere, "layer4.0.avd": 1}


@pytest.mark.usefixtures("few_blocks")
def test_no_convolution_but_the_first_has_a_stride():
    strided = [
        layer.name
        for layer in ResNeSt(width=2).layers
        if isinstance(layer, keras.layers.Conv2D) and layer.strides != (1, 1)
    ]
    assert strided == ["conv1.0"]


@pytest.mark.usefixtures("few_blocks")
def test_one_step_moves_every_weight():
    backbone = ResNeSt(width=4)
    randomize(backbone)
    model = keras.Sequential([backbone, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
    before = [np.array(v) for v in backbone.trainable_variables]
    model.compile(keras.optimizers.SGD(1.0), loss="mse", run_eagerly=True)
    model.train_on_batch(images(64, 64, 4), np.ones((4, 2)))
    still = [
        v.path
        for v, b in zip(backbone.trainable_variables, before, strict=True)
        # A bias before a normalisation has no effect.
        if np.array_equal(np.asarray(v), b) and not v.path.endswith("fc1/bias")
    ]
    assert still == []


@pytest.mark.parametrize(
    ("arguments", "name"), [({}, "resnest50"), ({"width": 4}, "resnest50 of width 4")], ids=str
)
@pytest.mark.usefixtures("few_blocks")
def test_name_of_the_published_weights(arguments, name, monkeypatch):
    asked = []
    monkeypatch.setattr(base, "load_pretrained", lambda *received: asked.append(received[1:]))
    ResNeSt(pretrained="imagenet", **arguments)
    assert asked == [("imagenet", name)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 152}, r"`depth` of ResNeSt must be one of 50, 101, 200, 269\. Received: depth=152"),
        ({"last_stride": 4}, r"`last_stride` of ResNeSt must be one of 1, 2\. Received: last_stride=4"),
        ({"width": 3}, r"`width` of ResNeSt must be a positive multiple of 2\. Received: width=3"),
        ({"width": 4.0}, r"Received: width=4\.0"),
        ({"input_shape": (64, 32)}, r"`input_shape` of ResNeSt must be \(height, width, channels\)"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ResNeSt(**arguments)
