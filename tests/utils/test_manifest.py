import shutil
import subprocess

import pytest

from keras_reid.utils.errors import UserError
from keras_reid.utils.manifest import MANIFEST, check_folder, check_listed, read_manifest, write_manifest

GRAPH = "exports/graph.onnx"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "exports").mkdir()
    (tmp_path / "model.keras").write_bytes(b"weights")
    (tmp_path / GRAPH).write_bytes(b"graph")
    write_manifest(tmp_path)
    return tmp_path


def test_what_is_written_is_read(folder):
    hashes = read_manifest(folder / MANIFEST)
    assert list(hashes) == [GRAPH, "model.keras"]
    assert hashes == check_folder(folder) == write_manifest(folder)
    check_listed(folder / "model.keras")


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum on this machine")
def test_sha256sum_reads_it(folder):
    finished = subprocess.run(["sha256sum", "--check", MANIFEST], cwd=folder, capture_output=True, text=True)
    assert finished.stdout == f"{GRAPH}: OK\nmodel.keras: OK\n"


def test_a_changed_byte(folder):
    (folder / "model.keras").write_bytes(b"weighty")
    for check in (lambda: check_folder(folder), lambda: check_listed(folder / "model.keras")):
        with pytest.raises(
            UserError, match=r"model\.keras has changed since it was shared: its SHA-256 begins"
        ):
            check()


def test_a_missing_file(folder):
    (folder / GRAPH).unlink()
    with pytest.raises(UserError, match=r"graph\.onnx is missing, and SHA256SUMS names it"):
        check_folder(folder)


def test_folders_without_one(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"weights")
    check_listed(tmp_path / "model.keras")
    with pytest.raises(UserError, match=r"contains no SHA256SUMS\. `keras-reid push RUN FOLDER` writes one"):
        check_folder(tmp_path)


@pytest.mark.parametrize(
    "line", ["abc  model.keras", f"{'0' * 64}  ../model.keras", f"{'0' * 64}  /etc/passwd", "x" * 2_000_000]
)
def test_damaged_ones(folder, line):
    (folder / MANIFEST).write_text(line)
    with pytest.raises(UserError, match=r"SHA256SUMS: must hold a line `SHA-256  NAME`") as caught:
        check_folder(folder)
    assert len(str(caught.value)) < 400
