"""int8 for the convolutions and dense layers of an ONNX model."""

from __future__ import annotations

import pathlib
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import onnx

_BATCH = 16  # images
_QUANTIZED = ("Conv", "Gemm", "MatMul")


def to_int8(program: onnx.ModelProto, pixels: np.ndarray) -> onnx.ModelProto:
    """A copy of an ONNX model whose convolutions and dense layers compute in int8 (QDQ nodes).

    Scales are symmetric, because TensorRT requires it: one for each output channel of a weight, and one for each
    activation, namely the largest magnitude that it reaches on the given pixels. Biases stay in float32. The first
    convolution is not quantised (with three channels there is little to gain and much to lose), nor are products of two
    activations (attention). Sums, pooling, norms and the embedding are computed in float32.

    The file is a quarter of the size. It is faster with TensorRT and other runtimes that fuse such nodes, but not with
    ONNX Runtime on a CPU.

    Cost: one pass of the float32 model over the pixels, in batches of 16.

    Args:
        program: `onnx.ModelProto` in float32.
        pixels: typical images, uint8 `(images, height, width, 3)`.

    Example:
        >>> onnx.save(to_int8(onnx.load("model.onnx"), pixels), "int8.onnx")  # doctest: +SKIP
    """
    import onnx
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):
        def __init__(self):
            self.batches = iter(range(0, len(pixels), _BATCH))

        def get_next(self):
            start = next(self.batches, None)
            return None if start is None else {"images": pixels[start : start + _BATCH]}

    first = next(node.name for node in program.graph.node if node.op_type == "Conv")
    with tempfile.TemporaryDirectory() as folder:
        plain, quantized = (pathlib.Path(folder) / f"{name}.onnx" for name in ("plain", "quantized"))
        typed = onnx.shape_inference.infer_shapes(program)
        # Marks the model as preprocessed: it is already simplified and has shapes.
        onnx.helper.set_model_props(typed, {"onnx.quant.pre_process": "onnxruntime.quant"})
        onnx.save(typed, str(plain))
        quantization.quantize_static(
            str(plain),
            str(quantized),
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(_QUANTIZED),
            per_channel=True,
            activation_type=quantization.QuantType.QInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=[first],
            calibrate_method=quantization.CalibrationMethod.MinMax,
            extra_options={
                "ActivationSymmetric": True,
                "WeightSymmetric": True,
                "QuantizeBias": False,
                "MatMulConstBOnly": True,
                # Round once, where the next convolution reads the value, and not before the activation as well.
                "OpTypesToExcludeOutputQuantization": list(_QUANTIZED),
            },
        )
        return onnx.load(str(quantized))
