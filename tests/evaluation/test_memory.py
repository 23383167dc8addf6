import pathlib
import subprocess
import sys

import numpy as np
import pytest

from keras_reid.evaluation import Features, evaluate, nearest


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_memory_mapped_files_are_not_copied(tmp_path, dtype):
    rng = np.random.default_rng(0)
    embeddings = rng.standard_normal((500, 12)).astype(dtype)
    np.save(tmp_path / "gallery.npy", embeddings)
    mapped = np.load(tmp_path / "gallery.npy", mmap_mode="r")
    identities, cameras = rng.integers(0, 9, 500), rng.integers(0, 3, 500)
    gallery = Features(mapped, identities, cameras)
    assert np.shares_memory(gallery.embeddings, mapped)
    query = Features(rng.standard_normal((20, 12)), identities[:20], (cameras[:20] + 1) % 3)
    plain = Features(embeddings.astype(np.float32), identities, cameras)
    for metric in ("cosine", "euclidean"):
        assert evaluate(query, gallery, metric).to_dict() == evaluate(query, plain, metric).to_dict()
        np.testing.assert_array_equal(
            nearest(query, gallery, 5, metric)[0], nearest(query, plain, 5, metric)[0]
        )


_SEARCH = """
import pathlib, sys, numpy as np
from keras_reid.evaluation import Features, nearest
def anonymous():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon"))
import threading, time
mapped = np.load(sys.argv[1], mmap_mode="r")
labels = np.zeros(len(mapped), np.int64)
query = Features(np.asarray(mapped[::40000], np.float32), labels[::40000], None)
peak, done, before = [0], threading.Event(), anonymous()
def watch():
    while not done.is_set():
        peak[0] = max(peak[0], anonymous()); time.sleep(0.002)
watcher = threading.Thread(target=watch); watcher.start()
indices, distances = nearest(query, Features(mapped, labels, None), 1, protocol="all", memory=2**26)
done.set(); watcher.join()
assert indices[:, 0].tolist() == list(range(0, len(mapped), 40000)), indices
print(peak[0] - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not pathlib.Path("/proc/self/status").exists(), reason="reads Linux' account of memory")
def test_a_gallery_larger_than_the_memory_allowed_stays_on_disk(tmp_path):
    """400,000 × 256 numbers as float16 are 195 MiB on disk, 390 MiB as float32; 64 MiB are allowed."""
    mapped = np.lib.format.open_memmap(tmp_path / "g.npy", "w+", np.float16, (400_000, 256))
    rng = np.random.default_rng(0)
    for start in range(0, len(mapped), 50_000):
        mapped[start : start + 50_000] = rng.standard_normal((50_000, 256), dtype=np.float32)
    mapped.flush()
    root = pathlib.Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", _SEARCH, str(tmp_path / "g.npy")], cwd=root, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    # Beside the 64 MiB: buffers of the threads and of the matrix product, labels and lengths of the items.
    assert float(run.stdout) < 160
