import pytest

from keras_reid.data.datasets.layout import read_list
from keras_reid.utils.errors import UserError
from tests.data.datasets.miniatures import write


def test_lists(tmp_path):
    write(tmp_path / "list.txt", "\ufeffa 1\r", "", " b 2 ")
    lines = read_list(tmp_path / "list.txt", r"(\w) (\d)", "LETTER NUMBER", "layout")
    assert [line.groups() for line in lines] == [("a", "1"), ("b", "2")]
    with pytest.raises(
        UserError, match=r"1 of 2 lines of .* the first is line 3, 'b 2'; each must read LETTER ONE"
    ):
        read_list(tmp_path / "list.txt", r"(\w) 1", "LETTER ONE", "layout")
