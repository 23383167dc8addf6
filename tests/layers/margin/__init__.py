import keras
import numpy as np

_I, _J = np.arange(8)[:, None], np.arange(6)
FEATURES = (np.sin(0.7 * _I + 1.3 * _J) + 0.1 * _I).astype("float32")
WEIGHTS = np.cos(0.3 * np.arange(5)[:, None] - 0.8 * _J).astype("float32")  # (classes, dim)
LABELS = np.array([0, 0, 1, 1, 2, 2, 3, 3], "int32")


def normalized(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def with_weights(layer, weights=WEIGHTS):
    """`layer` with the class weights `(classes, dim)`."""
    layer.build((None, weights.shape[1]))
    layer.kernel.assign(weights.T)
    return layer


def at_cosine(layer, cosine, labels=(0,)):
    """Logits of a layer of two dimensions whose class 0 lies at the given cosine from the feature."""
    sine = max(1 - cosine**2, 0) ** 0.5
    with_weights(layer, np.array([[1, 0], [0, 1]], "float32"))
    labels = None if labels is None else np.array(labels)
    return np.asarray(layer(keras.ops.convert_to_tensor([[cosine, sine]], "float32"), labels=labels))[0]
