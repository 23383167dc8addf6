import concurrent.futures
import json
import os
import subprocess
import sys
import threading

import pytest

from keras_reid.export.hashes import file_hashes
from keras_reid.serving import publish
from keras_reid.serving.publish import main
from keras_reid.utils.errors import UserError


@pytest.fixture
def export(tmp_path):
    folder = tmp_path / "exports" / "savedmodel" / "float32"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"weights")
    note(folder)
    return folder


def note(folder):
    (folder / "parity.json").write_text(json.dumps({"verified": True, "sha256": file_hashes(folder)}))


def test_versions_follow_each_other(export, tmp_path, capsys):
    model = tmp_path / "models" / "reid"
    for version in ("1", "2"):
        main([str(export), str(model)])
        assert f"version {version} of reid" in capsys.readouterr().out
        copied = {
            str(path.relative_to(model / version)) for path in (model / version).rglob("*") if path.is_file()
        }
        assert copied == {"saved_model.pb", "parity.json", "variables/variables.index"}
    main([str(export), str(model), "--version", "10"])
    main([str(export), str(model)])
    assert sorted(int(path.name) for path in model.iterdir()) == [1, 2, 10, 11]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{export}/..", "{models}/reid"], "Did you mean .*float32"),
        (["{models}/missing", "{models}/reid"], "keras-reid export writes one"),
        (["{export}", "{models}/reid", "--version", "1"], "The next free one is 2"),
        (["{export}", "{models}/reid", "--version", "0"], "must be at least 1"),
        (["{export}", "{models}/reid/3"], "at least one letter"),
        (["{export}", "{models}/re id"], "clients use this name"),
    ],
)
def test_says_what_is_wrong(export, tmp_path, arguments, message):
    models = tmp_path / "models"
    main([str(export), str(models / "reid")])
    with pytest.raises(UserError, match=message):
        main([argument.format(export=export, models=models) for argument in arguments])
    assert [path.name for path in (models / "reid").iterdir()] == ["1"]


@pytest.mark.parametrize("parity", [None, "{", "[]", '{"verified": false}', '{"verified": "yes"}'])
def test_refuses_what_is_not_verified(export, tmp_path, parity):
    (export / "parity.json").unlink()
    if parity is not None:
        (export / "parity.json").write_text(parity)
    with pytest.raises(UserError, match="which verifies it"):
        main([str(export), str(tmp_path / "models" / "reid")])
    assert not (tmp_path / "models").exists()


def test_a_copy_that_fails_leaves_nothing(export, tmp_path):
    (export / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match="dangling was not there when the artefact was verified"):
        main([str(export), str(tmp_path / "models" / "reid")])
    (export / "parity.json").write_text('{"verified": true}')
    with pytest.raises(FileNotFoundError, match="dangling"):
        main([str(export), str(tmp_path / "models" / "reid"), "--allow-unchecked"])
    assert not (tmp_path / "models").exists()


def test_a_changed_bit_is_not_published(export, tmp_path):
    file = export / "variables" / "variables.index"
    content = bytearray(file.read_bytes())
    content[3] ^= 1
    file.write_bytes(content)
    for more in ([], ["--allow-unchecked"]):  # the option is only for exports without hashes
        with pytest.raises(UserError, match=r"variables\.index has changed since the artefact was verified"):
            main([str(export), str(tmp_path / "models" / "reid"), *more])
    assert not (tmp_path / "models").exists()


def test_an_export_without_hashes_is_said_and_published_when_asked(export, tmp_path):
    (export / "parity.json").write_text('{"verified": true}')
    model = tmp_path / "models" / "reid"
    with pytest.raises(UserError, match=r"has no hashes, .* Export it again, or add --allow-unchecked"):
        main([str(export), str(model)])
    main([str(export), str(model), "--allow-unchecked"])
    assert (model / "1" / "variables" / "variables.index").read_bytes() == b"weights"


def together(monkeypatch, count, call):
    """Results of `call(number)` in threads that all finish copying before one of them takes a number."""
    ready = threading.Barrier(count)
    monkeypatch.setattr(publish, "to_disk", lambda folder: ready.wait(10))
    real, late = os.rename, threading.Barrier(count)

    def rename(source, target):
        if not hasattr(rename, "met"):  # the first time, all have chosen a number, mostly the same one
            late.wait(10)
            rename.met = True
        real(source, target)

    monkeypatch.setattr(publish.os, "rename", rename)
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return [
            future.exception() or future.result() for future in [pool.submit(call, n) for n in range(count)]
        ]


def other(export, number):
    """A distinct export, so that it can be recognised."""
    folder = export.parent / f"export{number}"
    folder.mkdir()
    (folder / "saved_model.pb").write_text(f"graph {number}")
    note(folder)
    return folder


def test_three_at_once_get_a_version_each(export, tmp_path, monkeypatch):
    exports, model = [other(export, number) for number in range(3)], tmp_path / "models" / "reid"
    (model / "7").mkdir(parents=True)
    folders = together(monkeypatch, 3, lambda number: publish.publish(exports[number], model))
    assert sorted(int(folder.name) for folder in folders) == [8, 9, 10]
    for number, folder in enumerate(folders):
        assert (folder / "saved_model.pb").read_text() == f"graph {number}"
    assert sorted(path.name for path in model.iterdir()) == ["10", "7", "8", "9"]


def test_of_three_with_the_same_number_one_gets_it(export, tmp_path, monkeypatch):
    exports, model = [other(export, number) for number in range(3)], tmp_path / "models" / "reid"
    results = together(monkeypatch, 3, lambda number: publish.publish(exports[number], model, 4))
    (winner,) = [number for number, result in enumerate(results) if not isinstance(result, UserError)]
    assert all(
        "this version already exists" in str(result) for result in results if isinstance(result, UserError)
    )
    assert (model / "4" / "saved_model.pb").read_text() == f"graph {winner}"
    assert [path.name for path in model.iterdir()] == ["4"]


@pytest.mark.slow
def test_six_processes_at_once_get_a_version_each(export, tmp_path):
    model = tmp_path / "models" / "reid"
    for attempt in range(5):
        exports = [other(export, 6 * attempt + number) for number in range(6)]
        for folder in exports:
            (folder / "weights").write_bytes(os.urandom(20_000_000))
            note(folder)
        words = [[sys.executable, "-m", "keras_reid.serving.publish", folder, model] for folder in exports]
        processes = [subprocess.Popen(each, stdout=subprocess.PIPE, text=True) for each in words]
        told = [process.communicate()[0].partition(": ")[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * 6
        versions = sorted(int(path.rpartition("/")[2]) for path in told)
        assert versions == list(range(6 * attempt + 1, 6 * attempt + 7))
        for folder, path in zip(exports, told, strict=True):
            assert file_hashes(path) == file_hashes(folder)
    assert sorted(int(path.name) for path in model.iterdir()) == list(range(1, 31))
