"""Time, memory and disk of a gallery's store: `python benchmarks/gallery.py`.

    python benchmarks/gallery.py --only 100k 100k-2048

Fills a new private store with synthetic embeddings, then searches it, one query at a time, through
`PostgresStore.search`. Each size runs in a separate process and adds its row to benchmarks/results/gallery.csv; rows
that exist for the same machine are skipped. gallery.png shows how times grow. The million takes half an hour and 8 GB
of disk on two cores; `--folder` says where.

The embeddings are clustered: 20 sightings of each identity, with a cosine of about 0.5 among them. The centres of the
identities lie in 64 of the dimensions, as those of trained models do; the rest is noise in all of them. There are ten
cameras, and the filter is one of them. Queries are new sightings of identities in the store.

- insert_seconds: `add` in transactions of 10 000, durable.
- exact_*, exact_10percent_*: milliseconds of an exact search for ten, without and with the filter.
- index_seconds: building the approximate index, with the measurement of its recall.
- hnsw_*: milliseconds with the index; recall: the share of the exact ten that it finds, over all queries.
- server_megabytes: memory of the server's processes after the searches, shared pages counted once.
- disk_megabytes, index_megabytes: the store's folder before there is an index, and what that adds.
"""

import os
import pathlib
import sys
import tempfile
import time

import growth_plot
import measuring
import numpy as np

from keras_reid.gallery import Filters, ModelIdentity, NewSighting, PostgresStore
from keras_reid.utils import command_line

RESULTS = pathlib.Path(__file__).with_name("results") / "gallery.csv"
# Queries, sightings, identities, numbers in an embedding.
SIZES = {
    "10k": (200, 10_000, 500, 512),
    "30k": (200, 30_000, 1500, 512),
    "100k": (200, 100_000, 5000, 512),
    "100k-2048": (100, 100_000, 5000, 2048),
    "300k": (200, 300_000, 15_000, 512),
    "1M": (200, 1_000_000, 50_000, 512),
}
SEARCHES = ("exact", "exact_10percent", "hnsw", "hnsw_10percent")
COLUMNS = (
    "size",
    "gallery",
    "dim",
    "insert_seconds",
    "index_seconds",
    *(f"{search}_{part}_ms" for search in SEARCHES for part in ("median", "p95")),
    "hnsw_recall",
    "hnsw_10percent_recall",
    "server_megabytes",
    "disk_megabytes",
    "index_megabytes",
    "device",
    "cores",
    "machine",
    "numpy",
    "date",
)
_LATENT, _CAMERAS, _BLOCK, _TOP = 64, 10, 20_000, 10


class Generator:
    """Embeddings of identities, as the docstring above says."""

    def __init__(self, identities, dim):
        rng = np.random.default_rng(0)
        basis = rng.standard_normal((_LATENT, dim), dtype=np.float32)
        centres = rng.standard_normal((identities, _LATENT), dtype=np.float32) @ basis
        self._centres = _unit(centres)

    def __call__(self, identities, seed):
        noise = np.random.default_rng(seed).standard_normal(
            (len(identities), self._centres.shape[1]), dtype=np.float32
        )
        return _unit(self._centres[identities] + _unit(noise))


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def measure(name):
    """Measures one size."""
    queries, items, identities, dim = SIZES[name]
    generate = Generator(identities, dim)
    with tempfile.TemporaryDirectory(dir=_folder(), prefix="gallery-benchmark-") as folder:
        os.chmod(folder, 0o711)  # as root, the server's user passes through it
        place = pathlib.Path(folder) / "store"
        with PostgresStore(place, ModelIdentity("synthetic", f"{name:0<32}", dim)) as store:
            values = {"insert_seconds": f"{_insert(store, generate, items, identities):.1f}"}
            store.analyze()
            before = _disk(place)
            some = np.random.default_rng(1).integers(0, identities, queries)
            asked = generate(some, seed=2**31)
            camera = Filters(cameras=("camera 3",))
            found = {}
            for search, filters in (("exact", Filters()), ("exact_10percent", camera)):
                times, found[search] = _searched(store, asked, filters)
                values |= _quantiles(search, times)
            start = time.perf_counter()
            store.build_index()
            values["index_seconds"] = f"{time.perf_counter() - start:.0f}"
            for search, filters in (("hnsw", Filters()), ("hnsw_10percent", camera)):
                times, some = _searched(store, asked, filters)
                values |= _quantiles(search, times)
                values[f"{search}_recall"] = f"{_recall(found[search.replace('hnsw', 'exact')], some):.4f}"
            values["server_megabytes"] = f"{_server_megabytes(place):.0f}"
            values["disk_megabytes"] = f"{before / 1e6:.0f}"
            values["index_megabytes"] = f"{(_disk(place) - before) / 1e6:.0f}"
    return values


def _folder():
    return os.environ.get("GALLERY_BENCHMARK_FOLDER")


def _insert(store, generate, items, identities):
    spent, numbers = 0.0, {}
    order = np.random.default_rng(3).permutation(items) % identities
    for start in range(0, items, _BLOCK):
        some = order[start : start + _BLOCK]
        sightings = [
            NewSighting(
                row,
                numbers.get(identity, f"identity {identity}"),
                camera=f"camera {(start + place) % _CAMERAS}",
                source=f"{start + place}.jpg",
            )
            for place, (identity, row) in enumerate(zip(some, generate(some, seed=start), strict=True))
        ]
        begin = time.perf_counter()
        store.add(sightings)
        spent += time.perf_counter() - begin
    return spent


def _searched(store, queries, filters):
    """Milliseconds of each search, after ten to warm up; and the sightings that each found."""
    for query in queries[:10]:
        store.search(query[None], filters, _TOP)
    times, found = [], []
    for query in queries:
        start = time.perf_counter()
        (some,) = store.search(query[None], filters, _TOP)
        times.append(1000 * (time.perf_counter() - start))
        found.append({one.sighting for one in some})
    return times, found


def _quantiles(name, times):
    return {
        f"{name}_median_ms": f"{np.median(times):.1f}",
        f"{name}_p95_ms": f"{np.quantile(times, 0.95):.1f}",
    }


def _recall(exact, found):
    return sum(len(one & other) for one, other in zip(exact, found, strict=True)) / sum(map(len, exact))


def _disk(place):
    return sum(
        (pathlib.Path(folder) / file).stat().st_blocks * 512
        for folder, _, files in os.walk(place)
        for file in files
        if "pg_wal" not in folder
    )


def _server_megabytes(place):
    """Proportional memory of all processes that work in the store's data folder."""
    data, kilobytes = (place / "data").resolve(), 0
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve() == data:
                lines = (process / "smaps_rollup").read_text().splitlines()
                kilobytes += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except OSError:  # it has ended, or is not ours to look at
            continue
    return kilobytes / 1024


def draw(rows, path):
    """Draws the times of a search, and those of insertion and index, over the size of the store."""
    rows = [row for row in rows if row["dim"] == "512"]

    def points(column, scale=1.0):
        return [(int(row["gallery"]), scale * float(row[column])) for row in rows]

    searches = [
        growth_plot.Curve("exact", points("exact_p95_ms")),
        growth_plot.Curve("exact, a tenth by filter", points("exact_10percent_p95_ms")),
        growth_plot.Curve("HNSW", points("hnsw_p95_ms")),
        growth_plot.Curve("HNSW, a tenth by filter", points("hnsw_10percent_p95_ms")),
    ]
    making = [
        growth_plot.Curve("insertion", points("insert_seconds")),
        growth_plot.Curve("HNSW index", points("index_seconds")),
    ]
    if rows:
        growth_plot.draw_growth(
            path,
            f"A gallery's store: 512 dimensions, {rows[-1]['cores']} cores",
            [("milliseconds of a search, 95th percentile", searches), ("seconds", making)],
            across="sightings in the store",
        )


def main(arguments):
    if "--folder" in arguments:
        place = arguments.index("--folder")
        if place + 1 == len(arguments):
            sys.exit("--folder: name a folder for the stores, which are removed afterwards")
        os.environ["GALLERY_BENCHMARK_FOLDER"] = arguments[place + 1]  # for the process of each size
        arguments = [*arguments[:place], *arguments[place + 2 :]]
    output, rows = measuring.measure_sizes(
        arguments,
        __doc__,
        RESULTS,
        SIZES,
        COLUMNS,
        measure,
        lambda row: (
            f"inserted in {row['insert_seconds']} s; p95: exact {row['exact_p95_ms']} ms, with filter "
            f"{row['exact_10percent_p95_ms']} ms, HNSW {row['hnsw_p95_ms']} ms (recall {row['hnsw_recall']}), with "
            f"filter {row['hnsw_10percent_p95_ms']} ms (recall {row['hnsw_10percent_recall']})"
        ),
    )
    picture = output.with_suffix(".png")
    draw(sorted(rows, key=lambda row: int(row["gallery"])), picture)
    print(f"written to {output} and {picture.name}")


if __name__ == "__main__":
    command_line.run(main)
