"""The command that measures the backbones: what it counts, and that its table is complete."""

import importlib.util
import inspect
import pathlib
import re

import keras
import pytest
from keras import layers

from keras_reid import backbones
from keras_reid.layers import GroupedConv2D
from keras_reid.utils.errors import UserError

BENCHMARKS = pathlib.Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        spec = importlib.util.spec_from_file_location("benchmark_of_backbones", BENCHMARKS / "backbones.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        # Places × kernel × input channels of a group × output channels.
        (layers.Conv2D(12, 3, padding="same"), 48 * 9 * 3 * 12),
        (layers.Conv2D(12, 3, strides=2, padding="same", use_bias=False), 12 * 9 * 3 * 12),
        (GroupedConv2D(12, 3, groups=3, padding="same"), 48 * 9 * 1 * 12),
        (GroupedConv2D(12, 3, strides=2, groups=3), 2 * 3 * 9 * 1 * 12),
        (layers.DepthwiseConv2D(3, padding="same"), 48 * 9 * 3),
        (layers.Dense(12), 48 * 3 * 12),
        (layers.ReLU(), 0),
        (layers.BatchNormalization(), 0),
    ],
)
def test_multiply_adds_by_hand(benchmark, layer, expected):
    model = keras.Sequential([keras.Input((6, 8, 3)), layer])
    assert benchmark.multiply_adds(model, (6, 8)) == expected


def test_multiply_adds_of_matrix_products(benchmark):
    x = keras.Input((6, 8, 3))
    rows = layers.Reshape((48, 3))(x)
    products = keras.ops.matmul(rows, keras.ops.transpose(rows, (0, 2, 1)))
    assert benchmark.multiply_adds(keras.Model(x, products), (6, 8)) == 48 * 3 * 48


def test_what_cannot_be_counted_is_refused(benchmark):
    model = keras.Sequential([keras.Input((6, 8, 3)), layers.Conv2DTranspose(2, 3)])
    with pytest.raises(NotImplementedError, match=r"cannot count the products of .* Conv2DBackpropInput"):
        benchmark.multiply_adds(model, (6, 8))


@pytest.mark.slow
def test_multiply_adds_of_a_resnet(benchmark):
    # Stem; four stages of the first block's three convolutions and shortcut, and of the other blocks.
    stem = 32 * 16 * 49 * 3 * 64
    stages = []
    for blocks, width, inputs, before, places in (
        (3, 64, 64, 128, 128),
        (4, 128, 256, 128, 32),
        (6, 256, 512, 32, 8),
        (3, 512, 1024, 8, 8),
    ):
        wide = 4 * width
        first = before * inputs * width + places * (9 * width * width + width * wide + inputs * wide)
        stages.append(first + (blocks - 1) * places * (wide * width + 9 * width * width + width * wide))
    model = benchmark.build("resnet50", (64, 32))
    assert benchmark.multiply_adds(model, (64, 32)) == stem + sum(stages)


def test_every_backbone_is_in_the_table_with_arguments_that_it_has(benchmark):
    for cls, arguments in benchmark.TABLE.values():
        assert set(arguments) | {"input_shape"} <= set(inspect.signature(getattr(backbones, cls)).parameters)
    of_a_user = {"KerasBackbone"}
    assert {cls for cls, _ in benchmark.TABLE.values()} == set(backbones.__all__) - of_a_user
    for cls, argument, choices in (
        ("ResNet", "depth", "depths"),
        ("ResNeXt", "depth", "depths"),
        ("ResNeSt", "depth", "depths"),
        ("OSNet", "width", "widths"),
        ("OSNetAIN", "width", "widths"),
        ("MobileNetV2", "width", "widths"),
        ("RepVGG", "variant", "variants"),
        ("ViT", "depth", "depths"),
        ("JigsawViT", "depth", "depths"),
    ):
        listed = {arguments[argument] for kind, arguments in benchmark.TABLE.values() if kind == cls}
        assert listed == set(getattr(getattr(backbones, cls), choices)), cls


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "resnet5"], r"--only resnet5: there is no such backbone; did you mean resnet50"),
        (["--batch", "0"], "must be positive"),
    ],
)
def test_bad_arguments(benchmark, arguments, message):
    with pytest.raises(UserError, match=message):
        benchmark.parse(arguments)


def test_rows_that_are_there_are_skipped(benchmark, tmp_path, monkeypatch, capsys):
    file = tmp_path / "results.csv"
    assert benchmark.measured(file) == set()
    arguments = ["--batch", "3", "--output", str(file)]
    conditions = benchmark.conditions_of(benchmark.parse(arguments))
    for name in benchmark.TABLE:
        benchmark.add_row(file, benchmark.COLUMNS, benchmark.KEY, {"backbone": name, **conditions})
    before = file.read_text()
    monkeypatch.setattr(benchmark, "measure", None)  # nothing is measured
    benchmark.main(arguments)
    assert file.read_text() == before
    assert capsys.readouterr().out.count(f"already in {file.name}") == len(benchmark.TABLE)


@pytest.mark.medium
@pytest.mark.parametrize(
    ("name", "narrow", "expected"),
    [
        ("resnet18", {"width": 2}, (4, 2, 16)),
        ("resnet50_mgn", {"width": 2}, (4, 2, 64)),  # three maps
        ("resnext50", {"width": 16}, (4, 2, 512)),
        ("resnest50", {"width": 2}, (4, 2, 64)),
        ("osnet_x0.25", {}, (4, 2, 128)),
        ("mobilenet_v2_x0.1", {}, (2, 1, 1280)),
        ("repvgg_a0_fused", {"width": 8}, (4, 2, 160)),
        ("osnet_ain_x0.25", {}, (4, 2, 128)),
        ("vit_small", {"width": 96}, (1, 1, 96)),
        ("jigsaw_vit_small", {"width": 96, "shift": 2, "num_parts": 2}, (1, 3, 96)),
    ],
)
def test_shape_of_the_feature_map(benchmark, name, narrow, expected):
    cls, arguments = benchmark.TABLE[name]
    model = getattr(backbones, cls)(**arguments, **narrow, input_shape=(64, 32, 3))
    assert benchmark.map_shape(model, (64, 32)) == expected


def test_the_shapes_are_tested_for_every_kind_of_backbone(benchmark):
    (names,) = (
        mark.args[1] for mark in test_shape_of_the_feature_map.pytestmark if mark.name == "parametrize"
    )
    tested = {benchmark.TABLE[name][0] for name, *_ in names}
    assert tested == {cls for cls, _ in benchmark.TABLE.values()}


def test_the_docstrings_commands_are_of_rows_in_the_table(benchmark):
    commands = re.findall(r"backbones\.py (--.*)", benchmark.__doc__)
    assert len(commands) == 2
    for command in commands:
        benchmark.parse(command.split())


@pytest.mark.slow
def test_a_row(benchmark):
    options = benchmark.parse(["--quick", "--size", "64", "32"])
    row = benchmark.measure("mobilenet_v2_x0.1", benchmark.conditions_of(options), options.repeats)
    assert set(row) == set(benchmark.COLUMNS)
    assert row["parameters"] == 75_696
    assert (row["map_height"], row["map_width"], row["channels"]) == (2, 1, 1280)
    assert float(row["forward_images_per_second"]) > 0
    assert float(row["training_images_per_second"]) > 0
