import keras
import numpy as np
import pytest

from keras_reid.heads import MultiGranularityHeads
from keras_reid.heads.multi_granularity_heads import _strips
from keras_reid.layers import AverageMaxPooling2D, CircleSoftmax
from tests.harness import HALF_POLICIES, assert_finite, dtype_policy, dtypes, randomize, rebuilt, shapes

CLASSES = 5
LABELS = np.array([0, 0, 3, 4])
GENERATOR = np.random.default_rng(0)
MAPS = [GENERATOR.uniform(0.1, 1, size=(4, 7, 2, 6)).astype("float32") for _ in range(3)]


def make(**options):
    heads = MultiGranularityHeads(CLASSES, **{"embedding_dim": 3, **options})
    heads(MAPS)
    randomize(heads)
    return heads


def test_shapes_and_types():
    outputs = make()(MAPS, labels=LABELS, training=True)
    assert shapes(outputs) == {
        "logits": [(4, CLASSES)] * 8,
        "scores": (4, CLASSES),
        "feature": [(4, 6), (4, 6), (4, 6), (4, 12), (4, 18)],
        "embedding": (4, 24),
    }
    assert dtypes(outputs) == {"float32"}
    after = make(metric_feature="after")(MAPS)
    assert shapes(after["feature"]) == [(4, 3), (4, 3), (4, 3), (4, 6), (4, 9)]
    np.testing.assert_array_equal(after["feature"][0], after["embedding"][:, :3])


def test_which_rows_each_head_sees():
    """Seven rows: halves of 4 and 3 rows, thirds of 3, 3 and 1, as torch.chunk divides."""
    heads = make()
    base = np.asarray(heads(MAPS)["embedding"]).reshape(4, 8, 3)
    rows = [(0, r) for r in range(7)], [(1, r) for r in range(7)], [(2, r) for r in range(7)]
    seen = {}
    for branch, row in [pair for group in rows for pair in group]:
        maps = [x.copy() for x in MAPS]
        maps[branch][:, row] += 1
        changed = np.asarray(heads(maps)["embedding"]).reshape(4, 8, 3)
        for head in np.flatnonzero(np.any(changed != base, axis=(0, 2))):
            seen.setdefault(int(head), []).append((branch, row))
    # Order of the embedding: the three whole maps, two halves, three thirds.
    expected = [rows[0], rows[1], rows[2], rows[1][:4], rows[1][4:], rows[2][:3], rows[2][3:6], rows[2][6:]]
    assert seen == dict(enumerate(expected))


@pytest.mark.parametrize(("height", "sizes"), [(24, (8, 8, 8)), (16, (6, 6, 4)), (4, (2, 1, 1))])
def test_strips_of_other_heights(height, sizes):
    features = np.arange(height, dtype="float32").reshape(1, height, 1, 1)
    parts = [np.asarray(part).ravel() for part in _strips(keras.ops.convert_to_tensor(features), 3)]
    assert tuple(len(part) for part in parts) == sizes
    np.testing.assert_array_equal(np.concatenate(parts), features.ravel())


def test_height_that_is_known_only_when_called():
    heads = make()
    inputs = [keras.Input((None, None, 6)) for _ in range(3)]
    model = keras.Model(inputs, heads(inputs)["embedding"])
    np.testing.assert_allclose(model(MAPS), heads(MAPS)["embedding"], rtol=1e-5)


def test_scores_are_the_mean_without_margin_and_logits_have_it():
    heads = make(classifier=CircleSoftmax(CLASSES, 8, 0.2))
    plain, trained = heads(MAPS), heads(MAPS, labels=LABELS)
    np.testing.assert_allclose(plain["scores"], np.mean(plain["logits"], axis=0), rtol=1e-5)
    np.testing.assert_allclose(trained["scores"], plain["scores"], rtol=1e-5)
    for a, b in zip(plain["logits"], trained["logits"], strict=True):
        assert np.abs(a - b).max() > 1e-3


def test_every_head_has_its_own_weights():
    heads = make(classifier=CircleSoftmax(CLASSES, 8, 0.2))
    # Exponent, reduction, neck (4), class weights.
    assert len(heads.weights) == 8 * 7
    assert len({id(variable) for variable in heads.weights}) == 8 * 7
    assert len(make(pooling=AverageMaxPooling2D()).weights) == 8 * 6
    assert len(make(reduction_activation="relu").weights) == 8 * 11


def test_round_trip_in_a_model():
    heads = make(classifier=CircleSoftmax(CLASSES, 8, 0.2), pooling=AverageMaxPooling2D())
    again = rebuilt(heads)
    again(MAPS)
    again.set_weights(heads.get_weights())
    for a, b in zip(keras.tree.flatten(again(MAPS)), keras.tree.flatten(heads(MAPS)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("policy", HALF_POLICIES)
def test_float32_under_mixed_precision(policy):
    with dtype_policy(policy):
        outputs = MultiGranularityHeads(CLASSES)([x.astype("float16") for x in MAPS])
    assert dtypes(outputs) == {"float32"}
    assert_finite(outputs)


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (MAPS[:2], "needs a list of three feature maps"),
        ([MAPS[0], MAPS[1], MAPS[2][:, :2]], "into 3 strips, which needs as many rows"),
    ],
)
def test_bad_maps(maps, message):
    with pytest.raises(ValueError, match=message):
        MultiGranularityHeads(CLASSES)(maps)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric_feature": "between"}, "`metric_feature` of BNNeckHead"),
        ({"reduction_activation": "gelu"}, "must be None, 'relu' or 'leaky_relu'"),
        ({"embedding_dim": 0}, "positive number of dimensions"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        MultiGranularityHeads(CLASSES, **options)
