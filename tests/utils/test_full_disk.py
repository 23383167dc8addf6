"""On a full disk, every command prints one line, exits with 2 and keeps earlier files."""

import errno
import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_reid.utils.errors import UserError
from keras_reid.utils.full_disk import free_bytes, is_full, megabytes, reserve, says_full
from tests.conftest import ROOT
from tests.export.conftest import small_model

FULL = OSError(errno.ENOSPC, "No space left on device")


def chained(outer, inner, suppress=False):
    try:
        try:
            raise inner
        except Exception as error:
            if suppress:
                raise outer from None
            raise outer from (error if isinstance(outer, RuntimeError) else None) or error
    except Exception as error:
        return error


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (FULL, True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (OSError(errno.EFBIG, "File too large"), True),
        (OSError(errno.EIO, "Input/output error"), False),
        (tf.errors.UnknownError(None, None, "/x/y; No space left on device"), True),
        (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"), False),
        (chained(ValueError("cannot close"), FULL), True),
        (chained(ValueError("it was handled"), FULL, suppress=True), False),
    ],
)
def test_what_a_full_disk_is(error, full):
    assert is_full(error) is full


def test_what_a_message_says():
    assert says_full("OSError: [Errno 28] No space left on device")
    assert says_full("100000 requested and 2484 written")
    assert not says_full("2 images requested and 1 written to the disk")
    assert megabytes(25_300_000) == "25.3 MB"
    assert free_bytes("/nowhere/at/all") == free_bytes("/") > 0


def test_room_is_taken_at_once(tmp_path, monkeypatch):
    with open(tmp_path / "a", "w+b") as file:
        reserve(file, 10_000)
        assert os.fstat(file.fileno()).st_size == 10_000
        assert os.fstat(file.fileno()).st_blocks * 512 >= 10_000  # real blocks, not a hole

        def full(*arguments):
            raise FULL

        monkeypatch.setattr(os, "posix_fallocate", full)
        with pytest.raises(OSError, match="No space left"):
            reserve(file, 1)


def tree(folder):
    """Every file and folder with their content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else None
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts
        and path.suffix != ".lock"  # of a synthetic data set, which is found
    }


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A model, an album, a query and the earlier output of the commands."""
    monkeypatch.chdir(tmp_path)
    small_model().save("model.keras")
    rng = np.random.default_rng(0)
    os.mkdir("album")
    for name in ("album/a.png", "album/b.png", "query.png"):
        Image.fromarray(rng.integers(0, 256, (32, 16, 3), np.uint8)).save(name)
    os.mkdir("out")
    (tmp_path / "out" / "rows.npz").write_text("an earlier one")
    return tmp_path


def said(finished):
    """The error line, without progress lines and notes."""
    assert finished.returncode == 2, finished.stdout + finished.stderr
    assert "Traceback" not in finished.stderr
    (line,) = [line for line in finished.stderr.splitlines() if line.startswith("error: ")]
    return line


def full(*arguments, **named):
    raise FULL


def test_embed(world, command, monkeypatch):
    before = tree(world)
    monkeypatch.setattr("keras_reid.utils.files.os.fsync", full)
    words = ("embed", "model.keras", "album", "--output", "out/rows.npz")
    assert "out/.rows.part/store.json: no room to write it" in said(command(*words, ok=False, cwd=world))
    assert tree(world) == before


def test_embed_keeps_what_is_done(world, command, monkeypatch):
    """If the disk is full at the end, the command continues from the stored embeddings."""
    monkeypatch.setattr("keras_reid.embedding.npz_file.l2_normalize", full)
    words = ("embed", "model.keras", "album", "--output", "out/rows.npz")
    line = said(command(*words, ok=False, cwd=world))
    assert "out/rows.npz: no room to write it" in line
    assert (world / "out" / "rows.npz").read_text() == "an earlier one"
    monkeypatch.undo()
    assert "2 embeddings are there from before, 0 are left" in command(*words, cwd=world).stderr
    assert [path.name for path in (world / "out").iterdir()] == ["rows.npz"]


@pytest.mark.medium
def test_search(world, command, monkeypatch):
    before = tree(world)
    words = ("search", "query.png", "--gallery", "album", "--model", "model.keras")
    with monkeypatch.context() as patch:
        patch.setattr("keras_reid.utils.files.os.fsync", full)
        assert "album/.keras_reid_index/store.json: no room" in said(command(*words, ok=False, cwd=world))
    assert tree(world) == before
    command(*words, "--json", cwd=world)  # the index is made
    before = tree(world)
    monkeypatch.setattr("keras_reid.utils.files.os.fsync", full)
    assert "search_results/query.png: no room" in said(command(*words, ok=False, cwd=world))
    (world / "search_results").rmdir()
    assert tree(world) == before


@pytest.mark.medium
@pytest.mark.parametrize("where", ["model", "hashes"])
def test_export(world, command, monkeypatch, where):
    before = tree(world)

    def save(module, folder, **named):
        os.mkdir(folder)
        with open(os.path.join(folder, "saved_model.pb"), "w") as file:
            file.write("half")
        raise tf.errors.ResourceExhaustedError(None, None, f"{folder}/variables; No space left on device")

    if where == "model":
        monkeypatch.setattr(tf.saved_model, "save", save)
    else:
        monkeypatch.setattr("keras_reid.export.savedmodel.verify", full)
    line = said(command("export", "model.keras", "--output", "out", ok=False, cwd=world))
    assert "out/savedmodel/float32: no room to write it: no space left on device" in line
    assert tree(world) == before


def test_the_gate_of_an_export_has_no_room(monkeypatch, tmp_path):
    from keras_reid.export import parity

    monkeypatch.setattr(
        parity, "_run_elsewhere", lambda *words: "OSError: [Errno 28] No space left on device"
    )
    images = parity.TestImages([b""], np.zeros((1, 4, 2, 3), np.uint8), np.zeros((1, 3), np.float32), 0)
    with pytest.raises(OSError, match="No space left on device"):
        parity.verify(images, tmp_path)


def test_publish(world, monkeypatch):
    from keras_reid.export.hashes import file_hashes
    from keras_reid.serving import publish

    (world / "export").mkdir()
    (world / "export" / "saved_model.pb").write_text("graph")
    parity = {"verified": True, "sha256": file_hashes(world / "export")}
    (world / "export" / "parity.json").write_text(json.dumps(parity))
    before = tree(world)
    monkeypatch.setattr("keras_reid.serving.publish.to_disk", full)
    with pytest.raises(OSError, match=r"No space left on device: 'models/reid/version'"):
        publish.main(["export", "models/reid"])
    assert tree(world) == before


@pytest.mark.medium
@pytest.mark.parametrize(
    ("words", "file"),
    [
        (("evaluate", "{run}"), "evaluation.json"),
        (("calibrate", "{run}"), "model.keras"),
        (("report", "{run}"), "report/"),
        (("fit", "{quickstart}"), "runs/quickstart"),
        (("fit", "{quickstart}", "--smoke", "--plot-schedule"), "quickstart-smoke-schedule.png"),
        (("data.synthetic", "--output", "sheet.jpg", "--identities", "1"), "sheet.jpg"),
        (("data.augmentation", "sheet.png", "--seeds", "1"), "sheet.png"),
    ],
)
def test_other_commands(words, file, copied_run, command, monkeypatch):
    folder = copied_run.parents[1]
    words = [word.format(run=copied_run, quickstart=ROOT / "experiments" / "quickstart.py") for word in words]
    before = tree(folder)
    monkeypatch.setattr("keras_reid.utils.files.os.fsync", full)
    line = said(command(*words, ok=False, cwd=folder))
    assert file in line
    assert "no room to write it: no space left on device" in line
    assert tree(folder) == before


LIMITED = """
import json, resource, sys
import tensorflow
from tests.commands import run_command

resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
finished = [run_command(name, words, ".") for name, *words in json.load(sys.stdin)]
print(json.dumps([[one.returncode, one.stderr] for one in finished]))
"""


@pytest.mark.medium
def test_a_real_limit_in_a_process(world, copied_run):
    """No file may grow beyond 100 bytes (RLIMIT_FSIZE), whether Python, TensorFlow, Pillow or HDF5 writes it."""
    commands = [
        ["embed", "model.keras", "album", "--output", "out/rows.npz"],
        ["search", "query.png", "--gallery", "album", "--model", "model.keras"],
        ["export", "model.keras", "--output", "out"],
        ["evaluate", str(copied_run)],
        ["calibrate", str(copied_run)],
        ["report", str(copied_run)],
        ["data.synthetic", "--output", "sheet.jpg", "--identities", "1"],
        ["data.synthetic", "--output", "drawn", "--preset", "tiny", "--processes", "1"],
    ]
    folder = copied_run.parents[1]
    for name in ("model.keras", "query.png", "album", "out"):
        os.rename(world / name, folder / name)
    before = tree(folder)
    process = subprocess.run(
        [sys.executable, "-c", LIMITED],
        input=json.dumps(commands),
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.returncode == 0, process.stderr
    for words, (code, err) in zip(commands, json.loads(process.stdout.splitlines()[-1]), strict=True):
        assert code == 2, (words, err)
        assert "Traceback" not in err, (words, err)
        assert len([line for line in err.splitlines() if line.startswith("error: ")]) == 1, (words, err)
    for name in ("drawn", "drawn/synthetic"):  # where data sets go
        before.setdefault(name, None)
    assert tree(folder) == before


def test_a_mistake_that_speaks_of_a_full_disk_is_a_mistake(command, monkeypatch, world):
    def main(arguments):
        raise UserError("the disk of the server: No space left on device")

    monkeypatch.setattr("keras_reid.embed.main", main)
    assert (
        said(command("embed", ok=False, cwd=world))
        == "error: the disk of the server: No space left on device"
    )
