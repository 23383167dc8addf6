"""int8 for the convolutions and dense layers of an ONNX model."""

import pathlib
import tempfile

_BATCH = 16  # images
_QUANTIZED = ("Conv", "Gemm", "MatMul")


def to_int8(program, pixels):
    """A copy of an ONNX model whose convolutions and dense layers compute in int8 (QDQ nodes).

    Scales are symmetric, so that TensorRT reads them too: one for each output channel of a weight, one for each
    activation, the largest magnitude that it reaches on the pixels given. Biases stay in float32. Not quantised: the
    first convolution (three channels: little to gain, and most to lose), products of two activations (attention) and
    all that is no convolution or dense layer: sums, pooling, norms and the embedding are computed in float32.

    It is a quarter of the size, and for TensorRT and others that fuse such nodes. ONNX Runtime on a processor is not
    faster with it.

    Cost: one pass of the float32 model over the pixels, in batches of 16.

    Args:
        program: `onnx.ModelProto` in float32.
        pixels: uint8 `(images, height, width, 3)`, typical ones.

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
        # That it is simplified and knows its shapes, which is all that its own preparation would do.
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
                # Rounded once, where the next convolution reads it, and not before the activation as well.
                "OpTypesToExcludeOutputQuantization": list(_QUANTIZED),
            },
        )
        return onnx.load(str(quantized))
