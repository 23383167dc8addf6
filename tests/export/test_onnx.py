import dataclasses
import json
import sys
import types

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper

from keras_reid.data import ReIDDataset
from keras_reid.data.sample import Sample
from keras_reid.embedding import l2_normalize
from keras_reid.embedding.backends.onnx_file import OnnxFile
from keras_reid.export import onnx as onnx_format
from keras_reid.export import quantized
from keras_reid.export.onnx import export_onnx
from keras_reid.export.onnx_float16 import to_float16
from keras_reid.export.onnx_int8 import to_int8
from keras_reid.export.parity_error import ParityError
from keras_reid.utils.errors import UserError
from tests.export.conftest import small_model
from tests.export.formats import context


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    model = small_model()
    folder = tmp_path_factory.mktemp("onnx") / "float32"
    told = onnx_format.write(model, folder, "float32", context(model))
    return model, folder, told


def program(exported):
    return onnx.load(str(exported[1] / "model.onnx"))


def run(model, images):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["embedding"], {"images": images})[0]


def pixels(count):
    return np.random.default_rng(0).integers(0, 256, (count, 32, 16, 3), np.uint8)


def test_float32_gives_the_models_embeddings(exported):
    model, folder, told = exported
    assert told == json.loads((folder / "parity.json").read_text())
    assert told["verified"] is True
    assert told["max_difference"] <= 1e-5
    assert {(batch["signature"], batch["batch_size"]) for batch in told["batches"]} == {
        ("pixels", count) for count in (1, 7, 32)
    }
    images = pixels(5)
    expected = l2_normalize(model.predict(images, verbose=0))
    np.testing.assert_allclose(run(program(exported), images), expected, atol=1e-5)


def test_the_interface(exported):
    graph = program(exported).graph
    (images,), (embedding,) = graph.input, graph.output
    shapes = [
        [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (images, embedding)
    ]
    assert (images.name, images.type.tensor_type.elem_type, shapes[0]) == (
        "images",
        TensorProto.UINT8,
        ["n", 32, 16, 3],
    )
    assert (embedding.name, embedding.type.tensor_type.elem_type) == ("embedding", TensorProto.FLOAT)
    assert shapes[1] == ["n", 8]


def test_what_the_file_says_of_itself(exported):
    made = program(exported)
    texts = {prop.key: prop.value for prop in made.metadata_props}
    assert made.producer_name == "keras_reid"
    assert [entry.version for entry in made.opset_import if entry.domain == ""] == [17]
    metadata = json.loads(texts["metadata"])
    assert metadata["image_size"] == [32, 16]
    assert metadata["embedding_dim"] == 8
    assert texts["threshold"] == "nan"


def test_the_threshold_travels_along(model, tmp_path):
    model.metadata["threshold"] = 0.625
    export_onnx(model, tmp_path / "model.onnx")
    texts = {prop.key: prop.value for prop in onnx.load(str(tmp_path / "model.onnx")).metadata_props}
    assert float(texts["threshold"]) == 0.625
    assert OnnxFile(tmp_path / "model.onnx").metadata["threshold"] == 0.625


def test_simplifying_changes_no_answer(model, tmp_path, monkeypatch):
    import onnxslim

    given = []
    slim = onnxslim.slim
    monkeypatch.setattr(
        onnxslim,
        "slim",
        lambda made: given.append(type(made).FromString(made.SerializeToString())) or slim(made),
    )
    export_onnx(model, tmp_path / "model.onnx")
    simple = onnx.load(str(tmp_path / "model.onnx"))
    np.testing.assert_allclose(run(simple, pixels(3)), run(given[0], pixels(3)), atol=1e-6)


def test_float16_halves_the_weights_and_keeps_the_embedding_in_float32(exported, tmp_path):
    model, _, _ = exported
    told = onnx_format.write(model, tmp_path / "float16", "float16", context(model))
    assert told["min_cosine"] >= 0.9995
    half = onnx.load(str(tmp_path / "float16" / "model.onnx"))
    types_of = {tensor.name: tensor.data_type for tensor in half.graph.initializer}
    convolutions = [node for node in half.graph.node if node.op_type == "Conv"]
    assert convolutions
    assert {types_of[node.input[1]] for node in convolutions} == {TensorProto.FLOAT16}
    typed = onnx.shape_inference.infer_shapes(half, strict_mode=True, data_prop=True)
    values = {value.name: value.type.tensor_type.elem_type for value in typed.graph.value_info}
    for node in half.graph.node:
        if node.op_type in ("Log", "Exp", "ReduceSum", "Sqrt", "Div"):
            for name in node.output:
                assert values.get(name, TensorProto.FLOAT) == TensorProto.FLOAT


def test_a_weight_too_large_for_float16_is_named(exported):
    made = program(exported)
    kernel = next(node.input[1] for node in made.graph.node if node.op_type == "Conv")
    tensor = next(tensor for tensor in made.graph.initializer if tensor.name == kernel)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + np.float32(1e5), kernel))
    with pytest.raises(UserError, match=r"float16 ends at 65504"):
        to_float16(made)


def two_convolutions():
    """An ONNX model with two convolutions; the second can be quantised."""
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)
        for name, shape in (("a", (8, 3, 3, 3)), ("b", (8, 8, 3, 3)), ("bias", (8,)))
    ]
    nodes = [
        onnx.helper.make_node("Cast", ["images"], ["float"], "cast", to=TensorProto.FLOAT),
        onnx.helper.make_node("Transpose", ["float"], ["x"], "transpose", perm=[0, 3, 1, 2]),
        onnx.helper.make_node("Conv", ["x", "a"], ["y"], "first"),
        onnx.helper.make_node("Relu", ["y"], ["z"], "relu"),
        onnx.helper.make_node("Conv", ["z", "b", "bias"], ["w"], "second"),
        onnx.helper.make_node("GlobalAveragePool", ["w"], ["embedding"], "pool"),
    ]
    graph = onnx.helper.make_graph(
        nodes,
        "two",
        [onnx.helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", 32, 16, 3])],
        [onnx.helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 8, 1, 1])],
        weights,
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def test_int8_without_pixels_is_refused_before_anything_is_converted(tmp_path):
    with pytest.raises(UserError, match=r"int8 needs `calibration`, typical pixels.* Received: None"):
        export_onnx(None, tmp_path / "model.onnx", "int8")
    assert not any(tmp_path.iterdir())


def test_int8_leaves_the_first_convolution_and_the_biases_alone():
    exact, quantised = two_convolutions(), to_int8(two_convolutions(), pixels(20))
    made_by = {name: node.op_type for node in quantised.graph.node for name in node.output}
    first, second = (node for node in quantised.graph.node if node.op_type == "Conv")
    assert made_by.get(first.input[1]) is None
    assert [made_by.get(name) for name in second.input] == ["DequantizeLinear", "DequantizeLinear", None]
    assert not {node.op_type for node in quantised.graph.node if second.output[0] in node.input} & {
        "QuantizeLinear"
    }
    scales = {tensor.name: numpy_helper.to_array(tensor) for tensor in quantised.graph.initializer}
    weight = next(node for node in quantised.graph.node if second.input[1] in node.output)
    assert scales[weight.input[1]].shape == (8,)
    zero_points = [scales[node.input[2]] for node in quantised.graph.node if node.op_type == "QuantizeLinear"]
    assert zero_points
    assert all((point == 0).all() for point in zero_points)
    a, b = (run(one, pixels(4)).reshape(4, 8) for one in (exact, quantised))
    cosines = (l2_normalize(a) * l2_normalize(b)).sum(1)
    assert 0.99 < cosines.min() < 1 - 1e-7


def test_the_loss_of_map_is_written(model, tmp_path):
    (tmp_path / "int8").mkdir()
    told = {"verified": True}
    asked = dataclasses.replace(context(model), test_sets=(people(model, tmp_path),))
    quantized.add_map_loss(told, tmp_path / "int8", model, model, asked)
    assert told["map_loss"]["people"]["points"] == 0
    assert told == json.loads((tmp_path / "int8" / "parity.json").read_text())


def test_int8_of_a_model(exported, tmp_path, capsys):
    model, _, _ = exported
    told = onnx_format.write(model, tmp_path / "int8", "int8", context(model, tmp_path))
    assert told["calibration_images"] == 12
    assert told == json.loads((tmp_path / "int8" / "parity.json").read_text())
    assert told["map_loss"] is None
    assert "outside a run" in told["map_loss_not_measured"]
    assert "was not measured" in capsys.readouterr().out


def test_int8_needs_images(exported, tmp_path):
    model, _, _ = exported
    with pytest.raises(UserError, match="--calibration-images"):
        onnx_format.write(model, tmp_path / "int8", "int8", context(model))
    assert not (tmp_path / "int8").exists()


def test_calibration_images_are_evenly_chosen(model, tmp_path):
    paths = context(model, tmp_path).training_images
    assert quantized.calibration_pixels(paths, (32, 16), most=4).shape == (4, 32, 16, 3)
    assert quantized.calibration_pixels(paths, (8, 8)).shape == (12, 8, 8, 3)
    ends = quantized.calibration_pixels(paths, (32, 16), most=2)
    np.testing.assert_array_equal(ends, quantized.calibration_pixels([paths[0], paths[-1]], (32, 16)))


def people(model, folder):
    """A test set of 4 identities; the second image of each is a slightly brighter copy of the first."""
    from PIL import Image

    rng = np.random.default_rng(0)
    query, gallery = [], []
    for identity in range(4):
        image = rng.integers(0, 200, (*model.image_size, 3), np.uint8)
        for camera, part in ((0, query), (1, gallery)):
            path = folder / f"{identity}_{camera}.png"
            Image.fromarray(image + np.uint8(5 * camera)).save(path)
            part.append(Sample(path, identity, camera))
    return ReIDDataset(name="people", query=query, gallery=gallery)


def test_the_loss_of_map_is_measured_and_limited(model, tmp_path, capsys):
    dataset = people(model, tmp_path)
    told = quantized.map_loss(model, model, [dataset])["map_loss"]["people"]
    assert told == {"model": 1.0, "artefact": 1.0, "points": 0.0}
    assert "mAP on people: 100.00 %" in capsys.readouterr().out
    rng = np.random.default_rng(1)
    bad = types.SimpleNamespace(
        image_size=model.image_size, predict_on_batch=lambda images: rng.normal(size=(len(images), 8))
    )
    with pytest.raises(ParityError, match="mAP on people falls by"):
        quantized.map_loss(bad, model, [dataset])


def test_the_models_own_map_is_measured_once(model, tmp_path):
    dataset, known = people(model, tmp_path), {}
    quantized.map_loss(model, model, [dataset], known)
    assert known == {id(dataset): 1.0}
    told = quantized.map_loss(model, None, [dataset], known)["map_loss"]["people"]
    assert told == {"model": 1.0, "artefact": 1.0, "points": 0.0}


def test_a_missing_package_is_named_with_its_extra(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(UserError, match=r"tf2onnx.*pip install 'keras_reid\[onnx\]'"):
        export_onnx(model, tmp_path / "model.onnx")


def test_what_is_missing_is_said_before_the_model_is_loaded(model_file, tmp_path, monkeypatch):
    from keras_reid.export.__main__ import main
    from keras_reid.utils import optional

    words = [str(model_file), "--output", str(tmp_path / "out")]
    for form in ("onnx", "litert"):
        with pytest.raises(UserError, match="--calibration-images"):
            main([*words, "--format", form, "--precision", "int8"])
    options = types.SimpleNamespace(run_or_model=model_file, calibration_images=None, trust_code=False)
    onnx_format.check("float32", options)
    monkeypatch.setattr(
        optional.importlib.util, "find_spec", lambda name: None if name == "onnxslim" else name
    )
    with pytest.raises(UserError, match=r"needs onnxslim, which is not installed.*keras_reid\[onnx\]"):
        onnx_format.check("float32", options)
