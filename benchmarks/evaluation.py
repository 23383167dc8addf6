"""Time and memory of `evaluate` on random features: `python benchmarks/evaluation.py`.

    python benchmarks/evaluation.py --only Market-1501 MSMT17

Uses the sizes of real data sets, and 1000 queries against growing galleries, the largest of which is a memory-mapped
file. Measures each size in a separate process, adds its row to benchmarks/results/evaluation.csv, skips rows that
already exist for the same machine, and draws evaluation.png. All sizes take about 20 minutes on two cores.

- seconds: `evaluate` with cosine, the median of three.
- product_seconds: the bare float32 matrix product of query and gallery, in blocks of 512 queries into a reused array;
  the median of three, each measured just before `evaluate`. times_product is the median of the three quotients.
- extra_megabytes: the most memory that a call uses on top of the features.
"""

import pathlib
import statistics
import tempfile
import threading
import time

import growth_plot
import measuring
import numpy as np

from keras_reid.evaluation import Features, evaluate
from keras_reid.utils import command_line

RESULTS = pathlib.Path(__file__).with_name("results") / "evaluation.csv"
# Queries, gallery images, identities, numbers in an embedding.
SIZES = {
    "Market-1501": (3368, 15913, 750, 2048),
    "MSMT17": (11659, 82161, 3060, 2048),
    "VERI-Wild large": (10000, 128517, 10000, 512),
    **{f"gallery {n}": (1000, n, n // 20, 512) for n in (10_000, 30_000, 100_000, 300_000, 1_000_000)},
}
ON_DISK = "gallery 1000000"
COLUMNS = (
    "size",
    "queries",
    "gallery",
    "dim",
    "seconds",
    "product_seconds",
    "times_product",
    "extra_megabytes",
    "full_matrix_megabytes",
    "mAP",
    "device",
    "cores",
    "machine",
    "numpy",
    "date",
)
_ROWS, _REPEATS = 512, 3


def random_features(rng, n, identities, dim, file=None):
    """Embeddings that partly reveal their identity, so that matches come early, as with a trained model.

    The noise grows with the dimension, so that it hides the same amount. If a `file` is given, the embeddings are
    written to it and memory-mapped.
    """
    labels = rng.integers(0, identities, n)
    noise = np.float32(2 * (dim / 512) ** 0.25)
    centres = np.random.default_rng(0).standard_normal((identities, dim), dtype=np.float32)
    out = np.empty((n, dim), np.float32)
    if file is not None:
        out = np.lib.format.open_memmap(file, "w+", np.float32, (n, dim))
    for start in range(0, n, 8192):
        part = labels[start : start + 8192]
        out[start : start + 8192] = centres[part] + noise * rng.standard_normal(
            (len(part), dim), dtype=np.float32
        )
    if file is not None:
        out.flush()
        out = np.load(file, mmap_mode="r")
    return Features(out, labels, rng.integers(0, 6, n))


def product_seconds(query, gallery):
    """Seconds for the bare float32 matrix product, in blocks of queries."""
    block = np.empty((_ROWS, len(gallery)), np.float32)
    start = time.perf_counter()
    for first in range(0, len(query), _ROWS):
        rows = query.embeddings[first : first + _ROWS]
        np.matmul(rows, gallery.embeddings.T, out=block[: len(rows)])
    return time.perf_counter() - start


def extra_megabytes(function):
    """The most memory, without mapped files, that a call uses above what the process had before; Linux only."""
    before, most, over = measuring.memory_megabytes("RssAnon"), [0.0], threading.Event()

    def watch():
        while not over.wait(0.003):
            most[0] = max(most[0], measuring.memory_megabytes("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    function()
    over.set()
    watcher.join()
    return most[0] - before


def measure(name):
    """Measures one size."""
    queries, items, identities, dim = SIZES[name]
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "gallery.npy" if name == ON_DISK else None
        query = random_features(rng, queries, identities, dim)
        gallery = random_features(rng, items, identities, dim, file)
        product_seconds(query[:_ROWS], gallery)
        extra = extra_megabytes(lambda: evaluate(query, gallery))
        products, evaluations = [], []
        for _ in range(_REPEATS):
            products.append(product_seconds(query, gallery))
            start = time.perf_counter()
            result = evaluate(query, gallery)
            evaluations.append(time.perf_counter() - start)
    quotients = [one / other for one, other in zip(evaluations, products, strict=True)]
    return {
        "seconds": f"{statistics.median(evaluations):.2f}",
        "product_seconds": f"{statistics.median(products):.2f}",
        "times_product": f"{statistics.median(quotients):.2f}",
        "extra_megabytes": f"{extra:.0f}",
        "full_matrix_megabytes": f"{4 * queries * items / 1e6:.0f}",
        "mAP": f"{result.mAP:.4f}",
    }


def draw(rows, path):
    """Draws seconds and extra memory over the size of the gallery."""
    rows = [row for row in rows if row["size"].startswith("gallery ")]

    def points(column):
        return [(int(row["gallery"]), float(row[column])) for row in rows]

    seconds = [
        growth_plot.Curve("evaluate", points("seconds")),
        growth_plot.Curve("bare matrix product", points("product_seconds"), dashed=True),
    ]
    memory = [
        growth_plot.Curve("evaluate", points("extra_megabytes")),
        growth_plot.Curve("the full matrix", points("full_matrix_megabytes"), dashed=True),
    ]
    if rows:
        cores = rows[-1]["cores"]
        growth_plot.draw_growth(
            path,
            f"Evaluation: 1000 queries, {rows[-1]['dim']} dimensions, {cores} cores",
            [("seconds", seconds), ("extra memory, MB", memory)],
        )


def main(arguments):
    output, rows = measuring.measure_sizes(
        arguments,
        __doc__,
        RESULTS,
        SIZES,
        COLUMNS,
        measure,
        lambda row: (
            f"{row['seconds']} s, {row['times_product']} times the bare product ({row['product_seconds']} s), "
            f"{row['extra_megabytes']} MB extra, mAP {row['mAP']}"
        ),
    )
    picture = output.with_suffix(".png")
    draw(sorted(rows, key=lambda row: int(row["gallery"])), picture)
    print(f"written to {output} and {picture.name}")


if __name__ == "__main__":
    command_line.run(main)
