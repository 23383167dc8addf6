import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.losses import ClusterMemoryLoss
from tests.finite_differences import check_gradients
from tests.harness import assert_finite, dtype_policy, gradients, rebuilt, reloaded
from tests.losses import edge_cases


def batch(seed, size=8, dim=6, clusters=5):
    generator = np.random.default_rng(seed)
    return generator.integers(0, clusters, size), generator.normal(size=(size, dim)).astype("float32")


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def filled(clusters=5, **options):
    loss = ClusterMemoryLoss(dim=6, max_clusters=9, **options)
    loss.fill(batch(10, clusters)[1])
    return loss, unit(batch(10, clusters)[1])


def values(loss):
    return [np.array(variable) for variable in loss.state_variables]


def written_out(labels, features, memory, temperature):
    similarities = unit(features) @ memory.T / temperature
    return np.log(np.exp(similarities).sum(axis=1)) - similarities[np.arange(len(labels)), labels]


@pytest.mark.parametrize("temperature", [0.05, 0.5])
@pytest.mark.parametrize("momentum", [0.0, 0.1, 0.9])
def test_equals_a_written_out_memory(temperature, momentum):
    loss, memory = filled(temperature=temperature, momentum=momentum, reduction=None)
    compiled = tf.function(lambda labels, features: loss(labels, features))
    for number in range(5):
        labels, features = batch(number)
        found = (compiled if number % 2 else loss)(labels, features)
        np.testing.assert_allclose(
            found, written_out(labels, features, memory, temperature), rtol=1e-4, atol=1e-5
        )
        for cluster in set(labels.tolist()):
            mean = unit(features)[labels == cluster].mean(axis=0)
            memory[cluster] = unit(momentum * memory[cluster] + (1 - momentum) * mean)
        np.testing.assert_allclose(values(loss)[0][:5], memory, atol=1e-6)
    assert values(loss)[1] == 5
    assert (values(loss)[0][5:] == 0).all()


def test_the_order_in_the_batch_does_not_matter():
    labels, features = batch(0)
    (loss, _), (other, _) = filled(), filled()
    order = np.random.default_rng(0).permutation(8)
    assert float(loss(labels, features)) == pytest.approx(
        float(other(labels[order], features[order])), rel=1e-6
    )
    np.testing.assert_allclose(values(loss)[0], values(other)[0], atol=1e-6)


def test_unfilled_it_learns_from_identities():
    loss = ClusterMemoryLoss(dim=6, max_clusters=5, temperature=1.0)
    labels, features = batch(0)
    assert float(loss(labels, features)) == pytest.approx(np.log(5), rel=1e-6)
    assert float(loss(labels, features)) < np.log(5)


def test_one_cluster_has_nothing_to_tell_apart():
    loss, _ = filled(clusters=1)
    assert float(loss(np.zeros(8, int), batch(0)[1])) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(("sign", "expected"), [(1, np.log1p(np.exp(-20))), (-1, 20 + np.log1p(np.exp(-20)))])
def test_at_the_ends_of_the_cosine(sign, expected):
    loss = ClusterMemoryLoss(dim=2, max_clusters=4)
    loss.fill([[1.0, 0], [0, 1]])
    features = np.array([[3.0 * sign, 0]], "float32")
    loss.storing = False
    assert float(loss([0], features)) == pytest.approx(expected, abs=2e-6)
    assert_finite(gradients(lambda x: loss([0], x), features))


def test_gradient():
    loss, _ = filled(temperature=0.5, dtype="float64")
    loss.storing = False  # a finite difference must not change what it measures
    labels, features = batch(1)
    check_gradients(lambda x: loss(labels, x), features.astype("float64"))


def test_the_memory_is_constant_to_the_gradient():
    (loss, memory), (labels, features) = filled(temperature=0.5), batch(1)
    (found,) = gradients(lambda x: loss(labels, x), features)
    held, _ = filled(temperature=0.5)
    held.storing = False
    np.testing.assert_allclose(found, gradients(lambda x: held(labels, x), features)[0], atol=1e-7)
    assert not np.array_equal(values(loss)[0][:5], memory)


def test_without_storing_it_stays_as_it_is():
    loss, _ = filled()
    state = values(loss)
    loss.storing = False
    assert float(loss(*batch(0))) == float(loss(*batch(0)))
    np.testing.assert_equal(values(loss), state)


def test_restored_it_continues_to_the_bit():
    (loss, _), other = filled(), ClusterMemoryLoss(dim=6, max_clusters=9)
    loss(*batch(0))
    for variable, value in zip(other.state_variables, values(loss), strict=True):
        variable.assign(value)
    assert float(loss(*batch(1))) == float(other(*batch(1)))
    np.testing.assert_equal(values(loss), values(other))


def test_features_that_are_not_finite_are_forgotten():
    (loss, _), (clean, _) = filled(), filled()
    labels, features = batch(0)
    broken = np.where(np.arange(8)[:, None] < 4, np.nan, features)
    assert np.isnan(float(loss(labels, broken)))
    clean(labels[4:], features[4:])
    np.testing.assert_allclose(values(loss)[0], values(clean)[0], atol=1e-7)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_computes_in_float32(dtype):
    labels, features = batch(0)
    coarse = keras.ops.cast(features, dtype)
    with dtype_policy(f"mixed_{dtype}"):
        (loss, _), (other, _) = filled(), filled()
        found = loss(labels, coarse)
    assert found.dtype == "float32"
    assert float(found) == float(other(labels, keras.ops.cast(coarse, "float32")))
    assert values(loss)[0].dtype == np.float32


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("case", edge_cases())
def test_value_and_gradient_are_finite_at_the_edges(case, dtype):
    labels, features = edge_cases()[case]
    features = keras.ops.cast(features, dtype)
    loss = ClusterMemoryLoss(features.shape[1], max_clusters=10)
    for _ in range(2):
        assert np.isfinite(float(loss(labels, features)))
        assert_finite(gradients(lambda x: loss(labels, x), features))
    assert_finite(values(loss)[0])


def test_learns_in_a_plain_keras_model_and_is_saved_with_it():
    labels = np.arange(32) % 4
    inputs = np.eye(6, dtype="float32")[labels] + 0.3 * batch(0, size=32)[1]
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8)])
    model.compile(
        keras.optimizers.Adam(0.02), loss=ClusterMemoryLoss(8, max_clusters=4, temperature=0.2, momentum=0.5)
    )
    history = model.fit(inputs, labels, batch_size=8, epochs=8, verbose=0).history["loss"]
    assert history[-1] < 0.5 * history[0]
    assert reloaded(model).loss.get_config() == model.loss.get_config()


def test_round_trip():
    again = rebuilt(ClusterMemoryLoss(6, 9, temperature=0.5, momentum=0.3))
    assert (again.dim, again.max_clusters, again.temperature, again.momentum) == (6, 9, 0.5, 0.3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ClusterMemoryLoss(0, 9), "`dim` of ClusterMemoryLoss must be a positive whole number"),
        (
            lambda: ClusterMemoryLoss(6, 2.5),
            "`max_clusters` of ClusterMemoryLoss must be a positive whole number",
        ),
        (
            lambda: ClusterMemoryLoss(6, 9, temperature=0),
            "`temperature` of ClusterMemoryLoss must be positive",
        ),
        (lambda: ClusterMemoryLoss(6, 9, momentum=1), "`momentum` of ClusterMemoryLoss must be from 0"),
        (lambda: ClusterMemoryLoss(5, 9)(*batch(0)), "length dim=5. Received: features of length 6"),
        (
            lambda: ClusterMemoryLoss(6, 9).fill(np.ones((10, 6))),
            r"1 to 9 features of length 6\. .*\(10, 6\)",
        ),
        (lambda: ClusterMemoryLoss(6, 9).fill(np.ones((0, 6))), "1 to 9 features"),
        (lambda: ClusterMemoryLoss(6, 9).fill(np.ones((3, 5))), r"Received: shape \(3, 5\)"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()
