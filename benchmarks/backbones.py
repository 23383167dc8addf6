"""Size and speed of every backbone: `python benchmarks/backbones.py`.

    python benchmarks/backbones.py --only resnet50 osnet_x1.0
    python benchmarks/backbones.py --only vit_base --size 256 256 --batch 64

Measures each backbone in a separate process and adds its row to benchmarks/results/backbones.csv at once. Rows that
already exist for the same size, batches and machine are skipped, so you can interrupt the benchmark and run it again.
All backbones take hours on a small CPU.

- parameters: trainable parameters.
- gflops: for one image, twice the multiply-adds of all convolutions and matrix products. A grouped convolution counts
  as defined, although it runs as dense ones. Normalisation, activation and pooling are not counted.
- forward: compiled inference. training: compiled forward and backward pass and an Adam step, on the mean of the feature
  map; empty for a fused RepVGG, which is for inference. Both are in float32 without XLA; the median of several calls.
"""

import argparse
import difflib
import math
import pathlib
from unittest import mock

import measuring
from measuring import add_row, seconds

from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError

RESULTS = pathlib.Path(__file__).with_name("results") / "backbones.csv"
KEY = ("backbone", "height", "width", "batch", "training_batch", "device", "cores")
COLUMNS = (
    "backbone",
    "height",
    "width",
    "parameters",
    "gflops",
    "map_height",
    "map_width",
    "channels",
    "batch",
    "forward_images_per_second",
    "training_batch",
    "training_images_per_second",
    *measuring.MACHINE,
)


def _table():
    """`{name: (class in keras_reid.backbones, its arguments)}`."""
    table = {f"resnet{depth}": ("ResNet", {"depth": depth}) for depth in (18, 34, 50, 101, 152)}
    for option, argument in (("ibn", "ibn"), ("nl", "non_local"), ("se", "squeeze_excite")):
        table[f"resnet50_{option}"] = ("ResNet", {"depth": 50, argument: True})
    table["resnet50_mgn"] = ("MultiGranularityResNet", {"depth": 50})
    table |= {f"resnext{depth}": ("ResNeXt", {"depth": depth}) for depth in (50, 101)}
    table |= {f"resnest{depth}": ("ResNeSt", {"depth": depth}) for depth in (50, 101, 200, 269)}
    for width in (1.0, 0.75, 0.5, 0.25):
        table[f"osnet_x{width}"] = ("OSNet", {"width": width})
        table[f"osnet_ain_x{width}"] = ("OSNetAIN", {"width": width})
    table["osnet_x1.0_ibn"] = ("OSNet", {"width": 1.0, "ibn": True})
    for width in (1.0, 0.75, 0.5, 0.35, 0.25, 0.1):
        table[f"mobilenet_v2_x{width}"] = ("MobileNetV2", {"width": width})
    for size in ("A0", "A1", "A2", "B0", "B1", "B1g2", "B1g4", "B2", "B2g2", "B2g4", "B3", "B3g2", "B3g4"):
        table[f"repvgg_{size.lower()}"] = ("RepVGG", {"variant": size})
        table[f"repvgg_{size.lower()}_fused"] = ("RepVGG", {"variant": size, "fused": True})
    table |= {f"vit_{depth}": ("ViT", {"depth": depth}) for depth in ("small", "base")}
    table |= {f"jigsaw_vit_{depth}": ("JigsawViT", {"depth": depth}) for depth in ("small", "base")}
    return table


TABLE = _table()


def build(name, size):
    """The backbone of a row with random weights, for images of `size` (height, width)."""
    from keras_reid import backbones

    cls, arguments = TABLE[name]
    return getattr(backbones, cls)(**arguments, input_shape=(*size, 3))


def map_shape(model, size):
    """`(height, width, channels)` of the feature map for images of `size`; of the first map if there are several."""
    shapes = model.compute_output_shape((1, *size, 3))
    return tuple((shapes[0] if isinstance(shapes, list) else shapes)[1:])


def multiply_adds(model, size):
    """Multiply-adds of convolutions and matrix products for one image of `size` (height, width).

    Counted in the graph that TensorFlow traces, so that products inside composite layers are included.
    """
    import tensorflow as tf

    from keras_reid.layers import GroupedConv2D

    def as_defined(layer, inputs, kernel):
        padding = layer.padding.upper()
        return tf.nn.conv2d(inputs, kernel, layer.strides, padding, dilations=layer.dilation_rate)

    with mock.patch.object(GroupedConv2D, "convolution_op", as_defined):
        function = tf.function(lambda images: model(images, training=False))
        graph = function.get_concrete_function(tf.TensorSpec((1, *size, 3))).graph
    return sum(_of_operation(operation) for operation in graph.get_operations())


def _of_operation(operation):
    kind = operation.type
    if "Call" in kind or kind.startswith(("Einsum", "Xla", "While", "If", "StatelessIf", "StatelessWhile")):
        raise NotImplementedError(f"cannot count the products inside {operation.name} of type {kind}")
    if kind == "Conv2D":  # kernel: (height, width, input channels of a group, output channels)
        return operation.outputs[0].shape.num_elements() * operation.inputs[1].shape[:3].num_elements()
    if kind == "DepthwiseConv2dNative":  # kernel: (height, width, channels, outputs of a channel)
        return operation.outputs[0].shape.num_elements() * operation.inputs[1].shape[:2].num_elements()
    if kind == "MatMul" or kind.startswith("BatchMatMul"):
        transposed = operation.get_attr("transpose_a" if kind == "MatMul" else "adj_x")
        return operation.outputs[0].shape.num_elements() * operation.inputs[0].shape[-2 if transposed else -1]
    if "Conv" in kind or "MatMul" in kind:
        raise NotImplementedError(f"cannot count the products of {operation.name} of type {kind}")
    return 0


def measure(name, conditions, repeats):
    """One row of the results."""
    command_line.load_tensorflow()
    import keras
    import tensorflow as tf

    size = (conditions["height"], conditions["width"])
    model = build(name, size)
    variables = model.trainable_variables
    map_height, map_width, channels = map_shape(model, size)
    row = {
        "backbone": name,
        **conditions,
        "parameters": sum(math.prod(variable.shape) for variable in variables),
        "gflops": f"{2 * multiply_adds(model, size) / 1e9:.3f}",
        "map_height": map_height,
        "map_width": map_width,
        "channels": channels,
    }

    @tf.function
    def forward(images):
        return tf.reduce_mean(model(images, training=False))

    @tf.function
    def train(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(images, training=True))
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    images = tf.random.stateless_normal((conditions["batch"], *size, 3), seed=(0, 0))
    row["forward_images_per_second"] = f"{len(images) / seconds(lambda: forward(images), repeats):.1f}"
    if not TABLE[name][1].get("fused"):
        optimizer = keras.optimizers.Adam(1e-4)
        optimizer.build(variables)
        images = tf.random.stateless_normal((conditions["training_batch"], *size, 3), seed=(0, 0))
        row["training_images_per_second"] = f"{len(images) / seconds(lambda: train(images), repeats):.1f}"
    return row


def conditions_of(options):
    """What the numbers depend on, apart from the backbone."""
    return {
        "height": options.size[0],
        "width": options.size[1],
        "batch": options.batch,
        "training_batch": options.training_batch,
        **measuring.machine(),
    }


def measured(file):
    """The keys of the rows in `file`."""
    return measuring.measured(file, KEY)


def parse(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        help=f"measure these, even if the table has them: {', '.join(TABLE)}",
    )
    parser.add_argument(
        "--size",
        nargs=2,
        type=int,
        default=(256, 128),
        metavar=("HEIGHT", "WIDTH"),
        help="of the images, in pixels",
    )
    parser.add_argument("--batch", type=int, default=32, help="images in a forward pass")
    parser.add_argument("--training-batch", type=int, default=16, help="images in a training step")
    parser.add_argument(
        "--repeats", type=int, default=5, help="number of timed calls, of which the median is used"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one call with two images; prints the row but writes no file"
    )
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the CSV file")
    options = parser.parse_args(arguments)
    for name in options.only or ():
        if name not in TABLE:
            near = difflib.get_close_matches(name, TABLE, n=3) or TABLE
            raise UserError(f"--only {name}: there is no such backbone; did you mean {', '.join(near)}?")
    if min(*options.size, options.batch, options.training_batch, options.repeats) < 1:
        raise UserError("--size, --batch, --training-batch and --repeats must be positive")
    if options.quick:
        options.batch = options.training_batch = 2
        options.repeats = 1
    return options


def main(arguments):
    options = parse(arguments)
    conditions = conditions_of(options)
    done = set() if options.only or options.quick else measured(options.output)
    failed = []
    for name in options.only or TABLE:
        if tuple(str({"backbone": name, **conditions}[key]) for key in KEY) in done:
            print(f"{name}: already in {options.output.name}", flush=True)
            continue
        try:
            row = measuring.in_own_process(measure, name, conditions, options.repeats)
        except Exception as error:
            failed.append(name)
            print(
                f"{name}: FAILED: {type(error).__name__}: {' '.join(str(error).split())[:300]}",
                flush=True,
            )
            continue
        print(", ".join(f"{column} {row[column]}" for column in COLUMNS if column in row), flush=True)
        if not options.quick:
            add_row(options.output, COLUMNS, KEY, row)
    if failed:
        raise UserError(f"{len(failed)} could not be measured: {', '.join(failed)}; the reasons are above")


if __name__ == "__main__":
    command_line.run(main)
