"""Time, memory and disk of a gallery's store: `python benchmarks/gallery.py`.

    python benchmarks/gallery.py --only 100k 100k-2048

Fills a new private store with synthetic embeddings, then searches it, one query at a time, through
`PostgresStore.search`. Each size runs in a separate process and adds its row to benchmarks/results/gallery.csv; rows
that exist for the same machine are skipped. gallery.png shows how times grow. The million takes half an hour and 6 GB
of disk on two idle cores. With `--stores FOLDER` the stores are kept there
(those there are searched again).

The embeddings are clustered: 20 sightings of each identity, with a cosine of about 0.5 among them. The centres of the
identities lie in 64 of the dimensions, as those of trained models do; the rest is noise in all of them. There are ten
cameras, and the filter is one of them. Queries are new sightings of identities in the store.

- insert_seconds: `add` in transactions of 10 000, durable.
- exact_*, exact_10percent_*: milliseconds of an exact search for ten, without and with the filter.
- index_seconds, index_processor_seconds: building the approximate index, and measuring its recall on the store's own
  vectors, which is told_recall.
- hnsw_*: milliseconds with the index; recall: the share of the exact ten that it finds, over all queries.
- server_megabytes: memory of the server's processes after the searches, shared pages counted once.
- disk_megabytes, index_megabytes: the store's folder before there is an index, and what that adds.
"""

import contextlib
import json
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
    "1M": (60, 1_000_000, 50_000, 512),
}
SEARCHES = ("exact", "exact_10percent", "hnsw", "hnsw_10percent")
COLUMNS = (
    "size",
    "gallery",
    "dim",
    "insert_seconds",
    "index_seconds",
    "index_processor_seconds",
    *(f"{search}_{part}_ms" for search in SEARCHES for part in ("median", "p95")),
    "hnsw_recall",
    "hnsw_10percent_recall",
    "told_recall",
    "server_megabytes",
    "disk_megabytes",
    "index_megabytes",
    "device",
    "cores",
    "machine",
    "numpy",
    "date",
)
_KEPT = "KERAS_REID_BENCHMARK_STORES"
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
    kept = os.environ.get(_KEPT)
    with contextlib.nullcontext(kept) if kept else tempfile.TemporaryDirectory() as folder:
        if not kept:
            os.chmod(folder, 0o711)  # as root, the server's user passes through it
        place = pathlib.Path(folder).absolute() / name
        facts = place.with_name(f"{name}.json")
        if not facts.exists():
            facts.write_text(json.dumps(_fill(name, place)))
        return json.loads(facts.read_text()) | _search(name, place)


def _fill(name, place):
    """Makes the store, with its index."""
    _, items, identities, dim = SIZES[name]
    with _opened(name, place) as store:
        spent = _insert(store, Generator(identities, dim), items, identities)
        store.analyze()
        disk, processor = _disk(place), _server_seconds(place)
        start = time.perf_counter()
        recall = store.build_index()
        return {
            "insert_seconds": f"{spent:.1f}",
            "index_seconds": f"{time.perf_counter() - start:.0f}",
            "index_processor_seconds": f"{_server_seconds(place) - processor:.0f}",
            "told_recall": f"{recall:.4f}",
            "disk_megabytes": f"{disk / 1e6:.0f}",
            "index_megabytes": f"{(_disk(place) - disk) / 1e6:.0f}",
        }


def _search(name, place):
    """Times the searches of a store that is filled."""
    queries, _, identities, dim = SIZES[name]
    some = np.random.default_rng(1).integers(0, identities, queries)
    asked = Generator(identities, dim)(some, seed=2**31)
    values, found = {}, {}
    with _opened(name, place) as store:
        for search in SEARCHES:
            filters = Filters(cameras=("camera 3",)) if "10percent" in search else Filters()
            times, found[search] = _searched(store, asked, filters, exact=search.startswith("exact"))
            values[f"{search}_median_ms"] = f"{np.median(times):.1f}"
            values[f"{search}_p95_ms"] = f"{np.quantile(times, 0.95):.1f}"
            if search.startswith("hnsw"):
                exact = found[search.replace("hnsw", "exact")]
                values[f"{search}_recall"] = f"{_recall(exact, found[search]):.4f}"
        values["server_megabytes"] = f"{_server_megabytes(place):.0f}"
    return values


def _opened(name, place):
    return PostgresStore(place, ModelIdentity("synthetic", f"{name:0<32}", SIZES[name][3]))


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


def _searched(store, queries, filters, exact):
    """Milliseconds of each search, after ten to warm up; and the sightings that each found."""
    for query in queries[:10]:
        store.search(query[None], filters, _TOP, exact)
    times, found = [], []
    for query in queries:
        start = time.perf_counter()
        (some,) = store.search(query[None], filters, _TOP, exact)
        times.append(1000 * (time.perf_counter() - start))
        found.append({one.sighting for one in some})
    return times, found


def _recall(exact, found):
    return sum(len(one & other) for one, other in zip(exact, found, strict=True)) / sum(map(len, exact))


def _disk(place):
    return sum(
        (pathlib.Path(folder) / file).stat().st_blocks * 512
        for folder, _, files in os.walk(place)
        for file in files
        if "pg_wal" not in folder
    )


def _server_processes(place):
    """The folders in /proc of all processes that work in the store's data folder."""
    data = (place / "data").resolve()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is not ours to look at
            if (process / "cwd").resolve() == data:
                yield process


def _server_megabytes(place):
    """Proportional memory of the server's processes."""
    kilobytes = 0
    for process in _server_processes(place):
        with contextlib.suppress(OSError):
            lines = (process / "smaps_rollup").read_text().splitlines()
            kilobytes += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kilobytes / 1024


def _server_seconds(place):
    """Processor time of the server's processes so far, with those that have ended."""
    ticks = 0
    for process in _server_processes(place):
        with contextlib.suppress(OSError):
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))  # own, and of children that were waited for
    return ticks / os.sysconf("SC_CLK_TCK")


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
        growth_plot.Curve("HNSW index, processor time", points("index_processor_seconds")),
    ]
    if rows:
        growth_plot.draw_growth(
            path,
            f"A gallery's store: 512 dimensions, {rows[-1]['cores']} cores",
            [("milliseconds of a search, 95th percentile", searches), ("seconds", making)],
            across="sightings in the store",
        )


def main(arguments):
    if "--stores" in arguments:
        place = arguments.index("--stores")
        if place + 1 == len(arguments):
            sys.exit("--stores: name a folder")
        os.environ[_KEPT] = arguments[place + 1]  # for the process of each size
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
