"""A SavedModel, run by TensorFlow."""

import tensorflow as tf


def load(artefact):
    served = tf.saved_model.load(artefact).signatures

    def answer(signature, encoded, pixels):
        if signature == "serving_default":
            outputs = served[signature](image_bytes=tf.constant(encoded))
        else:
            outputs = served[signature](images=tf.constant(pixels))
        return outputs["embedding"].numpy()

    return answer
