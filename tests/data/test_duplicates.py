import os

import pytest

from keras_reid.data import Records, ReIDDataset, Sample, duplicates
from keras_reid.data.datasets.records import write_records
from keras_reid.data.duplicates import same_contents


def _write(folder, **contents):
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [str(folder / name) for name in contents]


def test_same_contents(tmp_path):
    a, b, c, d, e, f = _write(tmp_path, a=b"one", b=b"two", c=b"one", d=b"three", e=b"two", f=b"one")
    assert same_contents([a, b, c, d, e, f, a]) == {c: a, e: b, f: a}
    assert same_contents([c, a]) == {a: c}
    assert same_contents([a, b, d]) == {}
    assert same_contents([]) == {}


def test_what_cannot_be_read_is_left_to_the_check_of_images(tmp_path):
    empty, also = _write(tmp_path, a=b"", b=b"")
    os.symlink(tmp_path / "nowhere", tmp_path / "broken")
    assert same_contents([empty, also, str(tmp_path / "missing"), str(tmp_path / "broken")]) == {}


def test_a_link_is_a_copy(tmp_path):
    (a,) = _write(tmp_path, a=b"one")
    os.symlink(a, tmp_path / "b")
    os.link(a, tmp_path / "c")
    assert same_contents([a, str(tmp_path / "b"), str(tmp_path / "c")]) == {
        str(tmp_path / "b"): a,
        str(tmp_path / "c"): a,
    }


def test_only_files_of_one_size_are_read(tmp_path, monkeypatch):
    paths = _write(tmp_path, a=b"one", b=b"two", c=b"three", d=b"four")
    read = []
    digest = duplicates._digest
    monkeypatch.setattr(duplicates, "_digest", lambda path: read.append(path) or digest(path))
    assert same_contents(paths) == {}
    assert sorted(read) == paths[:2]


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_many_are_handed_out_some_at_a_time(tmp_path, monkeypatch, batch):
    monkeypatch.setattr(duplicates, "_BATCH", batch)
    paths = _write(tmp_path, **{f"f{number}": bytes([number % 3]) for number in range(7)})
    assert same_contents(paths) == {path: paths[place % 3] for place, path in enumerate(paths) if place > 2}


def test_records(tmp_path):
    a, b, c = _write(tmp_path, a=b"one" * 100, b=b"two" * 100, c=b"one" * 100)
    samples = [Sample(path, identity=0, camera=place) for place, path in enumerate((a, b, c))]
    write_records(ReIDDataset("x", samples), tmp_path / "records", shard_bytes=1)
    packed = [sample.path for sample in Records().read(tmp_path).train]
    assert len(packed) == 3
    assert same_contents([*packed, f"{packed[0]}999", str(tmp_path / "no.tfrecord#0")]) == {
        packed[2]: packed[0]
    }
