"""What forms and the script send."""

import numpy as np
import pytest

from keras_reid.gallery.service.page.sent import Sent, vector_text
from keras_reid.gallery.service.service_error import ServiceError


def test_fields():
    sent = Sent({"name": " Anna ", "identity": ["3", "4"], "one": "5", "deep": {"a": 1}})
    assert (sent.text("name"), sent.text("none"), sent.text("deep")) == ("Anna", "", "")
    assert (sent.numbers("identity"), sent.numbers("one"), sent.numbers("none")) == ([3, 4], [5], [])


@pytest.mark.parametrize("text", ["", "-1", "x", "1" * 19, "१"])
def test_a_number_that_is_none(text):
    with pytest.raises(ServiceError, match="`identity` must be a number"):
        Sent({"identity": text}).number("identity")


def test_an_embedding_survives_the_page():
    vector = np.linspace(-1, 1, 7, dtype=np.float32)
    np.testing.assert_array_equal(Sent({"vector": vector_text(vector)}).vector(), vector)


@pytest.mark.parametrize("text", ["!", "AAA=", "AAAA", "é"])
def test_another_text_is_no_embedding(text):
    with pytest.raises(ServiceError, match="must be base64 of float32"):
        Sent({"vector": text}).vector()
