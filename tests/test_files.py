import json

import pytest

from keras_reid.errors import UserError
from keras_reid.files import read_json, write_json, written_aside


def test_replaces_only_when_all_is_written(tmp_path):
    file = tmp_path / "folder" / "a.json"
    write_json(file, {"a": 1})
    with pytest.raises(ZeroDivisionError), written_aside(file) as aside:
        aside.write_text(str(1 / 0))
    assert '"a": 1' in file.read_text()
    assert [path.name for path in file.parent.iterdir()] == ["a.json"]
    with written_aside(file) as aside:
        aside.write_text("whole")
        assert '"a": 1' in file.read_text()
    assert file.read_text() == "whole"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[" * 101 + "]" * 101, "a.json: must be JSON of at most 100 levels in one another"),
        ('{"a":' * 100_000, "a.json: must be JSON of at most 100 levels in one another"),
        ("[1", "a.json: is damaged, for it is no JSON"),
        ("\udcff", "a.json: is damaged, for it is no JSON"),
        (" " * 1001, "a.json: must be JSON of at most 1,000 bytes"),
    ],
)
def test_json_of_others_is_bounded(tmp_path, content, said):
    (tmp_path / "a.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=said):
        read_json(tmp_path / "a.json", 10**6 if len(content) > 2000 else 1000)


def test_json_within_the_bounds_is_read(tmp_path):
    value = {"a": [1, 2.5, None, "ü"]}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    (tmp_path / "a.json").write_text("[" * 100 + "]" * 100)
    assert json.dumps(read_json(tmp_path / "a.json")) == "[" * 100 + "]" * 100
