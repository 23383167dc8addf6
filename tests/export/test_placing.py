import pytest

from keras_reid.errors import UserError
from keras_reid.export.placing import put_in_place


def write(folder, text):
    folder.mkdir()
    (folder / "marker").write_text(text)


def fail(target, error):
    with put_in_place(target, "marker") as folder:
        write(folder, "new")
        raise error


def test_is_there_only_after_the_block(tmp_path):
    target = tmp_path / "a" / "b" / "target"
    with put_in_place(target, "marker") as folder:
        write(folder, "new")
        assert not target.exists()
    assert (target / "marker").read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_nothing_is_left_after_a_failure(tmp_path):
    with pytest.raises(RuntimeError):
        fail(tmp_path / "a" / "b" / "target", RuntimeError)
    assert list(tmp_path.iterdir()) == []


def test_the_old_one_stays_until_the_new_one_is_good(tmp_path):
    target = tmp_path / "target"
    write(target, "old")
    with pytest.raises(KeyboardInterrupt):
        fail(target, KeyboardInterrupt)
    assert (target / "marker").read_text() == "old"
    with put_in_place(target, "marker") as folder:
        write(folder, "new")
        assert (target / "marker").read_text() == "old"
    assert (target / "marker").read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_block_that_wrote_nothing_keeps_the_old_one(tmp_path):
    target = tmp_path / "target"
    write(target, "old")
    with pytest.raises(FileNotFoundError), put_in_place(target, "marker"):
        pass
    assert (target / "marker").read_text() == "old"


def test_what_is_no_export_is_not_replaced(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "thesis.tex").write_text("years of work")
    with (
        pytest.raises(UserError, match=r"is no earlier export \(it holds no marker\)"),
        put_in_place(tmp_path / "target", "marker"),
    ):
        pytest.fail("the block must not run")
    assert (tmp_path / "target" / "thesis.tex").exists()


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match="cannot be written to"),
        put_in_place(tmp_path / "file" / "x", "marker"),
    ):
        pytest.fail("the block must not run")
