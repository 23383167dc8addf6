"""Optimizers against PyTorch's rules, written out in float64."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.heads import BNNeckHead
from keras_reid.losses import CrossEntropy, TripletLoss
from keras_reid.models import ReIDModel
from keras_reid.training import BIASES, NORMALIZATION, SGD, Adam, CosineAfterDelay, ParameterRule, WarmUp

SIZE = (16, 8)
IDENTITIES = np.repeat(np.arange(4), 2).astype("int32")


def variable(value=(1.0, -2.0), name="w"):
    return keras.Variable(np.array(value, "float32"), name=name)


def tensors(*values):
    return [keras.ops.convert_to_tensor(np.asarray(value, "float32")) for value in values]


def arrays(variables):
    return [np.array(one) for one in variables]


def written_out_adam(value, gradients, rates, l2=0.0, decay=0.0, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
    """Adam with L2 in the gradient, and decoupled decay."""
    value = np.asarray(value, "float64")
    mean = square = np.zeros_like(value)
    for t, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), 1):
        gradient = gradient + l2 * value
        value = value - rate * decay * value
        mean = beta_1 * mean + (1 - beta_1) * gradient
        square = beta_2 * square + (1 - beta_2) * gradient**2
        value = value - rate * (mean / (1 - beta_1**t)) / (np.sqrt(square / (1 - beta_2**t)) + epsilon)
    return value


def written_out_sgd(value, gradients, rates, momentum=0.9, nesterov=False, l2=0.0):
    value, buffer = np.asarray(value, "float64"), 0.0
    for gradient, rate in zip(gradients, rates, strict=True):
        gradient = gradient + l2 * value
        buffer = momentum * buffer + gradient
        value = value - rate * (gradient + momentum * buffer if nesterov else buffer)
    return value


def random_gradients(steps, size=2, seed=0):
    return np.random.default_rng(seed).normal(size=(steps, size)).astype("float32")


@pytest.mark.parametrize("scale", [1.0, 1e-6], ids=["usual", "as small as epsilon"])
def test_adam_over_50_steps_with_one_variable_unfrozen_at_25(scale):
    early, late = variable(), variable([0.5, 3.0])
    optimizer = Adam(0.01, l2=0.0 if scale < 1 else 0.1)
    optimizer.build([early, late])
    gradients = scale * random_gradients(50, 4)
    for step, (a, b) in enumerate(gradients.reshape(50, 2, 2)):
        some = slice(None, 2 if step >= 25 else 1)
        optimizer.apply(tensors(a, b)[some], [early, late][some])
    for one, start, own in ((early, [1.0, -2.0], gradients[:, :2]), (late, [0.5, 3.0], gradients[25:, 2:])):
        expected = written_out_adam(start, own, [0.01] * len(own), optimizer.l2)
        np.testing.assert_allclose(np.array(one), expected, rtol=1e-6, atol=1e-6)


_RECORD = []


class Recording(Adam):
    """Remembers the gradients of each step."""

    def apply(self, grads, trainable_variables=None):
        _RECORD.append(
            {one.path: np.array(grad) for grad, one in zip(grads, trainable_variables, strict=True)}
        )
        super().apply(grads, trainable_variables)


def tiny_model():
    backbone = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(4, 3, strides=2, name="conv"),
            keras.layers.BatchNormalization(name="bn"),
            keras.layers.ReLU(),
        ]
    )
    return ReIDModel(
        backbone, keras.layers.GlobalAveragePooling2D(), BNNeckHead(4, name="head"), image_size=SIZE
    )


def image_batches(count, batch=8):
    images = np.random.default_rng(0).integers(0, 256, (count * batch, *SIZE, 3), dtype="uint8")
    identities = np.tile(IDENTITIES, count * batch // 8)
    return tf.data.Dataset.from_tensor_slices((images, identities)).batch(batch, drop_remainder=True)


def test_adam_through_fit_with_warm_up_and_a_backbone_unfrozen_at_25():
    _RECORD.clear()
    model = tiny_model()
    before = {one.path: np.array(one) for one in model.trainable_variables}
    optimizer = Recording(0.01, l2=0.05)
    model.compile(
        optimizer,
        losses=[CrossEntropy(), TripletLoss()],
        warmup_steps=30,
        freeze_backbone_steps=25,
        run_eagerly=True,
    )
    model.fit(image_batches(50), verbose=0, shuffle=False)
    rates = [0.01 * (0.1 * (1 - i / 30) + i / 30 if i < 30 else 1) for i in range(50)]
    assert len(_RECORD) == 50
    assert {len(step) for step in _RECORD[:25]} == {2}
    for one in model.trainable_variables:
        own = [(step[one.path], rate) for step, rate in zip(_RECORD, rates, strict=True) if one.path in step]
        assert len(own) == (50 if one.path.startswith("head/") else 25)
        expected = written_out_adam(before[one.path], *zip(*own, strict=True), l2=0.05)
        np.testing.assert_allclose(np.array(one), expected, rtol=1e-6, atol=1e-6, err_msg=one.path)


def test_adam_without_l2_equals_keras():
    variables = variable(), variable()
    optimizers = Adam(0.01), keras.optimizers.Adam(0.01, epsilon=1e-8)
    for step in range(4):
        for one, optimizer in zip(variables, optimizers, strict=True):
            optimizer.apply(tensors([0.1 * step + 0.1, -1.0]), [one])
    np.testing.assert_allclose(np.array(variables[0]), np.array(variables[1]), rtol=1e-6)


def test_adam_with_decoupled_decay_is_adamw():
    ours, keras_own = variable(), variable()
    optimizers = Adam(0.01, weight_decay=0.1), keras.optimizers.AdamW(0.01, weight_decay=0.1, epsilon=1e-8)
    gradients = random_gradients(10)
    for gradient in gradients:
        for one, optimizer in zip((ours, keras_own), optimizers, strict=True):
            optimizer.apply(tensors(gradient), [one])
    np.testing.assert_allclose(np.array(ours), np.array(keras_own), rtol=1e-5)
    expected = written_out_adam([1.0, -2.0], gradients, [0.01] * 10, decay=0.1)
    np.testing.assert_allclose(np.array(ours), expected, rtol=1e-6)


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_adam_takes_any_beta(beta):
    one, gradients = variable(), random_gradients(5)
    optimizer = Adam(0.01, beta_1=beta, beta_2=beta)
    for gradient in gradients:
        optimizer.apply(tensors(gradient), [one])
    expected = written_out_adam([1.0, -2.0], gradients, [0.01] * 5, beta_1=beta, beta_2=beta)
    np.testing.assert_allclose(np.array(one), expected, rtol=1e-6)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_has_the_rate_outside_the_momentum(nesterov):
    """As in PyTorch: with a rate that falls, Keras' form gives other numbers."""
    ours, keras_own = variable(), variable()
    schedule = CosineAfterDelay(0.1, 0, 20)
    arguments = {"momentum": 0.9, "nesterov": nesterov}
    optimizers = SGD(schedule, l2=0.2, **arguments), keras.optimizers.SGD(schedule, **arguments)
    gradients = random_gradients(20)
    for gradient in gradients:
        for one, optimizer in zip((ours, keras_own), optimizers, strict=True):
            optimizer.apply(tensors(gradient), [one])
    rates = [float(schedule(step)) for step in range(20)]
    expected = written_out_sgd([1.0, -2.0], gradients, rates, nesterov=nesterov, l2=0.2)
    np.testing.assert_allclose(np.array(ours), expected, rtol=1e-5, atol=1e-6)
    assert (
        np.abs(np.array(keras_own) - written_out_sgd([1.0, -2.0], gradients, rates, nesterov=nesterov)).max()
        > 0.01
    )


def test_sgd_with_a_constant_rate_equals_keras():
    variables = variable(), variable()
    for one, cls in zip(variables, (SGD, keras.optimizers.SGD), strict=True):
        optimizer = cls(0.1, momentum=0.9, weight_decay=0.1)
        for gradient in random_gradients(5):
            optimizer.apply(tensors(gradient), [one])
    np.testing.assert_allclose(np.array(variables[0]), np.array(variables[1]), rtol=1e-5)


def named(*paths):
    """Variables of 1, of these paths."""
    made = []
    for path in paths:
        scope, name = path.split("/")
        with keras.name_scope(scope):
            made.append(variable([1.0], name))
    return made


PATHS = ("bn/gamma", "bn/beta", "conv/kernel", "conv/bias", "head/kernel", "head/bias", "deadbeta/kernel")


@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        (ParameterRule(NORMALIZATION, l2=0.0), {"bn/gamma"}),
        (ParameterRule(BIASES, l2=0.0), {"bn/beta", "conv/bias", "head/bias"}),
        (ParameterRule(BIASES, 2.0), {"bn/beta", "conv/bias", "head/bias"}),
        (ParameterRule("^head/", 2.0), {"head/kernel", "head/bias"}),
        (ParameterRule("head/bias", weight_decay=0.0), {"head/bias"}),
    ],
    ids=["l2 of scales", "l2 of biases", "rate of biases", "rate of head", "decay of one"],
)
@pytest.mark.parametrize("cls", [Adam, SGD])
def test_a_rule_changes_what_it_matches(cls, rule, changed):
    def after(rules):
        variables = named(*PATHS)
        optimizer = cls(0.1, l2=0.5, weight_decay=0.3, rules=rules)
        for gradient in (0.4, -0.3):  # of which L2 changes more than Adam's size
            optimizer.apply(tensors(*[[gradient]] * len(PATHS)), variables)
        return np.concatenate(arrays(variables))

    differs = after([rule]) != after([])
    assert {path for path, one in zip(PATHS, differs, strict=True) if one} == changed


def test_rules_multiply_rates_and_the_last_decides_decay():
    (one,) = named("head/bias")
    rules = [
        ParameterRule("head", 2.0, l2=9.0),
        ParameterRule("bias", 5.0, l2=0.5),
        ParameterRule("bias", 1.0),
    ]
    SGD(0.01, rules=rules).apply(tensors([0.0]), [one])
    np.testing.assert_allclose(np.array(one), [1 - 0.01 * 10 * 0.5], rtol=1e-6)


def test_a_rule_that_matches_nothing_is_refused():
    with pytest.raises(
        ValueError, match=r"the rule for 'haed' matches none of the 2 trainable variables.*head/bias"
    ):
        Adam(rules=[ParameterRule("haed", 2.0)]).build(named("conv/kernel", "head/bias"))


@pytest.mark.parametrize("scaled", [False, True])
def test_warm_up_keeps_the_optimizer_as_it_is(scaled):
    variables = named("conv/kernel", "conv/bias")
    inner = SGD(0.1, weight_decay=0.5)
    inner.exclude_from_weight_decay(var_names=["bias"])
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=4.0) if scaled else inner
    warmed = WarmUp.apply(optimizer, steps=10, factor=0.5)
    warmed.apply(tensors([0.0], [0.0]), variables)
    np.testing.assert_allclose(np.concatenate(arrays(variables)), [1 - 0.05 * 0.5, 1.0], rtol=1e-6)
    if scaled:
        assert warmed.initial_scale == 4.0


CLIPPING = [{}, {"clipnorm": 0.5}, {"global_clipnorm": 0.5}, {"clipvalue": 0.2}]


@pytest.mark.parametrize("clipping", CLIPPING, ids=lambda clipping: "".join(clipping) or "no clipping")
@pytest.mark.parametrize("cls", [Adam, SGD])
def test_accumulation_averages_then_clips_then_adds_l2(cls, clipping):
    steps, k = 4, 3
    gradients = random_gradients(steps * k, 4).reshape(steps, k, 2, 2)
    accumulating, at_once = (variable(), variable([0.3, 0.1])), (variable(), variable([0.3, 0.1]))
    arguments = {"l2": 0.3, "weight_decay": 0.1, "rules": [ParameterRule("w", 1.5)], **clipping}
    optimizer = cls(0.1, gradient_accumulation_steps=k, **arguments)
    other = cls(0.1, **arguments)
    for step in range(steps):
        for part in range(k):
            before = arrays(accumulating)
            optimizer.apply(tensors(*gradients[step, part]), list(accumulating))
            assert np.array_equal(before, arrays(accumulating)) == (part < k - 1)
        other.apply(tensors(*gradients[step].mean(0)), list(at_once))
    np.testing.assert_allclose(arrays(accumulating), arrays(at_once), rtol=1e-5, atol=1e-7)
    if cls is Adam:
        assert [float(count) for count in optimizer._updates] == [steps, steps]
        assert int(optimizer.iterations) == steps


@pytest.mark.parametrize("clipping", CLIPPING[1:], ids=lambda clipping: "".join(clipping))
def test_clipping_changes_something_and_leaves_l2_alone(clipping):
    (one,) = named("conv/kernel")
    SGD(1.0, l2=0.25, **clipping).apply(tensors([100.0]), [one])
    (limit,) = clipping.values()
    np.testing.assert_allclose(np.array(one), [1 - limit - 0.25], rtol=1e-6)


def test_accumulated_batches_are_one_larger_batch_under_a_schedule():
    inputs = np.random.default_rng(0).normal(size=(48, 3)).astype("float32")
    outputs = inputs @ np.ones((3, 1), "float32")

    def trained(batch, **accumulation):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(1)])
        optimizer = Adam(CosineAfterDelay(0.1, 2, 12, 0.001), l2=0.01, **accumulation)
        model.compile(WarmUp.apply(optimizer, steps=4), loss="mse")
        model.fit(inputs, outputs, batch_size=batch, epochs=2, shuffle=False, verbose=0)
        return np.concatenate([one.ravel() for one in model.get_weights()])

    large = trained(8)
    np.testing.assert_allclose(trained(4, gradient_accumulation_steps=2), large, rtol=1e-5, atol=1e-6)
    assert np.abs(trained(4) - large).max() > 1e-3


def test_freezing_counts_updates_under_accumulation():
    model = tiny_model()
    optimizer = Adam(0.01, l2=0.1, gradient_accumulation_steps=3)
    model.compile(optimizer, losses=[CrossEntropy()], freeze_backbone_steps=2)
    backbone = arrays(model.backbone.trainable_variables)

    def has_moved():
        return not all(
            np.array_equal(*pair)
            for pair in zip(backbone, arrays(model.backbone.trainable_variables), strict=True)
        )

    for batches, moved in ((6, False), (2, False), (1, True)):
        model.fit(image_batches(batches), verbose=0, shuffle=False)
        assert has_moved() == moved
    counts = dict(
        zip([one.path for one in model.trainable_variables], arrays(optimizer._updates), strict=True)
    )
    assert {float(count) for path, count in counts.items() if path.startswith("head/")} == {3}
    assert {float(count) for path, count in counts.items() if not path.startswith("head/")} == {1}


def test_the_moving_average_becomes_the_weights_at_the_end():
    one, gradients = variable(), random_gradients(6)
    optimizer = Adam(0.1, l2=0.1, use_ema=True, ema_momentum=0.8)
    average = None
    for gradient in gradients:
        optimizer.apply(tensors(gradient), [one])
        now = np.array(one)
        average = now if average is None else 0.8 * average + 0.2 * now
    optimizer.finalize_variable_values([one])
    np.testing.assert_allclose(np.array(one), average, rtol=1e-5)


@pytest.mark.parametrize("cls", [Adam, SGD])
def test_a_step_that_overflows_moves_nothing(cls):
    one = variable()
    arguments = {"momentum": 0.9} if cls is SGD else {}
    inner = cls(0.1, l2=0.1, use_ema=True, gradient_accumulation_steps=2, **arguments)
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=8.0)
    step = tf.function(lambda gradient: optimizer.apply([gradient], [one]))
    for gradient in random_gradients(3):
        step(*tensors(8.0 * gradient))
    before = arrays(inner.variables), np.array(one)
    step(*tensors([np.inf, 1.0]))
    np.testing.assert_equal((arrays(inner.variables), np.array(one)), before)
    assert float(optimizer.dynamic_scale) == 4.0
    step(*tensors([4.0, 4.0]))
    assert not np.array_equal(np.array(one), before[1])


def test_unscaled_gradients_give_the_same_as_without_scaling():
    plain, scaled = variable(), variable()
    optimizer = Adam(0.1, l2=0.1)
    scaling = keras.optimizers.LossScaleOptimizer(Adam(0.1, l2=0.1), initial_scale=8.0)
    for gradient in random_gradients(4):
        optimizer.apply(tensors(gradient), [plain])
        scaling.apply(tensors(8.0 * gradient), [scaled])
    np.testing.assert_allclose(np.array(scaled), np.array(plain), rtol=1e-6)


@pytest.mark.parametrize(
    ("optimizer", "most"), [(Adam(0.1, l2=0.1), 12), (SGD(0.1, momentum=0.9, l2=0.1), 8)]
)
def test_a_variable_costs_few_operations_in_a_graph(optimizer, most):
    def operations(count):
        copy = optimizer.from_config(optimizer.get_config())
        variables = [variable() for _ in range(count)]
        copy.build(variables)
        step = tf.function(lambda gradients: copy.apply(gradients, variables))
        return len(step.get_concrete_function(tensors(*[[1.0, 2.0]] * count)).graph.get_operations())

    assert operations(30) - operations(20) <= 10 * most  # with those that are inputs of the graph


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("cls", [Adam, SGD])
def test_half_gradients_move_a_float32_variable(cls, dtype):
    one, other = variable(), variable()
    gradient = keras.ops.cast([0.5, -0.25], dtype)
    for target, given in ((one, gradient), (other, keras.ops.cast(gradient, "float32"))):
        cls(0.1, l2=0.1).apply([given], [target])
    np.testing.assert_array_equal(np.array(one), np.array(other))


@pytest.mark.parametrize(
    "optimizer",
    [
        Adam(0.02, l2=0.1, rules=[ParameterRule(BIASES, 2.0, 0.0, 0.1)], clipnorm=1.0, epsilon=1e-6),
        SGD(0.02, momentum=0.5, nesterov=True, l2=0.1, rules=[ParameterRule("x", l2=0.2)], use_ema=True),
        keras.optimizers.LossScaleOptimizer(Adam(0.02, rules=[ParameterRule("x")])),
    ],
)
def test_round_trip(optimizer):
    copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert copy.get_config() == optimizer.get_config()
    inner = getattr(copy, "inner_optimizer", copy)
    assert inner.rules == getattr(optimizer, "inner_optimizer", optimizer).rules


def test_saved_with_a_model_it_continues(tmp_path):
    model = tiny_model()
    rules = [ParameterRule("^head/", 3.0)]
    model.compile(Adam(0.01, l2=0.1, rules=rules), losses=[CrossEntropy()], warmup_steps=5)
    model.fit(image_batches(2), verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for one in (model, loaded):
        one.fit(image_batches(2), verbose=0, shuffle=False)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert loaded.optimizer.rules == tuple(rules)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Adam(l2=-1), "l2 must be 0 or more"),
        (lambda: SGD(l2=float("nan")), "l2 must be 0 or more"),
        (lambda: SGD(weight_decay=-1.0), "weight_decay must be 0 or more"),
        (lambda: Adam(amsgrad=True), "amsgrad"),
        (lambda: ParameterRule("(", 2.0), "pattern must be a regular expression"),
        (lambda: ParameterRule("a", -2.0), "learning_rate_factor must be 0 or more"),
        (lambda: ParameterRule("a", l2=-2.0), "l2 must be 0 or more"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
