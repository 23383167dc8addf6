"""Checks that every component passes, whatever it computes.

`run_layer_test`, `run_head_test`, `run_loss_test` and `run_model_test` cover: round trip of the config as
JSON, eager and symbolic call, half precision, saving to `.keras` and loading, gradients, one training step.
"""

import contextlib
import json
import pathlib
import tempfile

import keras
import numpy as np
import tensorflow as tf

HALF_POLICIES = ("mixed_float16", "mixed_bfloat16")


def rebuilt(instance):
    """`instance` made again from its config as JSON; asserts that both configs are the same."""
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(instance)))
    other = keras.saving.deserialize_keras_object(config)
    assert type(other) is type(instance)
    again = json.loads(json.dumps(keras.saving.serialize_keras_object(other)))
    assert again == config, f"{config} became {again}"
    return other


def reloaded(model):
    """`model` after `save` and `load_model`; asserts that all weights are the same to the bit."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.keras"
        model.save(path)
        other = keras.saving.load_model(path)
    assert len(other.weights) == len(model.weights)
    for a, b in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=a.path)
    return other


@contextlib.contextmanager
def dtype_policy(name):
    """Sets Keras' global dtype policy for a while."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def randomize(layer, seed=0):
    """Gives every weight a value that an untrained layer would not have; variances stay positive."""
    generator = np.random.default_rng(seed)
    for variable in layer.weights:
        value = generator.uniform(0.5, 1.5, variable.shape)
        if variable.ndim > 1:
            value = generator.normal(scale=np.prod(variable.shape[:-1]) ** -0.5, size=variable.shape)
        variable.assign(value)


def dtypes(outputs):
    return {keras.backend.standardize_dtype(x.dtype) for x in keras.tree.flatten(outputs)}


def shapes(outputs):
    return keras.tree.map_structure(lambda x: tuple(x.shape), outputs)


def assert_finite(outputs, context=""):
    for x in keras.tree.flatten(outputs):
        assert np.isfinite(keras.ops.convert_to_numpy(keras.ops.cast(x, "float32"))).all(), context


def assert_close(a, b, tolerance=1e-6):
    for x, y in zip(keras.tree.flatten(a), keras.tree.flatten(b), strict=True):
        x, y = (keras.ops.convert_to_numpy(keras.ops.cast(z, "float32")) for z in (x, y))
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


def gradients(function, *values):
    """Gradients of `sum(function(*values))` to each of the arrays `values`."""
    tensors = [tf.convert_to_tensor(value) for value in values]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        result = tf.reduce_sum(tf.cast(function(*tensors), "float32"))
    return [np.asarray(tf.convert_to_tensor(gradient)) for gradient in tape.gradient(result, tensors)]


def run_layer_test(make, inputs, output_shape, call_kwargs=None, half_dtype=None):
    """Checks a layer.

    Args:
        make: Function without arguments that makes the layer.
        inputs: Array, the layer's input.
        output_shape: Expected shape of the output (of all outputs by name, where it is a dict).
        call_kwargs: Further arguments of a training call, such as `labels`.
        half_dtype: Expected type of the outputs under mixed precision; the compute type if not given.

    Returns the built layer with random weights.
    """
    call_kwargs = call_kwargs or {}
    rebuilt(make())
    layer = make()
    assert shapes(layer(inputs, **call_kwargs)) == output_shape
    randomize(layer)
    rebuilt(layer)
    assert_finite(layer(inputs, **call_kwargs))

    symbolic = make()(keras.Input(inputs.shape[1:], batch_size=len(inputs)))
    assert shapes(symbolic) == output_shape
    assert dtypes(symbolic) == dtypes(layer(inputs))

    for policy in HALF_POLICIES:
        with dtype_policy(policy):
            half = make()
            outputs = half(inputs, **call_kwargs)
            assert dtypes(outputs) == {half_dtype or half.compute_dtype}, policy
            assert_finite(outputs, policy)
            assert {w.dtype for w in half.weights if "seed" not in w.path} <= {"float32"}, policy

    images = keras.Input(inputs.shape[1:])
    model = keras.Model(images, layer(images))
    assert_close(reloaded(model)(inputs), layer(inputs))

    if layer.trainable_variables:
        with tf.GradientTape() as tape:
            outputs = keras.tree.flatten(layer(inputs, **call_kwargs))
            value = sum(tf.reduce_sum(tf.cast(x, "float32") ** 2) for x in outputs)
        found = tape.gradient(value, layer.trainable_variables)
        for variable, gradient in zip(layer.trainable_variables, found, strict=True):
            assert gradient is not None, f"no gradient reaches {variable.path}"
            assert_finite(gradient, variable.path)
        before = [np.asarray(variable) for variable in layer.trainable_variables]
        keras.optimizers.SGD(1e-3).apply(found, layer.trainable_variables)
        moved = [np.any(np.asarray(v) != b) for v, b in zip(layer.trainable_variables, before, strict=True)]
        assert any(moved)
    return layer


def run_head_test(make, inputs, num_classes, embedding_dim, labels):
    """Checks a head: as a layer, and the meaning of its four outputs. Returns the built head."""
    batch, channels = inputs.shape
    output_shape = {
        "logits": (batch, num_classes),
        "scores": (batch, num_classes),
        "feature": (batch, channels if make().metric_feature == "before" else embedding_dim),
        "embedding": (batch, embedding_dim),
    }
    head = run_layer_test(make, inputs, output_shape, {"labels": labels, "training": True}, "float32")
    outputs = head(inputs)
    np.testing.assert_array_equal(outputs["logits"], outputs["scores"])
    source = inputs if head.metric_feature == "before" else outputs["embedding"]
    np.testing.assert_array_equal(outputs["feature"], source)
    return head


def run_loss_test(make, y_true, y_pred):
    """Checks a loss on integer labels `(batch,)` and predictions `(batch, dim)`."""
    loss = rebuilt(make())
    assert loss.reads in ("logits", "feature")
    value = float(loss(y_true, y_pred))
    assert np.isfinite(value)
    assert loss(y_true, y_pred).dtype == "float32"
    for labels in (y_true[:, None], y_true.astype("int64"), y_true.astype("uint8")):
        assert float(loss(labels, y_pred)) == value

    compiled = tf.function(lambda a, b: loss(a, b), input_signature=[_any_batch(y_true), _any_batch(y_pred)])
    assert_close(compiled(y_true, y_pred), value)

    for dtype in ("float16", "bfloat16"):
        coarse = keras.ops.cast(y_pred, dtype)
        outcome = loss(y_true, coarse)
        assert keras.backend.standardize_dtype(outcome.dtype) == "float32"
        assert_close(outcome, loss(y_true, keras.ops.cast(coarse, "float32")))

    plain = make()
    plain.reduction = None
    each = np.asarray(plain(y_true, y_pred))
    assert each.shape == y_true.shape
    assert (each >= 0).all()
    weights = np.linspace(0.0, 1.0, len(y_true)).astype("float32")
    np.testing.assert_allclose(plain(y_true, y_pred, sample_weight=weights), weights * each, rtol=1e-5)
    total = make()
    total.reduction = "sum"
    np.testing.assert_allclose(total(y_true, y_pred), each.sum(), rtol=1e-5)
    np.testing.assert_allclose(
        loss(y_true, y_pred, sample_weight=0.5 * np.ones(len(y_true))), 0.5 * value, rtol=1e-5
    )
    assert float(loss(y_true, y_pred, sample_weight=np.zeros(len(y_true)))) == 0

    (gradient,) = gradients(lambda x: loss(y_true, x), y_pred)
    assert gradient.shape == y_pred.shape
    assert np.isfinite(gradient).all()

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(y_pred.shape[1])])
    model.compile("sgd", loss=make())
    history = model.fit(
        np.random.default_rng(0).normal(size=(len(y_true), 3)), y_true, batch_size=4, verbose=0
    )
    assert np.isfinite(history.history["loss"][0])
    assert reloaded(model).loss.get_config() == make().get_config()


def run_model_test(make, images, output_shape, half_policies=HALF_POLICIES):
    """Checks a backbone. Returns it."""
    model = make()
    assert shapes(model(images)) == output_shape
    assert shapes(model(keras.Input(images.shape[1:], batch_size=len(images)))) == output_shape
    loaded = reloaded(model)
    # As JSON: Keras has shapes of a model within the model as tuples before, and as lists after loading.
    assert json.dumps(loaded.get_config()) == json.dumps(model.get_config())
    np.testing.assert_allclose(loaded(images), model(images), rtol=1e-5, atol=1e-5)
    for policy in half_policies:
        with dtype_policy(policy):
            half = make()
            assert dtypes(half(images)) == {half.layers[-1].compute_dtype}
            assert_finite(half(images, training=True), policy)
    if half_policies:  # the policy is the model's own: it survives a process with another one
        assert dtypes(rebuilt(half)(images)) == {half.layers[-1].compute_dtype}
    return model


def _any_batch(array):
    return tf.TensorSpec((None, *array.shape[1:]), array.dtype)
