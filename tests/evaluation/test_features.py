import numpy as np
import pytest

from keras_reid.evaluation import Features
from keras_reid.utils.errors import UserError


def test_keeps_float32_without_copy_and_casts_the_rest():
    embeddings = np.ones((3, 4), np.float32)
    assert Features(embeddings, [1, 2, 3], [0, 0, 0]).embeddings is embeddings
    features = Features(np.ones((3, 4), np.float64), [1, 2, 3], None)
    assert features.embeddings.dtype == np.float32
    assert (len(features), features.dim, features.cameras) == (3, 4, None)


def test_is_frozen():
    with pytest.raises(AttributeError):
        Features(np.ones((1, 2)), [0], [0]).identities = np.zeros(1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e60])
def test_names_the_first_row_that_is_not_finite(bad):
    embeddings = np.ones((70000, 2))
    embeddings[[66000, 69000], 1] = bad
    with pytest.raises(UserError, match=r"`embeddings` must be finite.*row 66000"):
        Features(embeddings, np.zeros(70000, int), None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"embeddings": np.ones(3)}, r"`embeddings` must have the shape \(n, dim\).*shape=\(3,\)"),
        ({"embeddings": [["a"], ["b"], ["c"]]}, "`embeddings` must hold real numbers"),
        ({"identities": [1, 2]}, "`identities` must be as long as `embeddings`. Received: 2 for 3"),
        ({"identities": [0.5, 1.0, 2.0]}, "`identities` must be one integer for each row.*float64"),
        ({"identities": ["a", "b", "c"]}, "return_inverse"),
        (
            {"cameras": [[1], [2], [3]]},
            r"`cameras` must be one integer for each row. Received: shape=\(3, 1\)",
        ),
        ({"maps": np.ones((2, 4, 8))}, "`maps` must be as long as `embeddings`. Received: 2 for 3"),
        ({"weights": -np.ones((3, 4))}, "`weights` must not be negative"),
        ({"weights": np.full((3, 4), np.nan)}, "`weights` must be finite.*row 0"),
    ],
)
def test_refuses_by_name(arguments, message):
    given = {"embeddings": np.ones((3, 2)), "identities": [1, 2, 3], "cameras": [0, 0, 1], **arguments}
    with pytest.raises(UserError, match=message):
        Features(**given)
