"""What a component computes, under whichever backend Keras runs; imports no backend by itself."""

import keras
import numpy as np

import keras_reid  # noqa: F401 (registers the components)


def calculate(case):
    """All numbers of a component by name: outputs, running statistics after them, gradients.

    The gradients are those of the sum of all outputs, each number with a factor of its own, to all float inputs and
    trainable variables. Running statistics are constants in training, whatever an operation knows of them.

    Args:
        case: `config` of the component, `inputs` (of a loss: labels and predictions), `calls`, the keyword
            arguments of each of its calls, the values of its variables, `trainable` and `others`, and whether to
            take `gradients`.
    """
    component = keras.saving.deserialize_keras_object(case["config"])
    if not isinstance(component, keras.losses.Loss) and not component.built:
        component(case["inputs"], **case["calls"][0])
    return {
        f"{name} of call {call}": keras.ops.convert_to_numpy(value)
        for call in range(len(case["calls"]))
        for name, value in _calculate(component, case, call).items()
    }


def _calculate(component, case, call):
    flat = keras.tree.flatten(case["inputs"])
    floats = [i for i, x in enumerate(flat) if _is_float(x)]

    def outputs_of(float_inputs, trainable, others):
        inputs = list(flat)
        for i, x in zip(floats, float_inputs, strict=True):
            inputs[i] = x
        inputs = keras.tree.pack_sequence_as(case["inputs"], inputs)
        if isinstance(component, keras.losses.Loss):
            return [component(*inputs)], []
        outputs, others = component.stateless_call(trainable, others, inputs, **case["calls"][call])
        return [[x for x in found if _is_float(x)] for found in (keras.tree.flatten(outputs), others)]

    def number_and_outputs(differentiated, others):
        outputs, statistics = outputs_of(*differentiated, others)
        total = 0.0
        for x in outputs:
            factors = np.cos(np.arange(np.prod(x.shape, dtype=int))).reshape(x.shape)
            total += keras.ops.sum(x * keras.ops.convert_to_tensor(factors, x.dtype))
        return total, [*outputs, *statistics]

    differentiated = [[flat[i] for i in floats], case["trainable"]]
    run = _with_gradients if case["gradients"] else _without_gradients
    gradients, outputs = run(number_and_outputs, differentiated, case["others"])
    found = {f"output {i}": x for i, x in enumerate(outputs)}
    return found | {f"gradient {i}": x for i, x in enumerate(keras.tree.flatten(gradients))}


def _is_float(x):
    return "float" in keras.backend.standardize_dtype(x.dtype)


def _without_gradients(function, differentiated, others):
    if keras.backend.backend() == "jax":
        import jax

        function = jax.jit(function)
    return [], function(differentiated, others)[1]


def _with_gradients(function, differentiated, others):
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(jax.grad(function, has_aux=True))(differentiated, others)
    import tensorflow as tf

    differentiated = keras.tree.map_structure(tf.convert_to_tensor, differentiated)
    with tf.GradientTape() as tape:
        tape.watch(differentiated)
        number, outputs = function(differentiated, others)
    return tape.gradient(number, differentiated, unconnected_gradients="zero"), outputs
