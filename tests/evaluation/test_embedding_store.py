import fcntl
import json

import numpy as np
import pytest

from keras_reid.errors import UserError
from keras_reid.evaluation import embedding_store
from keras_reid.evaluation.embedding_store import EmbeddingStore
from keras_reid.evaluation.image_files import ImageFile

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
    monkeypatch.setattr(embedding_store, "_ROWS", 2)
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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("store.json", "{"),
        ("store.json", "[]"),
        ("store.json", "{}"),
        ("images-1.jsonl", "[1\n"),
        ("embeddings-1.npy", ""),
    ],
)
def test_damage_is_said_and_repaired(folder, name, text):
    filled(folder)
    (folder / name).write_text(text)
    with EmbeddingStore(folder, KIND) as store:
        assert (store.discarded, store.images) == ("is damaged", [])
    filled(folder)
    assert content(folder) == ("abc", [1, 2, 3])


def test_rows_that_are_cut_off_are_damage(folder):
    filled(folder)
    with open(folder / "embeddings-1.npy", "r+b") as file:
        file.truncate(128 + 2 * 12)
    with EmbeddingStore(folder, KIND) as store:
        assert store.discarded == "is damaged"


def test_a_folder_with_other_files_is_left_alone(folder):
    folder.mkdir()
    (folder / "embeddings-mine.npy").write_text("dear")
    with pytest.raises(UserError, match="holds other files than embeddings"):
        filled(folder)
    assert [file.name for file in folder.iterdir()] == ["embeddings-mine.npy"]


def test_written_second_by_second_and_at_the_end(folder, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(embedding_store.time, "monotonic", lambda: now[0])
    with EmbeddingStore(folder, KIND) as store:
        for second in (0.4, 0.9, 1.1, 1.5):
            now[0] = second
            store.append(images("i"), rows(1))
        assert len((folder / "images-1.jsonl").read_text().splitlines()) == 3
    assert content(folder)[0] == "iiii"


def test_ctrl_c_loses_nothing(folder, capsys):
    def interrupted():
        with EmbeddingStore(folder, KIND) as store:
            store.append(images("a"), rows(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert "1 embeddings are kept, the same command goes on from there" in capsys.readouterr().err
    assert content(folder) == ("a", [1])


def test_one_process_at_a_time(folder, capsys, monkeypatch):
    filled(folder)
    asked = []
    real = fcntl.flock

    def flock(file, how):
        asked.append(how)
        if how != fcntl.LOCK_EX:
            return real(file, how)

    monkeypatch.setattr(embedding_store.fcntl, "flock", flock)
    with EmbeddingStore(folder, KIND):
        asked.clear()
        with EmbeddingStore(folder, KIND):
            pass
    assert asked == [fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_EX]
    assert "waiting for another process" in capsys.readouterr().err


def test_a_full_disk_is_said_in_words(folder, monkeypatch):
    filled(folder)

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(embedding_store, "_to_disk", full)
    with (
        pytest.raises(UserError, match=r"the disk is full\. 3 embeddings are kept"),
        EmbeddingStore(folder, KIND) as s,
    ):
        s.append(images("d"), rows(4))
    monkeypatch.undo()
    assert content(folder) == ("abc", [1, 2, 3])


def test_it_is_removed(folder):
    with EmbeddingStore(folder, KIND) as store:
        store.append(images("a"), rows(1))
        store.remove()
    assert not folder.exists()
