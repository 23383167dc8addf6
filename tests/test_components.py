"""Every public layer, head, loss and backbone: can be made again from its config, and documents itself."""

import ast
import doctest
import importlib
import inspect
import pathlib
import sys
import typing

import keras
import pytest

import keras_reid
from tests.harness import rebuilt

PACKAGES = ("layers", "heads", "losses", "backbones")
# A value for every argument, other than its default. What is not here is made from type hints (`arguments_of`).
ARGUMENTS = {
    "ArcSoftmax": {"num_classes": 5, "scale": 30, "margin": 0.3},
    "AttentionPooling2D": {"channel_wise": True},
    "BatchNormalization": {"momentum": 0.8, "epsilon": 1e-4},
    "BNNeckHead": {
        "num_classes": 5,
        "classifier": keras_reid.layers.CircleSoftmax(5, 32, 0.2),
        "metric_feature": "after",
        "embedding_dim": 3,
        "reduction_activation": "relu",
    },
    "CameraEmbedding": {"num_cameras": 6, "scale": 2.0},
    "ChannelGate": {"reduction": 4},
    "ClassTokenHead": {
        "num_classes": 5,
        "classifier": keras_reid.layers.CosSoftmax(5, 32, 0.2),
        "metric_feature": "after",
        "embedding": "after",
        "num_parts": 2,
        "embedding_dim": 3,
    },
    "CircleSoftmax": {"num_classes": 5, "scale": 32, "margin": 0.2},
    "Conv2D": {"filters": 8, "kernel_size": 3},
    "CosSoftmax": {"num_classes": 5, "scale": 32, "margin": 0.2},
    "CrossEntropy": {"label_smoothing": "adaptive", "alpha": 0.3},
    "FullyConnectedHead": {
        "num_classes": 5,
        "classifier": keras_reid.layers.CosSoftmax(5, 32, 0.2),
        "metric_feature": "before",
        "embedding_dim": 3,
    },
    "GeMPooling2D": {"p": 2.0, "learnable": False, "epsilon": 1e-5},
    "GroupedConv2D": {"filters": 8, "kernel_size": 3, "groups": 4},
    "IBN": {"momentum": 0.8, "epsilon": 1e-4},
    "JigsawPatches": {"shift": 3, "groups": 3, "num_parts": 2},
    "JigsawViT": {
        "depth": "small",
        "stride": (10, 12),
        "shift": 3,
        "groups": 5,
        "num_parts": 2,
        "drop_path": 0.2,
        "dropout": 0.1,
        "attention_dropout": 0.05,
        "num_cameras": 3,
        "camera_scale": 2.0,
        "width": 96,
        "input_shape": (64, 32, 3),
        "name": "small",
        "dtype": "mixed_bfloat16",
    },
    "KerasBackbone": {
        "model": keras.Sequential(
            [
                keras.Input((64, 32, 3)),
                keras.layers.Conv2D(4, 3, name="map"),
                keras.layers.GlobalAveragePooling2D(),
            ]
        ),
        "layer": "map",
        "preprocessing": "caffe",
        "name": "small",
    },
    "LinearClassifier": {"num_classes": 5, "scale": 2.0, "use_bias": True},
    "LinearHead": {
        "num_classes": 5,
        "classifier": keras_reid.layers.ArcSoftmax(5, 32, 0.2),
        "metric_feature": "after",
        "embedding_dim": 3,
    },
    "LogitDistillationLoss": {"kind": "kl", "temperature": 4.0},
    "ClusterMemoryLoss": {"dim": 6, "max_clusters": 9, "temperature": 0.5, "momentum": 0.3},
    "MemoryLoss": {"dim": 6, "loss": keras_reid.losses.CircleLoss(0.1, 16), "size": 20},
    "MobileNetV2": {
        "width": 0.1,
        "input_shape": (64, 32, 3),
        "name": "small",
        "dtype": "mixed_bfloat16",
    },
    "MultiGranularityHeads": {
        "num_classes": 5,
        "classifier": keras_reid.layers.CircleSoftmax(5, 32, 0.2),
        "metric_feature": "after",
        "embedding_dim": 3,
        "reduction_activation": "leaky_relu",
        "pooling": keras_reid.layers.AverageMaxPooling2D(),
    },
    "MultiGranularityResNet": {
        "depth": 101,
        "last_stride": 2,
        "ibn": True,
        "squeeze_excite": True,
        "width": 2,
        "input_shape": (64, 32, 3),
        "name": "small",
        "dtype": "mixed_bfloat16",
    },
    "NeckNormalization": {"momentum": 0.8, "epsilon": 1e-4},
    "NonLocal2D": {"inter_channels": 2, "momentum": 0.8, "epsilon": 1e-4},
    "OSNet": {
        "width": 0.25,
        "ibn": True,
        "input_shape": (64, 32, 3),
        "name": "small",
        "dtype": "mixed_bfloat16",
    },
    "OSNetAIN": {
        "width": 0.25,
        "input_shape": (64, 32, 3),
        "name": "small",
        "dtype": "mixed_bfloat16",
    },
    "PartialHead": {
        "num_classes": 5,
        "classifier": keras_reid.layers.CircleSoftmax(5, 32, 0.2),
        "metric_feature": "after",
        "embedding_dim": 3,
        "windows": [[1, 1], [3, 2]],
        "window_pooling": "average",
    },
    "PatchEmbedding": {"dim": 8, "patch_size": (8, 4), "stride": (4, 2)},
    "ReductionHead": {
        "num_classes": 5,
        "classifier": keras_reid.layers.CosSoftmax(5, 32, 0.2),
        "metric_feature": "after",
        "embedding_dim": 3,
        "dropout": 0.1,
    },
    "RepVGG": {
        "variant": "B1g2",
        "last_stride": 2,
        "fused": True,
        "width": 8,
        "input_shape": (64, 32, 3),
        "name": "small",
        "dtype": "mixed_bfloat16",
    },
    "ResNeSt": {
        "depth": 101,
        "last_stride": 2,
        "non_local": True,
        "dilate_last_stage": False,
        "width": 4,
        "input_shape": (64, 32, 3),
        "name": "small",
        "dtype": "mixed_bfloat16",
    },
    "ResNeXt": {
        "depth": 101,
        "last_stride": 2,
        "ibn": True,
        "non_local": True,
        "squeeze_excite": True,
        "ibn_last_stage": True,
        "width": 16,
        "input_shape": (64, 32, 3),
        "name": "small",
        "dtype": "mixed_bfloat16",
    },
    "ResNet": {
        "depth": 18,
        "last_stride": 2,
        "ibn": True,
        "non_local": True,
        "squeeze_excite": True,
        "width": 4,
        "input_shape": (64, 32, 3),
        "name": "small",
        "dtype": "mixed_bfloat16",
    },
    "SplitAttention": {
        "filters": 8,
        "kernel_size": 5,
        "radix": 4,
        "dilation_rate": 2,
        "reduction": 2,
    },
    "SqueezeExcite": {"reduction": 4},
    "TransformerBlock": {
        "num_heads": 2,
        "mlp_ratio": 3.0,
        "qkv_bias": False,
        "scale": 0.1,
        "dropout": 0.1,
        "attention_dropout": 0.2,
        "drop_path": 0.3,
        "epsilon": 1e-5,
    },
    "TripletLoss": {"margin": 0.0, "mining": "weighted", "normalize": True},
    "ViT": {
        "depth": "small",
        "stride": (12, 8),
        "drop_path": 0.2,
        "dropout": 0.1,
        "attention_dropout": 0.3,
        "num_cameras": 6,
        "camera_scale": 2.0,
        "width": 96,
        "convolutional_stem": True,
        "input_shape": (64, 32, 3),
        "name": "small",
        "dtype": "mixed_bfloat16",
    },
}


def arguments_of(cls):
    """A value for every argument of a component, other than its default."""
    if cls.__name__ in ARGUMENTS:
        return ARGUMENTS[cls.__name__]
    parameters = inspect.signature(cls.__init__).parameters
    hints = typing.get_type_hints(cls.__init__)
    return {
        name: _another(hint, parameters[name].default)
        for name, hint in hints.items()
        if name not in ("name", "dtype", "reduction", "kwargs", "return")
    }


def _another(hint, default):
    if typing.get_origin(hint) is typing.Literal:
        return next(value for value in typing.get_args(hint) if value != default)
    return {bool: lambda: not default, int: lambda: default + 1, float: lambda: default / 2 or 0.5}[hint]()


LARGE = {"JigsawViT", "MultiGranularityResNet", "OSNetAIN", "ResNeSt", "ResNeXt"}  # seconds each


def public_classes():
    modules = [(package, importlib.import_module(f"keras_reid.{package}")) for package in PACKAGES]
    return [
        pytest.param(
            getattr(module, name),
            id=f"{package}.{name}",
            marks=[pytest.mark.medium] if name in LARGE else [],
        )
        for package, module in modules
        for name in module.__all__
    ]


@pytest.mark.parametrize("cls", public_classes())
def test_round_trip_keeps_every_argument(cls):
    arguments = arguments_of(cls)
    instance = cls(**arguments)
    again = rebuilt(instance)
    config = instance.get_config()
    parameters = inspect.signature(cls.__init__).parameters
    named = {name for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD} - {"self"}
    # What the weights start from is no part of what a backbone is.
    own = named - {"name", "dtype", "reduction", "pretrained"}
    assert own <= set(arguments), "give every argument a value that is not its default"
    assert own <= set(config), "an argument is missing from get_config"
    for name in own & set(arguments) - {"classifier", "model"}:
        assert again.get_config()[name] == config[name]
        default = parameters[name].default
        assert default is inspect.Parameter.empty or config[name] != default
    assert keras.saving.get_registered_name(cls) == f"keras_reid>{cls.__name__}"


@pytest.mark.parametrize("cls", public_classes())
def test_docstring_has_every_part(cls):
    text = inspect.getdoc(cls)
    assert "Example:" in text
    assert ">>> " in text
    assert "Source:" in text
    for name, parameter in inspect.signature(cls.__init__).parameters.items():
        if name not in ("self", "name", "kwargs", "dtype") and parameter.kind is not parameter.VAR_KEYWORD:
            assert f"{name}:" in text, f"{name} is not documented"


@pytest.mark.parametrize("cls", public_classes())
def test_example_in_the_docstring_runs(cls):
    (example,) = doctest.DocTestFinder(recurse=False).find(
        cls, globs={"keras": keras, "keras_reid": keras_reid}
    )
    printed = []
    result = doctest.DocTestRunner(verbose=False).run(example, out=printed.append)
    assert result.attempted > 0
    assert result.failed == 0, "".join(printed)


@pytest.mark.parametrize("cls", public_classes())
def test_one_public_class_or_one_family_a_file_of_300_lines_at_most(cls):
    module = sys.modules[cls.__module__]
    assert len(pathlib.Path(module.__file__).read_text().splitlines()) <= 300
    here = [value for value in vars(module).values() if getattr(value, "__module__", None) == cls.__module__]
    public = [value for value in here if inspect.isclass(value) and not value.__name__.startswith("_")]
    # A family shares a base, which stands in the same file.
    assert public == [cls] or any(all(issubclass(one, base) for one in public) for base in public)


@pytest.mark.parametrize("package", PACKAGES)
def test_modelling_code_uses_no_tensorflow_and_nothing_above_it(package):
    allowed = {"keras_reid.layers", "keras_reid.utils", f"keras_reid.{package}"}
    if package == "backbones":  # they can start from published weights
        allowed.add("keras_reid.checkpoints")
    for path in (pathlib.Path(keras_reid.__file__).parent / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                modules = [node.module]
            for module in modules:
                assert module.split(".")[0] not in ("tensorflow", "torch", "jax"), path
                if module.startswith("keras_reid"):
                    assert ".".join(module.split(".")[:2]) in allowed, f"{path}: {module}"
