import pytest

from keras_reid.data.datasets.layout import name_after, read_list
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


@pytest.mark.parametrize(
    ("path", "name"),
    [("vehicles", "vehicles"), ("vehicles/train", "vehicles"), ("vehicles/test", "test"), ("a.csv", "a")],
)
def test_the_name_of_a_set_is_not_train(tmp_path, path, name):
    file = tmp_path / path
    file.parent.mkdir(exist_ok=True)
    file.touch() if file.suffix else file.mkdir()
    assert name_after(file) == name
    (tmp_path / "train.csv").touch()
    assert name_after(tmp_path / "train.csv") == tmp_path.name
