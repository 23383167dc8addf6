import pytest

from keras_reid.utils.errors import UserError
from keras_reid.utils.memory_size import parse_memory


@pytest.mark.parametrize(
    ("text", "size"),
    [("1GB", 10**9), ("1 GiB", 2**30), ("2g", 2**31), ("1.5mb", 1_500_000), ("70000000", 70_000_000)],
)
def test_units(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "GB", "1XB", "-1GB", "0MB", "1e9"])
def test_refuses_what_is_no_amount(text):
    with pytest.raises(UserError, match="such as 1GB or 512MiB"):
        parse_memory(text)
