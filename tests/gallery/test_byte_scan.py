import numpy as np
import pytest

from keras_reid.gallery import byte_scan
from keras_reid.gallery.byte_scan import Scanned, files_below, find_traces


def noise(size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8).tobytes()


def found(tmp_path, content, *needles):
    file = tmp_path / "file"
    file.write_bytes(content)
    return list(find_traces([file], needles))


@pytest.mark.parametrize("position", [0, 1, 31, 32, 33, 63, 100, 4095])
@pytest.mark.parametrize("offset", [0, 7, 1984])
def test_any_run_of_64_bytes_is_found_at_any_position(tmp_path, position, offset):
    needle = noise(2048)
    run = needle[offset : offset + 64]
    traces = found(tmp_path, noise(position, 1) + run + noise(500, 2), noise(3000, 3), needle)
    # By chance, the byte before or behind is the needle's too.
    assert traces
    assert all(abs(trace.position - position) < 3 and trace.run in needle for trace in traces)


def test_a_run_of_63_bytes_is_none(tmp_path):
    needle = noise(2048)
    assert not found(tmp_path, noise(77, 1) + needle[100:163] + noise(77, 2), needle)


def test_runs_across_the_border_of_two_readings_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(byte_scan, "_CHUNK", 256)
    needle = noise(512)
    for position in range(150, 300, 7):
        assert found(tmp_path, noise(position, 1) + needle[64:128] + noise(300, 2), needle), position


@pytest.mark.parametrize("size", [8, 12, 15, 16, 40, 63])
def test_short_texts_are_found_as_a_whole(tmp_path, size):
    needle = noise(size)
    for position in (0, 3, 250):
        assert found(tmp_path, noise(position, 1) + needle + noise(9, 2), needle)
    assert not found(tmp_path, noise(50, 1) + needle[:-1] + b"?" + noise(50, 2), needle)


def test_zeros_are_no_trace(tmp_path):
    assert not found(tmp_path, bytes(8192), bytes(2048), b"\x00" * 64 + noise(2048), bytes(32), b"-" * 10)
    sparse = np.where(np.random.default_rng(0).random(512) < 0.5, 0, 1.2345).astype(np.float32)
    sparse *= np.random.default_rng(1).random(512).astype(np.float32)
    assert found(tmp_path, bytes(100) + sparse.tobytes() + bytes(100), sparse.tobytes())


def test_many_needles_take_several_passes(tmp_path, monkeypatch):
    monkeypatch.setattr(byte_scan, "_GROUP", 1000)
    needles = [noise(700, seed) for seed in range(5)] + [noise(5000, 9)]
    content = noise(123, 20) + needles[4][300:364] + noise(5, 21) + needles[5][4936:] + noise(99, 22)
    (tmp_path / "file").write_bytes(content)
    scanned = Scanned()
    runs = {trace.position for trace in find_traces([tmp_path / "file"], needles, scanned)}
    assert runs == {123, 192}
    assert (scanned.files, scanned.bytes) == (1, len(content))


def test_all_regular_files_are_scanned_and_links_are_not_followed(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "a" / "b" / "file")
    assert files_below(tmp_path) == [tmp_path / "a" / "b" / "file"]
    assert list(find_traces([tmp_path / "gone"], [noise(64)])) == []
