"""Time and memory of k-reciprocal re-ranking at growing gallery sizes: `python benchmarks/rerank.py`.

    python benchmarks/rerank.py --only Market-1501

Measures each size in a separate process, adds its row to benchmarks/results/rerank.csv, skips rows that already exist
for the same machine, and draws rerank.png. All sizes take about 3 minutes on two cores.

- seconds, extra_megabytes: for all re-ranked distances, in blocks that are computed and dropped.
- dense_megabytes: one float32 matrix of all images by all images; the dense algorithm keeps several.
"""

import pathlib
import time

import growth_plot
import measuring
import numpy as np

from keras_reid.evaluation import Features, evaluate, k_reciprocal_rerank
from keras_reid.utils import command_line

RESULTS = pathlib.Path(__file__).with_name("results") / "rerank.csv"
# Queries, gallery images, identities, numbers in an embedding.
SIZES = {
    "Market-1501": (3368, 15913, 750, 2048),
    "MSMT17 / 16": (729, 5135, 192, 256),
    "MSMT17 / 8": (1457, 10270, 383, 256),
    "MSMT17 / 4": (2915, 20540, 765, 256),
    "MSMT17 / 2": (5830, 41080, 1530, 256),
    "MSMT17": (11659, 82161, 3060, 256),
}
COLUMNS = (
    "size",
    "queries",
    "gallery",
    "dim",
    "seconds",
    "extra_megabytes",
    "dense_megabytes",
    "mAP_before",
    "mAP_after",
    "device",
    "cores",
    "machine",
    "numpy",
    "date",
)


def random_features(rng, n, identities, dim):
    """Embeddings that partly reveal their identity, so that neighbours are shared, as with a trained model.

    The noise grows with the dimension, so that it hides the same amount.
    """
    labels = rng.integers(0, identities, n)
    noise = np.float32(2 * (dim / 256) ** 0.25)
    centres = np.random.default_rng(0).standard_normal((identities, dim), dtype=np.float32)
    embeddings = centres[labels] + noise * rng.standard_normal((n, dim), dtype=np.float32)
    return Features(embeddings, labels, rng.integers(0, 6, n))


def measure(name):
    """Measures one size."""
    queries, items, identities, dim = SIZES[name]
    rng = np.random.default_rng(1)
    query, gallery = (random_features(rng, n, identities, dim) for n in (queries, items))
    before = measuring.memory_megabytes("VmRSS")
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # Linux: resets the peak
    start = time.perf_counter()
    distances = k_reciprocal_rerank(query, gallery)
    for _ in distances.blocks():
        pass
    seconds = time.perf_counter() - start
    extra = measuring.memory_megabytes("VmHWM") - before
    return {
        "seconds": f"{seconds:.2f}",
        "extra_megabytes": f"{extra:.0f}",
        "dense_megabytes": f"{4 * (queries + items) ** 2 / 1e6:.0f}",
        "mAP_before": f"{evaluate(query, gallery).mAP:.4f}",
        "mAP_after": f"{evaluate(query, gallery, distances=distances).mAP:.4f}",
    }


def draw(rows, path):
    """Draws seconds and extra memory over the number of images."""

    def points(column, **where):
        return [
            (int(row["queries"]) + int(row["gallery"]), float(row[column]))
            for row in rows
            if (row["size"] == "Market-1501") is bool(where)
        ]

    def curves(column):
        market = [growth_plot.Curve("Market-1501, 2048-d", points(column, market=True))]
        return [growth_plot.Curve("parts of MSMT17's size, 256-d", points(column)), *market]

    dense = growth_plot.Curve("one matrix of all by all", points("dense_megabytes"), dashed=True)
    if rows:
        growth_plot.draw_growth(
            path,
            f"k-reciprocal re-ranking, {rows[0]['cores']} cores",
            [("seconds", curves("seconds")), ("extra memory, MB", [*curves("extra_megabytes"), dense])],
            "images (query + gallery)",
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
            f"{row['seconds']} s, {row['extra_megabytes']} MB extra, mAP {row['mAP_before']} -> {row['mAP_after']}"
        ),
    )
    picture = output.with_suffix(".png")
    draw(rows, picture)
    print(f"written to {output} and {picture.name}")


if __name__ == "__main__":
    command_line.run(main)
