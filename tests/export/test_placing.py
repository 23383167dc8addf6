import concurrent.futures
import os
import pathlib
import threading

import pytest

from keras_reid.export import placing
from keras_reid.export.placing import put_in_place
from keras_reid.utils.errors import UserError


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
        pytest.raises(UserError, match=r"is not an earlier export \(it contains no marker\)"),
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


@pytest.mark.parametrize("meanwhile", ["put there", "taken away"])
def test_another_process_is_faster_at_the_last_moment(tmp_path, monkeypatch, meanwhile):
    target, renamed, real = tmp_path / "target", [], os.rename
    write(target, "old")

    def rename(source, destination):
        if meanwhile == "put there" and source.name == "new" and len(renamed) == 1:
            write(target, "another's")
        if meanwhile == "taken away" and not renamed:
            real(target, tmp_path / "theirs")
        renamed.append(pathlib.Path(source).name)
        real(source, destination)

    monkeypatch.setattr(placing.os, "rename", rename)
    with put_in_place(target, "marker") as folder:
        write(folder, "new")
    expected = {"put there": ["target", "new", "target", "new"], "taken away": ["target", "new"]}
    assert renamed == expected[meanwhile]
    assert (target / "marker").read_text() == "new"
    assert {path.name for path in tmp_path.iterdir()} <= {"target", "theirs"}


def test_threads_that_export_to_one_place_leave_one_of_them(tmp_path):
    target, ready = tmp_path / "target", threading.Barrier(4)

    def export(number):
        for _ in range(20):
            with put_in_place(target, "marker") as folder:
                write(folder, f"{number}")
                ready.wait(10)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(export, number) for number in range(4)]:
            future.result()
    assert (target / "marker").read_text() in "0123"
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_what_came_there_meanwhile_is_not_replaced(tmp_path):
    target = tmp_path / "target"

    def export():
        with put_in_place(target, "marker") as folder:
            write(folder, "new")
            target.mkdir()
            (target / "thesis.tex").write_text("years of work")

    with pytest.raises(UserError, match="is not an earlier export"):
        export()
    assert (target / "thesis.tex").exists()


def test_a_full_disk_names_the_target(tmp_path):
    with pytest.raises(OSError, match=r"No space left on device: .*/target'"):
        fail(tmp_path / "target", OSError(28, "No space left on device"))
    assert list(tmp_path.iterdir()) == []
