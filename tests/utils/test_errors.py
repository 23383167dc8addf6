import time

import keras
import pytest

from keras_reid.utils.errors import reason


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


@pytest.mark.parametrize(
    "text", ["a" * 2_000_000, " " * 2_000_000 + "a", "Exception encountered\n" * 100_000]
)
def test_reason_takes_time_as_the_text_is_long(text):
    # With patterns that restart at each character, it took minutes.
    started = time.process_time()
    assert reason(ValueError(text)) == text.strip()
    assert time.process_time() - started < 1


def test_reason_keeps_what_stands_before_a_layer_and_takes_the_innermost():
    calling = "before Exception encountered when calling A.call().\n\ninner"
    assert reason(ValueError(calling)) == "before inner"
    nested = "No.\n\nException encountered: No either.\n\nException encountered: this.  \n\nArguments received by A: x"
    assert reason(ValueError(nested)) == "this."
