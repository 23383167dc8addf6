"""Embeddings over gRPC with the official stubs: python serving/examples/grpc_predict.py localhost:8500 IMAGE [IMAGE…]

Needs tensorflow-serving-api, which depends on TensorFlow. `keras_reid.serving.client` does the same without TensorFlow,
and adds batches, retries and errors that name the image.
"""

import pathlib
import sys

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


def main(target, *images):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "reid"
    request.model_spec.signature_name = "serving_default"
    contents = [pathlib.Path(image).read_bytes() for image in images]
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(contents, tf.string, [len(contents)]))
    with grpc.insecure_channel(target) as channel:
        answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=30)
    embeddings = tf.make_ndarray(answer.outputs["embedding"])
    print(f"{len(embeddings)} embeddings of {embeddings.shape[1]} numbers; cosine similarities:")
    print(np.round(embeddings @ embeddings.T, 4))


if __name__ == "__main__":
    main(*sys.argv[1:])
