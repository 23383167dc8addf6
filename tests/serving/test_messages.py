"""On the wire, the client's messages are those of TensorFlow Serving."""

import numpy as np
import pytest

from keras_reid.serving.client import messages


@pytest.fixture(scope="module")
def apis():
    from tensorflow_serving.apis import get_model_status_pb2, predict_pb2

    return predict_pb2, get_model_status_pb2


@pytest.mark.parametrize(
    "value",
    [
        np.arange(2 * 3 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 3),
        [b"\xff\x00", b""],
        [],
    ],
)
def test_requests(apis, value):
    import tensorflow as tf

    ours = messages.PredictRequest(output_filter=["embedding"])
    ours.model_spec.name, ours.model_spec.signature_name = "reid", "pixels"
    ours.model_spec.version.value = 7
    ours.inputs.add(key="images", value=messages.to_tensor(value))
    official = apis[0].PredictRequest.FromString(ours.SerializeToString())
    assert (official.model_spec.name, official.model_spec.signature_name) == ("reid", "pixels")
    assert official.model_spec.version.value == 7
    assert list(official.output_filter) == ["embedding"]
    np.testing.assert_array_equal(
        tf.make_ndarray(official.inputs["images"]).tolist(), np.array(value).tolist()
    )


def test_labels(apis):
    ours = messages.StatusRequest(model_spec={"name": "reid", "version_label": "stable"})
    official = apis[1].GetModelStatusRequest.FromString(ours.SerializeToString())
    assert official.model_spec.version_label == "stable"


@pytest.mark.parametrize("as_numbers", [False, True])
@pytest.mark.parametrize(
    "array",
    [np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((2, 3), np.float32), np.zeros((0, 3), np.float32)],
)
def test_answers(apis, array, as_numbers):
    import tensorflow as tf

    official = apis[0].PredictResponse()
    tensor = official.outputs["embedding"]
    tensor.CopyFrom(tf.make_tensor_proto(array))
    if as_numbers:
        tensor.tensor_content = b""
        # TensorFlow writes equal numbers only once.
        tensor.float_val[:] = array.reshape(-1)[:1] if np.all(array == 1) else array.reshape(-1)
    (pair,) = messages.PredictResponse.FromString(official.SerializeToString()).outputs
    assert pair.key == "embedding"
    np.testing.assert_array_equal(messages.from_tensor(pair.value), array)


def test_answers_in_text(apis):
    import tensorflow as tf

    official = apis[0].PredictResponse()
    official.outputs["metadata"].CopyFrom(tf.make_tensor_proto("{}"))
    (pair,) = messages.PredictResponse.FromString(official.SerializeToString()).outputs
    assert messages.from_tensor(pair.value).item() == b"{}"


def test_states(apis):
    official = apis[1].GetModelStatusResponse()
    for number in messages.STATES:
        official.model_version_status.add(version=3, state=number).status.error_message = "why"
    ours = messages.StatusResponse.FromString(official.SerializeToString())
    names = apis[1].ModelVersionStatus.State
    assert {name: number for number, name in messages.STATES.items()} == dict(names.items())
    assert [entry.state for entry in ours.model_version_status] == list(messages.STATES)
    assert {(entry.version, entry.status.error_message) for entry in ours.model_version_status} == {
        (3, "why")
    }


def test_a_tensor_of_another_type():
    with pytest.raises(ValueError, match="expected a float32 tensor"):
        messages.from_tensor(messages.Tensor(dtype=9))
