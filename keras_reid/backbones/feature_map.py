"""Where the feature map of any functional model is."""

import difflib

import keras

from keras_reid.utils.hints import Tensor

_GLOBAL_POOLING = (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)


def find_feature_map(model: keras.Model, layer: str | None = None) -> tuple[Tensor, str]:
    """The last feature map in a functional or sequential model, before it is pooled or classified.

    An output that is a map already is taken as it is. Otherwise every tensor is followed from the images on: what a
    global pooling gives, what has at most two axes, and what is computed from such tensors alone (a gate of
    squeeze-and-excitation, a classifier of 1×1 convolutions) is pooled. The map is the one tensor of four axes that
    is not pooled and leads to no further one.

    Args:
        model: A `keras.Model` with a graph.
        layer: Name of the layer whose output is wanted, instead of looking for it. Defaults to None.

    Returns:
        The tensor, and the name of the layer or operation that gives it.

    Raises:
        ValueError: if there is no such layer, the map is not unique, or the model goes on with tokens.
    """
    nodes = _nodes(model)
    if layer is not None:
        return _check_map(_named(model, nodes, layer), layer), layer
    outputs = model.outputs
    if len(outputs) == 1 and len(outputs[0].shape) == 4:
        (name,) = [node.operation.name for node in nodes if _holds(node.output_tensors, outputs[0])]
        return _check_map(outputs[0], name), name
    pooled = _pooled(nodes)
    maps = {}  # of tensors that are maps and lead to no further one: id → (tensor, name)
    on_the_way = set()  # ids of tensors that lead to a map
    tokens = None
    for node in reversed(nodes):
        for tensor in node.output_tensors:
            if id(tensor) in pooled:
                continue
            if len(tensor.shape) == 4 and not node.is_input:
                if id(tensor) not in on_the_way:
                    maps[id(tensor)] = (tensor, node.operation.name)
                on_the_way.add(id(tensor))
            elif not maps and getattr(node.operation, "weights", ()):  # type: ignore[arg-type]
                tokens = tokens or (tensor, node.operation.name)
        if any(id(tensor) in on_the_way for tensor in node.output_tensors):
            on_the_way.update(id(tensor) for tensor in node.input_tensors)
    if tokens:
        tensor, name = tokens
        raise ValueError(
            f"The model {model.name!r} has no feature map that could be pooled: its layer {name!r} gives "
            f"{tensor.shape}, as a transformer's tokens. Name a layer that gives (batch, height, width, channels) "
            "by `layer=`, or make a map of the tokens, such as of the first: keras.Model(model.input, "
            f"keras.layers.Reshape((1, 1, {tensor.shape[-1]}))(tokens[:, 0]))."
        )
    if len(maps) != 1:
        found = ", ".join(repr(name) for _, name in maps.values()) or "none"
        raise ValueError(
            f"The model {model.name!r} must have one last feature map (batch, height, width, channels). Received: "
            f"{found}. Name the layer by `layer=`; of a model within the model, hand that one over."
        )
    ((tensor, name),) = maps.values()
    return _check_map(tensor, name), name


def _nodes(model):
    """The calls of layers and operations, each after those it depends on."""
    # Layers know only their last output; a layer that is called twice, and a model within the model, need the graph.
    by_depth = keras.Model(model.inputs, model.outputs)._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def _pooled(nodes):
    """The ids of tensors that have no places any more."""
    pooled = set()
    for node in nodes:
        after = node.input_tensors and all(id(tensor) in pooled for tensor in node.input_tensors)
        if after or isinstance(node.operation, _GLOBAL_POOLING):
            pooled.update(id(tensor) for tensor in node.output_tensors)
        pooled.update(id(tensor) for tensor in node.output_tensors if len(tensor.shape) <= 2)
    return pooled


def _named(model, nodes, layer):
    tensors = [tensor for node in nodes if node.operation.name == layer for tensor in node.output_tensors]
    if not tensors:
        names = [node.operation.name for node in nodes]
        close = difflib.get_close_matches(str(layer), names, n=3) or names[-3:]
        raise ValueError(
            f"`layer` must be a layer of the model {model.name!r}, such as {', '.join(map(repr, close))}. "
            f"Received: layer={layer!r}"
        )
    return tensors[-1]


def _check_map(tensor, name):
    if len(tensor.shape) != 4 or tensor.shape[-1] is None:
        raise ValueError(
            "The feature map must be (batch, height, width, channels) with known channels. "
            f"Received from the layer {name!r}: {tensor.shape}"
        )
    return tensor


def _holds(tensors, wanted):
    return any(tensor is wanted for tensor in tensors)
