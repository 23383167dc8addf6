import pytest

from keras_reid.files import write_json, written_aside


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
