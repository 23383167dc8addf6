"""Time and memory of `evaluate` on random features in the sizes of data sets: `python benchmarks/evaluation.py`.

Writes benchmarks/results/evaluation.csv. The time is set beside that of the bare float32 matrix product of query and
gallery, taken in the same blocks of queries. Each size runs in a process of its own.
"""

import csv
import multiprocessing
import os
import pathlib
import platform
import time

import numpy as np

from keras_reid.evaluation import Distances, Features, evaluate

RESULTS = pathlib.Path(__file__).with_name("results") / "evaluation.csv"
# Queries, gallery images, identities of the test parts.
SIZES = {
    "Market-1501": (3368, 15913, 750),
    "MSMT17": (11659, 82161, 3060),
    "VERI-Wild large": (10000, 128517, 10000),
}
DIM = 512


def random_features(rng, n, identities):
    """Embeddings that hold something of their identity: matches come early, as with a trained model."""
    labels = rng.integers(0, identities, n)
    centres = np.random.default_rng(0).standard_normal((identities, DIM), dtype=np.float32)
    embeddings = centres[labels] + 2 * rng.standard_normal((n, DIM), dtype=np.float32)
    return Features(embeddings, labels, rng.integers(0, 6, n))


def measure(name):
    """One row of the table."""
    queries, items, identities = SIZES[name]
    rng = np.random.default_rng(1)
    query, gallery = (random_features(rng, n, identities) for n in (queries, items))
    before = memory_megabytes("VmRSS")
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts anew from here
    start = time.perf_counter()
    result = evaluate(query, gallery)
    seconds = time.perf_counter() - start
    extra = memory_megabytes("VmHWM") - before
    rows = Distances(query, gallery).block_size
    start = time.perf_counter()
    for first in range(0, queries, rows):
        query.embeddings[first : first + rows] @ gallery.embeddings.T
    product = time.perf_counter() - start
    return {
        "size": name,
        "queries": queries,
        "gallery": items,
        "dim": DIM,
        "seconds": f"{seconds:.2f}",
        "matrix_product_seconds": f"{product:.2f}",
        "nanoseconds_per_pair": f"{1e9 * seconds / (queries * items):.1f}",
        "extra_megabytes": f"{extra:.0f}",
        "full_matrix_megabytes": f"{4 * queries * items / 1e6:.0f}",
        "mAP": f"{result.mAP:.4f}",
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "numpy": np.__version__,
    }


def memory_megabytes(key):
    """Resident memory of this process, now (`VmRSS`) or at its peak (`VmHWM`); Linux only."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(key))


def main():
    rows = []
    for name in SIZES:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows.append(pool.apply(measure, (name,)))
        print(", ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    with open(RESULTS, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    print(f"written to {RESULTS}")


if __name__ == "__main__":
    main()
