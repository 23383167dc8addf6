"""Inputs that suit any public layer, head or backbone, for tests that walk over all of them."""

import inspect

import keras
import numpy as np

# By the number of dimensions that a layer asks for: features, tokens, feature map (whose channels many numbers
# divide, for layers with groups).
_SHAPES = {2: (4, 6), 3: (4, 5, 8), 4: (4, 6, 5, 12)}
_OTHER_SHAPES = {
    "CameraEmbedding": (4, 5, 8),
    "ClassTokenHead": (4, 1, 3, 8),
    "IdentityPooling2D": (4, 1, 1, 8),
    "JigsawPatches": (4, 7, 8),
    "MultiGranularityHeads": [(4, 6, 2, 8)] * 3,
    "NeckNormalization": (4, 6),
    "PatchEmbedding": (4, 64, 32, 3),
}
_IMAGE = (64, 32, 3)
_IDENTITIES = np.array([0, 2, 2, 4], "int32")


def component_inputs(component, seed=0):
    """`(inputs, keyword arguments)` of a training call: arrays in float64 and int32."""
    generator = np.random.default_rng(seed)

    def array(shape):
        return generator.normal(0.3, 1.0, shape)

    if isinstance(component, keras.Model):
        # A subclassed model, as the adapter, names no inputs.
        wanted = component.input if hasattr(component, "inputs") else keras.Input(_IMAGE)
        return keras.tree.map_structure(lambda x: _model_input(x, array), wanted), {}
    ndim = component.input_spec.ndim if component.input_spec else None
    shapes = _OTHER_SHAPES.get(type(component).__name__) or _SHAPES[ndim or 4]
    inputs = [array(shape) for shape in shapes] if isinstance(shapes, list) else array(shapes)
    parameters = inspect.signature(component.call).parameters
    return inputs, {name: _IDENTITIES for name in ("labels", "cameras") if name in parameters}


def _model_input(tensor, array):
    if "int" in tensor.dtype:
        return _IDENTITIES
    return array((4, *(size or usual for size, usual in zip(tensor.shape[1:], _IMAGE, strict=True))))
