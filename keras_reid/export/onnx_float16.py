"""float16 for the parts of an ONNX model that tolerate it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    import onnx

# The expensive operations: always in float16.
_HEAVY = {"Conv", "ConvTranspose", "MatMul", "Gemm"}
# Operations that are as exact in float16 as their input: in float16 between heavy ones.
_LIGHT = {
    *(
        "Add",
        "Mul",
        "Relu",
        "Clip",
        "Sigmoid",
        "HardSigmoid",
        "HardSwish",
        "LeakyRelu",
        "MaxPool",
        "AveragePool",
    ),
    *(
        "GlobalAveragePool",
        "Concat",
        "Split",
        "Slice",
        "Pad",
        "Transpose",
        "Reshape",
        "Squeeze",
        "Unsqueeze",
        "Identity",
    ),
}


def to_float16(program: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of an ONNX model with weights and convolutions in float16, typed throughout.

    Convolutions and dense layers become float16, and so do the operations between them that round no more than they do:
    sums, products, activations, pooling and data movement. Everything else stays in float32, with casts at the borders:
    the pixels before the first convolution; means, variances and powers (IBN, GeM); softmax; and everything after the
    last convolution. So nothing is squared or summed over a map in float16, whose largest number is 65504.

    A strongly typed TensorRT network made from it computes in exactly these types.

    Args:
        program: `onnx.ModelProto` in float32, without control flow.

    Raises:
        UserError: a weight is too large for float16.

    Example:
        >>> onnx.save(to_float16(onnx.load("model.onnx")), "half.onnx")  # doctest: +SKIP
    """
    import onnx

    typed = onnx.shape_inference.infer_shapes(program, strict_mode=True)
    result = type(program)()
    result.CopyFrom(program)
    graph = result.graph
    floats = _float_names(typed.graph)
    weights = {tensor.name: tensor for tensor in graph.initializer if tensor.name in floats}
    half = _half_nodes(graph, floats, set(weights))
    made_in_half = {name for index in half for name in graph.node[index].output if name in floats}
    casts, nodes, converted = {}, [], {}

    def cast(name, to, suffix):
        if name not in casts:
            casts[name] = name + suffix
            nodes.append(
                onnx.helper.make_node("Cast", [name], [name + suffix], name=f"Cast_{name}{suffix}", to=to)
            )
        return casts[name]

    # Outputs keep their names. Each input is renamed to its copy in the type in which the node computes.
    for index, node in enumerate(graph.node):
        for place, name in enumerate(node.input):
            if name not in floats:
                continue
            if index in half and name in weights:
                converted[name] = name + "_float16"
                node.input[place] = converted[name]
            elif index in half and name not in made_in_half:
                node.input[place] = cast(name, onnx.TensorProto.FLOAT16, "_float16")
            elif index not in half and name in made_in_half:
                node.input[place] = cast(name, onnx.TensorProto.FLOAT, "_float32")
        nodes.append(node)
    for name, new in converted.items():
        graph.initializer.append(onnx.numpy_helper.from_array(_halved(weights[name]), new))
    nodes = [_copy(node) for node in nodes]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    used = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    kept = [_copy(tensor) for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    return result


def _copy(message):
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _float_names(graph):
    """Names of all float32 tensors."""
    import onnx

    values = [*graph.input, *graph.output, *graph.value_info]
    names = {value.name for value in values if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    return names | {tensor.name for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT}


def _half_nodes(graph, floats, weights):
    """Indices of the nodes that compute in float16; nodes are in the order of computation."""
    before_heavy = set()  # tensors that a convolution depends on
    for node in reversed(graph.node):
        if node.op_type in _HEAVY or any(name in before_heavy for name in node.output):
            before_heavy.update(node.input)
    half, made = set(), set()
    for index, node in enumerate(graph.node):
        activations = [name for name in node.input if name in floats and name not in weights]
        if node.op_type in _HEAVY:
            chosen = True
        elif node.op_type not in _LIGHT or not activations:
            chosen = False
        else:
            # Concatenating the float32 half of an IBN map with its other half only moves data.
            enough = any if node.op_type == "Concat" else all
            chosen = enough(name in made for name in activations) and any(
                name in before_heavy for name in node.output
            )
        if chosen:
            half.add(index)
            made.update(node.output)
    return half


def _halved(tensor):
    import onnx

    values = onnx.numpy_helper.to_array(tensor)
    largest = float(np.abs(values).max(initial=0))
    if largest > float(np.finfo(np.float16).max):
        raise UserError(
            f"the weight {tensor.name} contains {largest:.3g}, but float16 ends at 65504: export float32 instead"
        )
    return values.astype(np.float16)
