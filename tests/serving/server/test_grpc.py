import random
import socket
import struct

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.serving import tiny
from tests.serving.conftest import jpeg


@pytest.fixture(scope="module")
def predictor(tiny_server):
    return prediction_service_pb2_grpc.PredictionServiceStub(tiny_server.channel)


@pytest.fixture(scope="module")
def models(tiny_server):
    return model_service_pb2_grpc.ModelServiceStub(tiny_server.channel)


def asked(signature="pixels", name="reid", version=None, label=None, output_filter=(), **inputs):
    message = predict_pb2.PredictRequest(output_filter=output_filter)
    message.model_spec.name, message.model_spec.signature_name = name, signature
    if version is not None:
        message.model_spec.version.value = version
    if label:
        message.model_spec.version_label = label
    for key, value in inputs.items():
        tensor = (
            value if isinstance(value, tf.make_tensor_proto([0]).__class__) else tf.make_tensor_proto(value)
        )
        message.inputs[key].CopyFrom(tensor)
    return message


def images(count=2):
    return np.random.default_rng(0).integers(0, 256, (count, tiny.HEIGHT, tiny.WIDTH, 3), np.uint8)


def refusal(call, message):
    with pytest.raises(grpc.RpcError) as raised:
        call(message, timeout=60)
    return raised.value.code(), raised.value.details()


def test_predict(predictor):
    answer = predictor.Predict(asked(images=images()), timeout=60)
    embedding = answer.outputs["embedding"]
    np.testing.assert_allclose(tf.make_ndarray(embedding), images().mean((1, 2)), rtol=1e-5)
    assert len(embedding.float_val) == 2 * tiny.DIM  # as the real server answers
    spec = answer.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("reid", 1, "pixels")


@pytest.mark.parametrize("values", [[7], [7, 7, 7]])
def test_typed_fields_whose_last_value_stands_for_the_rest(predictor, values):
    tensor = tf.make_tensor_proto(np.full((2, tiny.HEIGHT, tiny.WIDTH, 3), 7, np.uint8))
    tensor.ClearField("tensor_content")
    tensor.int_val.extend(values)
    answer = predictor.Predict(asked(images=tensor), timeout=60)
    np.testing.assert_allclose(tf.make_ndarray(answer.outputs["embedding"]), np.full((2, 3), 7.0))


def test_bytes_no_rows_and_the_default_signature(predictor):
    answer = predictor.Predict(asked("", image_bytes=np.array([jpeg(), jpeg(1)], object)), timeout=60)
    assert answer.model_spec.signature_name == "serving_default"
    assert tf.make_ndarray(answer.outputs["embedding"]).shape == (2, tiny.DIM)
    answer = predictor.Predict(asked(images=images(0)), timeout=60)
    assert tf.make_ndarray(answer.outputs["embedding"]).shape == (0, tiny.DIM)


def test_output_filter(predictor):
    inputs = {"a": np.ones((1, 2), np.float32), "b": np.ones(1, np.int64)}
    assert set(predictor.Predict(asked("two", **inputs), timeout=60).outputs) == {"sum", "name_bytes"}
    answer = predictor.Predict(asked("two", output_filter=["name_bytes"], **inputs), timeout=60)
    assert {key: list(value.string_val) for key, value in answer.outputs.items()} == {"name_bytes": [b"1"]}
    code, details = refusal(predictor.Predict, asked("two", output_filter=["x"], **inputs))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "output_filter may name" in details


def test_metadata_and_status(predictor, models):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "reid"
    answer = predictor.GetModelMetadata(request, timeout=60)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    assert "pixels" in signatures.signature_def
    request.metadata_field[:] = ["else"]
    assert refusal(predictor.GetModelMetadata, request)[0] == grpc.StatusCode.INVALID_ARGUMENT
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "reid"
    (entry,) = models.GetModelStatus(request, timeout=60).model_version_status
    assert (entry.version, entry.state) == (1, get_model_status_pb2.ModelVersionStatus.AVAILABLE)
    request.model_spec.version.value = 7
    assert refusal(models.GetModelStatus, request)[0] == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    "message",
    [
        asked(name="nobody", images=images()),
        asked(version=7, images=images()),
        asked(label="canary", images=images()),
    ],
)
def test_not_found(predictor, message):
    code, details = refusal(predictor.Predict, message)
    assert code == grpc.StatusCode.NOT_FOUND
    assert "Received" in details


def test_an_unknown_signature_has_the_code_of_tensorflow_serving(predictor):
    code, details = refusal(predictor.Predict, asked("nope", images=images()))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert details.startswith("signature_name must be one of ")


def test_a_call_without_a_message(tiny_server):
    call = tiny_server.channel.stream_unary("/tensorflow.serving.PredictionService/Predict")
    code, details = refusal(call, iter([]))
    assert (code, details) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "the call must send one message. Received: none",
    )


def broken(change):
    tensor = tf.make_tensor_proto(images())
    change(tensor)
    return tensor


def unknown_rank(tensor):
    del tensor.tensor_shape.dim[:]
    tensor.tensor_shape.unknown_rank = True


def bomb(tensor):
    tensor.tensor_shape.dim[0].size = 1 << 40


def bomb_of_one_value(tensor):
    tensor.ClearField("tensor_content")
    tensor.int_val.append(1)
    bomb(tensor)


def negative(tensor):
    tensor.tensor_shape.dim[0].size = -1


def short(tensor):
    tensor.tensor_content = tensor.tensor_content[:-1]


def many(tensor):
    tensor.ClearField("tensor_content")
    tensor.int_val.extend([1] * 193)


def strange_type(tensor):
    tensor.dtype = 77


def too_large_values(tensor):
    tensor.ClearField("tensor_content")
    tensor.int_val.append(4000)


@pytest.mark.parametrize(
    ("signature", "inputs", "words"),
    [
        ("pixels", {"images": images().astype(np.float32)}, "images must be uint8"),
        ("pixels", {"images": images()[0]}, "must have shape (n, 8, 4, 3)"),
        ("pixels", {"images": images()[:, :2]}, "must have shape (n, 8, 4, 3)"),
        ("pixels", {"images": images(300)}, "at most 256 rows"),
        ("pixels", {"pictures": images()}, "inputs must be images. Received: pictures"),
        ("pixels", {}, "Received: none"),
        ("pixels", {"images": broken(unknown_rank)}, "known shape"),
        ("pixels", {"images": broken(bomb)}, "at most 256 rows"),
        ("pixels", {"images": broken(bomb_of_one_value)}, "at most 256 rows"),
        ("pixels", {"images": broken(negative)}, "known shape"),
        ("pixels", {"images": broken(short)}, "192 bytes in tensor_content"),
        ("pixels", {"images": broken(many)}, "needs 192 values. Received: 193"),
        ("pixels", {"images": broken(strange_type)}, "Received: type 77"),
        ("pixels", {"images": broken(too_large_values)}, "images"),
        ("two", {"a": np.full((1, 2), np.nan, np.float32), "b": np.ones(1, np.int64)}, "a must be finite"),
        ("two", {"a": np.ones((1, 2), np.float32), "b": np.ones(2, np.int64)}, "same number of rows"),
        ("serving_default", {"image_bytes": np.array([b"", jpeg()], object)}, "image_bytes[0]"),
        ("serving_default", {"image_bytes": b"x"}, "must have shape (n)"),
        ("checked", {"images": np.full((1, tiny.HEIGHT, tiny.WIDTH, 3), 13, np.uint8)}, "unlucky pixel"),
    ],
)
def test_bad_requests_name_what_is_wrong(predictor, signature, inputs, words):
    code, details = refusal(predictor.Predict, asked(signature, **inputs))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert words in details
    assert "{{" not in details


def test_a_message_above_the_limit(predictor):
    code, _ = refusal(predictor.Predict, asked("", image_bytes=np.array([bytes(40 << 20)], object)))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_what_is_not_implemented_says_so(predictor, models):
    for call, message in (
        (predictor.Classify, classification_pb2.ClassificationRequest()),
        (models.HandleReloadConfigRequest, model_management_pb2.ReloadConfigRequest()),
    ):
        code, details = refusal(call, message)
        assert code == grpc.StatusCode.UNIMPLEMENTED
        assert details


def test_the_clients_deadline_counts(predictor):
    with pytest.raises(grpc.RpcError) as raised:
        predictor.Predict(asked("slow", images=images()), timeout=0.01)
    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_health_service(tiny_server):
    check = tiny_server.channel.unary_unary("/grpc.health.v1.Health/Check")
    for name in (b"", b"tensorflow.serving.PredictionService", b"tensorflow.serving.ModelService"):
        message = b"\x0a" + bytes([len(name)]) + name if name else b""
        assert check(message, timeout=60) == b"\x08\x01"  # status: SERVING
    code, details = refusal(check, b"\x0a\x04nope")
    assert code == grpc.StatusCode.NOT_FOUND
    assert "Received: 'nope'" in details
    assert refusal(check, b"\xff")[0] == grpc.StatusCode.INVALID_ARGUMENT


def test_random_bytes_on_both_ports_disturb_nobody(tiny_server, predictor):
    draw = random.Random(0)
    ports = [int(address.rpartition(":")[2]) for address in (tiny_server.rest, tiny_server.grpc)]
    beginnings = [b"", b"POST /v1/models/reid:predict HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    for number in range(60):
        with socket.create_connection(("127.0.0.1", ports[number % 2]), timeout=10) as connection:
            if number % 5 == 0:  # close with a reset
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            try:
                connection.sendall(draw.choice(beginnings) + draw.randbytes(draw.randrange(1, 5000)))
            except OSError:
                continue  # it has hung up already
    assert tiny_server.process.poll() is None
    assert tiny_server.get("/readyz").status_code == 200
    assert predictor.Predict(asked(images=images()), timeout=60).outputs
    assert "Traceback" not in tiny_server.log.read_text()
