import pathlib

import pytest

from keras_reid.data import Sample


def test_a_path_is_kept_as_a_string():
    assert Sample(pathlib.Path("a") / "b.jpg", 1).path == "a/b.jpg"
    assert Sample("b.jpg", "x") == Sample("b.jpg", "x", None)


@pytest.mark.parametrize("identity", [None, "", 1.5, True])
def test_an_identity_is_an_integer_or_a_string(identity):
    with pytest.raises(ValueError, match=r"`identity` must be an integer or a string.*b\.jpg"):
        Sample("b.jpg", identity)
