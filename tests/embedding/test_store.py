import fcntl
import json
import os
import stat

import numpy as np
import pytest

from keras_reid.embedding import store as module
from keras_reid.embedding import store_files
from keras_reid.embedding.named_images import ImageFile
from keras_reid.embedding.store import EmbeddingStore
from keras_reid.utils import locks
from keras_reid.utils.errors import UserError

KIND = {"model": "3f2a"}


def images(*names):
    return [ImageFile(name, 10, 20) for name in names]


def rows(*values):
    return np.repeat(np.array(values, np.float32)[:, None], 3, axis=1)


def filled(folder, names="abc", kind=KIND, **about):
    with EmbeddingStore(folder, kind, about) as store:
        store.append(images(*names), rows(*range(1, len(names) + 1)))


def content(folder, kind=KIND):
    with EmbeddingStore(folder, kind) as store:
        return "".join(image.path for image in store.images), [row[0] for row in store.embeddings()]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store"


def test_rows_come_back_and_grow(folder):
    filled(folder)
    with EmbeddingStore(folder, KIND) as store:
        assert store.images == images(*"abc")
        before = store.embeddings()
        store.append([ImageFile("d\nd \udcff ü", 1, 2**62)], rows(9))
        np.testing.assert_array_equal(store.embeddings(), rows(1, 2, 3, 9))
        np.testing.assert_array_equal(before, rows(1, 2, 3))
        assert isinstance(before, np.memmap)
    with EmbeddingStore(folder, KIND) as store:
        assert store.images[3] == ImageFile("d\nd \udcff ü", 1, 2**62)
    # Any program can read it.
    np.testing.assert_array_equal(np.load(folder / "embeddings-1.npy", mmap_mode="r"), rows(1, 2, 3, 9))


def test_an_empty_one(folder):
    with EmbeddingStore(folder, KIND) as store:
        assert (store.images, store.discarded, len(store.embeddings())) == ([], None, 0)
    filled(folder, "")
    filled(folder)
    assert content(folder) == ("abc", [1, 2, 3])


def test_rows_are_dropped_in_blocks(folder, monkeypatch):
    monkeypatch.setattr(module, "_ROWS", 2)
    filled(folder, "abcdefg")
    with EmbeddingStore(folder, KIND) as store:
        before = store.embeddings()
        store.keep([True, False, True, True, False, True, True])
        assert store.embeddings()[:, 0].tolist() == [1, 3, 4, 6, 7]
        assert before[:, 0].tolist() == [1, 2, 3, 4, 5, 6, 7]  # for whoever searches at the time
        store.append(images("h"), rows(9))
    assert content(folder) == ("acdfgh", [1, 3, 4, 6, 7, 9])
    assert sorted(file.name for file in folder.iterdir()) == [
        "embeddings-2.npy", "images-2.jsonl", "lock", "store.json"]  # fmt: skip
    with EmbeddingStore(folder, KIND) as store:
        store.keep([False] * 6)
    assert content(folder) == ("", [])


def test_another_kind_is_thrown_away_and_says_so(folder):
    filled(folder)
    with EmbeddingStore(folder, {"model": "77"}) as store:
        assert (store.images, store.discarded) == ([], "was made with another model or another setting")
        store.append(images("z"), np.ones((1, 5), np.float32))
    assert content(folder, {"model": "77"}) == ("z", [1])
    assert len(list(folder.glob("*.npy"))) == 1


def test_what_it_is_about_is_kept_up_to_date(folder):
    filled(folder, model="one")
    filled(folder, "", model="two")
    assert json.loads((folder / "store.json").read_text())["about"] == {"model": "two"}


@pytest.mark.parametrize("lines", [0, 1, 2, 3])
@pytest.mark.parametrize("torn", ["", '["d", 1'])
def test_a_kill_at_any_moment_of_writing(folder, lines, torn):
    """Rows are written before their lines: lines may be missing or torn, and rows too many."""
    filled(folder)
    file = folder / "images-1.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:lines]) + torn)
    with EmbeddingStore(folder, KIND) as store:
        assert store.discarded is None
        assert len(store.images) == lines
        store.append(images("x", "y"), rows(8, 9))
    expected = "abc"[:lines] + "xy", [1, 2, 3][:lines] + [8, 9]
    assert content(folder) == expected
    assert np.load(folder / "embeddings-1.npy").shape == (lines + 2, 3)


def test_a_kill_while_rows_are_dropped(folder, monkeypatch):
    filled(folder)
    with EmbeddingStore(folder, KIND) as store:
        monkeypatch.setattr(store, "_describe", lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.keep([True, False, True])
    assert content(folder) == ("abc", [1, 2, 3])
    filled(folder, "")
    with EmbeddingStore(folder, KIND) as store:
        store.keep([True, False, True])
    assert content(folder) == ("ac", [1, 3])


def stored(**changes):
    return json.dumps({"version": 1, "generation": 1, "kind": KIND, "about": {}} | changes)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("store.json", "{", "(store.json)"),
        ("store.json", "[]", "(store.json)"),
        ("store.json", "{}", "(store.json)"),
        ("store.json", "[" * 10**5, "(store.json)"),
        ("store.json", stored(generation=-1), "(store.json)"),
        ("store.json", stored(generation=1e300), "(store.json)"),
        ("store.json", stored(kind="3f2a"), "(store.json)"),
        ("store.json", stored(about=None), "(store.json)"),
        ("images-1.jsonl", "[1\n", "(images-1.jsonl, line 1)"),
        ("images-1.jsonl", '["a", 10, 20]\n["b", 10, "20"]\n', "(images-1.jsonl, line 2)"),
        ("images-1.jsonl", '["a", 10, 20, 30]\n', "(images-1.jsonl, line 1)"),
        ("images-1.jsonl", '["a", 10, true]\n', "(images-1.jsonl, line 1)"),
        ("images-1.jsonl", "[" * 10**5 + "\n", "(images-1.jsonl, line 1)"),
        ("images-1.jsonl", '["a", 10, 20]\n' * 2, "(images-1.jsonl names an image twice)"),
        (
            "images-1.jsonl",
            '["a", 1, 2]\n["b", 1, 2]\n["c", 1, 2]\n["d", 1, 2]\n',
            "(embeddings-1.npy has fewer rows",
        ),
        ("embeddings-1.npy", "", "(embeddings-1.npy)"),
        ("embeddings-1.npy", "no array at all", "(embeddings-1.npy)"),
    ],
)
def test_damage_is_said_by_name_and_repaired(folder, name, text, said):
    filled(folder)
    (folder / name).write_text(text)
    with EmbeddingStore(folder, KIND) as store:
        assert store.discarded.startswith(f"is damaged {said}")
        assert store.images == []
    filled(folder)
    assert content(folder) == ("abc", [1, 2, 3])


def nan(place, value):
    array = rows(1, 2, 3)
    array[place] = value
    return array


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (rows(1, 2, 3).astype(np.float64), "must hold rows of float32; it holds float64 (3, 3))"),
        (rows(1, 2, 3).astype(">f4"), "it holds >f4 (3, 3))"),
        (rows(1, 2, 3).astype(object), "it holds object (3, 3))"),
        (rows(1, 2, 3).ravel(), "it holds float32 (9,))"),
        (np.asfortranarray(rows(1, 2, 3)), "it holds float32 (3, 3), by columns)"),
        (np.zeros((3, 0), np.float32), "it holds float32 (3, 0))"),
        (rows(1, 2), "has fewer rows than there are images)"),
        (nan((1, 2), np.nan), "row 1 holds NaN or infinity)"),
        (nan((2, 0), np.inf), "row 2 holds NaN or infinity)"),
    ],
)
def test_rows_of_somebody_else_are_not_taken(folder, array, said, monkeypatch):
    monkeypatch.setattr(store_files, "_ROWS", 2)
    filled(folder)
    np.save(folder / "embeddings-1.npy", array)
    with EmbeddingStore(folder, KIND) as store:
        assert store.discarded.endswith(said)
        assert "embeddings-1.npy" in store.discarded
    filled(folder)
    assert content(folder) == ("abc", [1, 2, 3])


def test_rows_after_the_last_line_may_be_anything(folder):
    filled(folder)
    np.save(folder / "embeddings-1.npy", np.concatenate([rows(1, 2, 3), rows(np.nan)]))
    assert content(folder) == ("abc", [1, 2, 3])


def test_one_of_another_version_is_made_anew_and_one_without_a_number_is_taken(folder):
    filled(folder)
    (folder / "store.json").write_text(stored(version=2))
    with EmbeddingStore(folder, KIND) as store:
        assert store.discarded == "was made by another version of keras_reid"
    filled(folder)
    before = json.loads((folder / "store.json").read_text())
    assert before.pop("version") == 1
    (folder / "store.json").write_text(json.dumps(before))
    assert content(folder) == ("abc", [1, 2, 3])


@pytest.mark.parametrize(
    "names",
    [["embeddings-mine.npy"], ["store.json"], ["store.json", "shop.db"], ["store.json", "lock", "shop.db"]],
)
def test_a_folder_with_other_files_is_left_alone(folder, names):
    folder.mkdir()
    for name in names:
        (folder / name).write_text("dear")
    with pytest.raises(UserError, match="holds files other than embeddings"):
        filled(folder)
    assert sorted(file.name for file in folder.iterdir()) == sorted(names)
    assert all((folder / name).read_text() == "dear" for name in names if name != "lock")


def test_a_file_beside_ours_does_no_harm(folder):
    filled(folder)
    (folder / "Thumbs.db").write_text("dear")
    assert content(folder) == ("abc", [1, 2, 3])


@pytest.mark.parametrize(
    ("name", "link"),
    [
        (name, link)
        for name in ("lock", "store.json", "images-1.jsonl", "embeddings-1.npy")
        for link in ("symbolic", "dangling", "hard", "pipe")
        if (name, link) != ("store.json", "hard")  # which is replaced, never written to
    ],
)
def test_links_and_pipes_are_refused_by_name(folder, tmp_path, name, link):
    filled(folder)
    (folder / name).rename(tmp_path / "target")
    before = (tmp_path / "target").read_bytes()
    if link == "hard":
        (folder / name).hardlink_to(tmp_path / "target")
    elif link == "pipe":
        os.mkfifo(folder / name)
    else:
        (folder / name).symlink_to(tmp_path / ("target" if link == "symbolic" else "nowhere"))
    said = rf"{folder / name} (is a (hard )?link|must be a regular file).*: remove it"
    with pytest.raises(UserError, match=said):
        filled(folder, "d")
    assert (tmp_path / "target").read_bytes() == before
    assert not (tmp_path / "nowhere").exists()


def test_a_linked_folder_is_refused(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to("elsewhere")
    with pytest.raises(
        UserError, match="is a link, which is not followed here: remove it, or name the folder"
    ):
        filled(folder)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    folder.unlink()
    folder.write_text("dear")
    with pytest.raises(UserError, match="must be a folder"):
        filled(folder)
    assert folder.read_text() == "dear"


def test_a_private_one_is_ours_alone(folder, monkeypatch):
    with EmbeddingStore(folder, KIND, private=True):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o755)
    with EmbeddingStore(folder, KIND, private=True):
        pass
    folder.chmod(0o777)
    with pytest.raises(UserError, match="is writable by everyone, so its content cannot be trusted"):
        EmbeddingStore(folder, KIND, private=True).__enter__()
    filled(folder)  # an index may be a common one
    folder.chmod(0o700)
    monkeypatch.setattr(module.os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(UserError, match="belongs to another user"):
        EmbeddingStore(folder, KIND, private=True).__enter__()


def test_written_second_by_second_and_at_the_end(folder, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with EmbeddingStore(folder, KIND) as store:
        for name, second in zip("abcd", (0.4, 0.9, 1.1, 1.5), strict=True):
            now[0] = second
            store.append(images(name), rows(1))
        assert len((folder / "images-1.jsonl").read_text().splitlines()) == 3
    assert content(folder)[0] == "abcd"


def test_ctrl_c_loses_nothing(folder, capsys):
    def interrupted():
        with EmbeddingStore(folder, KIND) as store:
            store.append(images("a"), rows(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "1 embeddings are kept; the same command continues from there" in capsys.readouterr().err
    assert content(folder) == ("a", [1])


def test_one_process_at_a_time(folder, capsys, monkeypatch):
    filled(folder)
    asked = []
    real = fcntl.flock

    def flock(file, how):
        asked.append(how)
        if how != fcntl.LOCK_EX:
            return real(file, how)

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    with EmbeddingStore(folder, KIND):
        asked.clear()
        with EmbeddingStore(folder, KIND):
            pass
    assert asked == [fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_EX]
    assert f"waiting for process {os.getpid()}, which is writing to it" in capsys.readouterr().err


def test_a_full_disk_is_said_in_words(folder, monkeypatch):
    filled(folder)

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_to_disk", full)
    with (
        pytest.raises(UserError, match=r"the disk is full\. 3 embeddings are kept"),
        EmbeddingStore(folder, KIND) as s,
    ):
        s.append(images("d"), rows(4))
    monkeypatch.undo()
    assert content(folder) == ("abc", [1, 2, 3])


def full(*_):
    raise OSError(28, "No space left on device")


def test_a_disk_that_is_full_at_once_leaves_nothing(folder, monkeypatch):
    monkeypatch.setattr("keras_reid.utils.files.os.fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*store\.json"):
        filled(folder)
    assert not folder.exists()


def test_a_disk_that_is_full_while_rows_are_dropped(folder, monkeypatch):
    filled(folder)
    with EmbeddingStore(folder, KIND) as store:
        monkeypatch.setattr(module, "_to_disk", full)
        with pytest.raises(OSError, match="No space left"):
            store.keep([True, False, True])
    assert sorted(file.name for file in folder.iterdir()) == [
        "embeddings-1.npy", "images-1.jsonl", "lock", "store.json"]  # fmt: skip
    monkeypatch.undo()
    assert content(folder) == ("abc", [1, 2, 3])


def test_what_a_kill_left_is_cleared_away(folder):
    filled(folder)
    (folder / ".store.part00ff.json").write_text("{")
    filled(folder, "", model="two")
    assert not (folder / ".store.part00ff.json").exists()


def test_who_waited_for_one_that_was_removed_makes_it_anew(folder, monkeypatch):
    """Its lock was on a file that is gone."""
    first = EmbeddingStore(folder, KIND).__enter__()
    first.append(images("a"), rows(1))
    real = fcntl.flock

    def flock(file, how):
        if how == fcntl.LOCK_EX:  # while it waits, the first one is done
            first.remove()
            first.__exit__(None, None, None)
        return real(file, how)

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    filled(folder)
    assert content(folder) == ("abc", [1, 2, 3])
    assert (folder / "lock").exists()


def test_it_is_removed(folder):
    with EmbeddingStore(folder, KIND) as store:
        store.append(images("a"), rows(1))
        store.remove()
    assert not folder.exists()
