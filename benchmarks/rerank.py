"""Time and memory of k-reciprocal re-ranking at growing gallery sizes: `python benchmarks/rerank.py`.

Writes benchmarks/results/rerank.csv and, of the same rows, rerank.png. Each size runs in a process of its own; with
names of sizes only these are measured anew, and the other rows are kept.
"""

import csv
import multiprocessing
import os
import pathlib
import platform
import sys
import time

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_reid.evaluation import Features, evaluate, k_reciprocal_rerank

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


def random_features(rng, n, identities, dim):
    """Embeddings that hold something of their identity: neighbours are shared, as with a trained model.

    The noise grows so that as much is hidden by it whatever the dimension.
    """
    labels = rng.integers(0, identities, n)
    noise = np.float32(2 * (dim / 256) ** 0.25)
    centres = np.random.default_rng(0).standard_normal((identities, dim), dtype=np.float32)
    embeddings = centres[labels] + noise * rng.standard_normal((n, dim), dtype=np.float32)
    return Features(embeddings, labels, rng.integers(0, 6, n))


def measure(name):
    """One row of the table."""
    queries, items, identities, dim = SIZES[name]
    rng = np.random.default_rng(1)
    query, gallery = (random_features(rng, n, identities, dim) for n in (queries, items))
    before = memory_megabytes("VmRSS")
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts anew from here
    start = time.perf_counter()
    distances = k_reciprocal_rerank(query, gallery)
    for _ in distances.blocks():
        pass
    seconds = time.perf_counter() - start
    extra = memory_megabytes("VmHWM") - before
    return {
        "size": name,
        "queries": queries,
        "gallery": items,
        "dim": dim,
        "seconds": f"{seconds:.2f}",
        "extra_megabytes": f"{extra:.0f}",
        "dense_megabytes": f"{4 * (queries + items) ** 2 / 1e6:.0f}",
        "mAP_before": f"{evaluate(query, gallery).mAP:.4f}",
        "mAP_after": f"{evaluate(query, gallery, distances=distances).mAP:.4f}",
        "cores": len(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "numpy": np.__version__,
    }


def memory_megabytes(key):
    """Resident memory of this process, now (`VmRSS`) or at its peak (`VmHWM`); Linux only."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(key))


def draw(rows, path):
    """Seconds and extra memory over the number of images, both axes logarithmic, side by side."""
    paper = Image.new("RGB", (1320, 560), "white")
    picture, font = ImageDraw.Draw(paper), ImageFont.load_default(16)
    panels = (("seconds", "seconds", 60), ("extra memory, MB", "extra_megabytes", 720))
    for title, key, left in panels:
        top, width, height = 60, 540, 420
        low, high = (-1, 3) if key == "seconds" else (1, 5)
        points = {row["size"]: (int(row["queries"]) + int(row["gallery"]), float(row[key])) for row in rows}
        dense = [(x, 4 * x * x / 1e6) for x, _ in points.values()] if key != "seconds" else []

        def place(x, y, left=left, low=low, high=high, top=top, width=width, height=height):
            across = (np.log10(x) - np.log10(5000)) / (np.log10(200000) - np.log10(5000))
            up = (np.log10(max(y, 10.0**low)) - low) / (high - low)
            return left + across * width, top + height - up * height

        picture.text((left, 20), f"k-reciprocal re-ranking: {title}", "black", font)
        for power in range(low, high + 1):
            picture.line((*place(5000, 10**power), *place(200000, 10**power)), "#d0d7de")
            picture.text((left - 8, place(1, 10**power)[1]), f"{10**power:g}", "black", font, anchor="rm")
        for x in (5000, 10000, 20000, 50000, 100000, 200000):
            across, bottom = place(x, 10**low)
            picture.line((across, top, across, bottom), "#eaeef2")
            picture.text((across, bottom + 8), f"{x // 1000}k", "black", font, anchor="mt")
        picture.text(
            (left + width / 2, top + height + 34), "images (query + gallery)", "black", font, anchor="mt"
        )
        curve = sorted(point for name, point in points.items() if name != "Market-1501")
        picture.line([place(*point) for point in curve], "#0969da", 3)
        if dense:
            dense = [point for point in sorted(dense) if point[1] <= 10**high]
            picture.line([place(*point) for point in dense], "#cf222e", 2)
            x, y = place(*dense[-1])
            picture.text((x - 8, y), "one N x N float32 matrix", "#cf222e", font, anchor="rm")
        for name, point in points.items():
            x, y = place(*point)
            colour = "#bf8700" if name == "Market-1501" else "#0969da"
            picture.ellipse((x - 6, y - 6, x + 6, y + 6), colour)
            if name in ("Market-1501", "MSMT17"):
                dim = SIZES[name][3]
                picture.text((x - 8, y - 8), f"{name}, {dim}-d", colour, font, anchor="rb")
    paper.save(path)


def main():
    wanted = sys.argv[1:] or list(SIZES)
    rows = {}
    if RESULTS.exists():
        with open(RESULTS, newline="", encoding="utf-8") as file:
            rows = {row["size"]: row for row in csv.DictReader(file)}
    RESULTS.parent.mkdir(exist_ok=True)
    for name in wanted:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows[name] = pool.apply(measure, (name,))
        print(", ".join(f"{key} {value}" for key, value in rows[name].items()), flush=True)
        # After each size, so that a run which is stopped keeps what it has.
        with open(RESULTS, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[name])
            writer.writeheader()
            writer.writerows(rows[size] for size in SIZES if size in rows)
    rows = [rows[name] for name in SIZES if name in rows]
    draw(rows, RESULTS.with_suffix(".png"))
    print(f"written to {RESULTS} and {RESULTS.with_suffix('.png').name}")


if __name__ == "__main__":
    main()
