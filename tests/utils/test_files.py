import errno
import json
import os
import stat
import zipfile

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_reid.utils.errors import UserError
from keras_reid.utils.files import (
    encoded,
    folder_beside,
    read_json,
    save_picture,
    to_disk,
    write_json,
    written_aside,
)


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
        ("[" * 101 + "]" * 101, "a.json: must be JSON with at most 100 nested levels"),
        ('{"a":' * 100_000, "a.json: must be JSON with at most 100 nested levels"),
        ("[1", "a.json: is damaged, because it is not valid JSON"),
        ("\udcff", "a.json: is damaged, because it is not valid JSON"),
        (" " * 1001, "a.json: must be JSON with at most 1,000 bytes"),
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


def test_the_name_aside_cannot_be_guessed_and_is_made_by_us(tmp_path, monkeypatch):
    names = []
    for _ in range(2):
        with written_aside(tmp_path / "a.npz") as aside:
            names.append(aside.name)
            assert aside.stat().st_size == 0
    assert names[0] != names[1]
    for name in names:
        assert len(name.removeprefix(".a.part").removesuffix(".npz")) == 16
        assert str(os.getpid()) != name.removeprefix(".a.part").removesuffix(".npz")
    # Even if somebody guesses the name, the link is not followed.
    monkeypatch.setattr("keras_reid.utils.files.secrets.token_hex", lambda count: "0" * 2 * count)
    (tmp_path / "victim").write_text("dear")
    (tmp_path / f".a.part{'0' * 16}.npz").symlink_to("victim")
    with pytest.raises(FileExistsError), written_aside(tmp_path / "a.npz") as aside:
        aside.write_text("harm")
    assert (tmp_path / "victim").read_text() == "dear"


def test_the_rights_are_those_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "a.json", 1)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o640


def test_a_link_is_replaced_and_its_target_kept(tmp_path):
    (tmp_path / "target").write_text("dear")
    (tmp_path / "a.json").symlink_to("target")
    write_json(tmp_path / "a.json", 1)
    assert (tmp_path / "target").read_text() == "dear"
    assert (tmp_path / "a.json").read_text() == "1\n"


def test_a_long_name_has_room(tmp_path):
    file = tmp_path / ("é" * 120 + ".json")
    write_json(file, 1)
    assert file.read_text() == "1\n"


def full(number, text=None):
    return OSError(number, text or os.strerror(number))


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (full(errno.ENOSPC), errno.ENOSPC),
        (full(errno.EDQUOT), errno.EDQUOT),
        (full(errno.EFBIG), errno.EFBIG),
        (tf.errors.ResourceExhaustedError(None, None, "/x/y; No space left on device"), errno.ENOSPC),
        (OSError("Unable to write (errno = 28, error message = 'No space left on device')"), errno.ENOSPC),
        (OSError("100000 requested and 2484 written"), errno.ENOSPC),  # NumPy
    ],
)
def test_a_full_disk_names_what_was_to_be_written(tmp_path, error, number):
    with pytest.raises(OSError, match=r"a\.json") as caught, written_aside(tmp_path / "a.json"):
        raise error
    assert (caught.value.errno, caught.value.filename) == (number, str(tmp_path / "a.json"))
    with pytest.raises(OSError, match="target") as caught, folder_beside(tmp_path / "target"):
        raise error
    assert (caught.value.errno, caught.value.filename) == (number, str(tmp_path / "target"))
    assert list(tmp_path.iterdir()) == []


def test_other_errors_are_what_they_were(tmp_path):
    for error in (
        UserError("the disk is full: No space left on device"),
        tf.errors.ResourceExhaustedError(None, None, "OOM"),
    ):
        with pytest.raises(type(error)) as caught, written_aside(tmp_path / "a.json"):
            raise error
        assert caught.value is error


def test_no_right_to_write_is_said_of_the_file(tmp_path, monkeypatch):
    real = os.open

    def denied(path, *arguments):
        if ".part" in os.fspath(path):
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return real(path, *arguments)

    monkeypatch.setattr("keras_reid.utils.files.os.open", denied)
    with pytest.raises(PermissionError) as caught:
        write_json(tmp_path / "a.json", 1)
    assert caught.value.filename == str(tmp_path / "a.json")


def test_a_folder_beside_goes_with_what_was_made_for_it(tmp_path):
    target = tmp_path / "a" / "b" / "target"
    with folder_beside(target) as folder:
        assert folder.parent == target.parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "new").mkdir()
    assert list(tmp_path.iterdir()) == []
    with folder_beside(target) as folder:
        (folder / "new").mkdir()
        (folder / "new").rename(target)
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_a_folder_on_the_way_that_another_took_back_is_made_again(tmp_path, monkeypatch):
    real, calls = __import__("tempfile").mkdtemp, []

    def mkdtemp(**options):
        calls.append(options["dir"])
        if len(calls) == 1:
            os.rmdir(options["dir"])
        return real(**options)

    monkeypatch.setattr("keras_reid.utils.files.tempfile.mkdtemp", mkdtemp)
    with folder_beside(tmp_path / "a" / "target") as folder:
        assert folder.is_dir()
    assert len(calls) == 2


def test_to_disk_waits_for_every_file_and_folder(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("b")
    synced, real = [], os.fsync
    monkeypatch.setattr(
        "keras_reid.utils.files.os.fsync",
        lambda number: (synced.append(os.readlink(f"/proc/self/fd/{number}")), real(number)),
    )
    to_disk(tmp_path)
    assert synced == [str(tmp_path / "a" / "b"), str(tmp_path / "a"), str(tmp_path)]


@pytest.mark.parametrize("suffix", [".png", ".JPG"])
def test_a_picture_is_saved_as_pillow_saves_it(tmp_path, suffix):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 10, 3), np.uint8))
    save_picture(picture, tmp_path / f"a{suffix}")
    picture.save(tmp_path / f"b{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    assert encoded(picture, ".jpg", quality=50) != encoded(picture, ".jpg", quality=95)


def test_a_library_that_writes_by_name_finds_an_empty_file(tmp_path):
    with written_aside(tmp_path / "a.zip") as aside, zipfile.ZipFile(aside, "w") as archive:
        archive.writestr("x", "y")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read("x") == b"y"
