import keras
import pytest

from keras_reid.errors import reason


class Wrong(keras.layers.Layer):
    def call(self, x):
        raise ValueError("two\nlines")


def test_reason_is_what_the_layer_said():
    with pytest.raises(ValueError, match="two\nlines") as caught:
        Wrong()(keras.ops.ones((1, 2)))
    assert str(caught.value).startswith("Exception encountered when calling Wrong.call()")
    assert "Arguments received by" in str(caught.value)
    assert reason(caught.value) == "two\nlines"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("plain. Received: 3"), "plain. Received: 3"),
        (TypeError("No. config={}.\n\nException encountered: Could not locate it."), "Could not locate it."),
        (KeyError(), "KeyError"),
    ],
)
def test_reason_of_other_errors(error, expected):
    assert reason(error) == expected
