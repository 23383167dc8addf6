"""Times of the gallery's service: `python benchmarks/gallery_service.py`.

    python benchmarks/gallery_service.py --model runs/quickstart
    python benchmarks/gallery_service.py --model resnet50 --rounds 1

Two processes of `keras-reid gallery serve` on one private store of 10 000 synthetic embeddings, on loopback, without
tokens. `--model` is a run, or `resnet50` or `resnet18`, with fresh weights. Adds a row for each kind of picture to
benchmarks/results/gallery_service.csv: a crop as a detector makes it (JPEG, 64 x 128), and a photo of 12 megapixels.

- embedding_ms, store_ms: `Embedder` and `PostgresStore.search` for 24 sightings, called in the benchmark's process:
  medians.
- answer_ms: the same picture sent to the service, until the answer is there: median. The two alternate.
- ratio: the median of answer / (embedding + store), picture by picture.
- p50_ms, p95_ms: of `searches` that are sent at once, each over a connection of its own, half of them to each process,
  while both processes enrol other pictures one after the other; all rounds together.
- searches_per_second, enrolled, failed: meanwhile. An answer other than 200 is a failure.
"""

import argparse
import asyncio
import contextlib
import functools
import io
import json
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from gallery import Generator
from measuring import MACHINE, add_row, machine

from keras_reid.gallery import NewSighting, PostgresStore
from keras_reid.utils import command_line

RESULTS = pathlib.Path(__file__).with_name("results") / "gallery_service.csv"
KEY = ("model", "picture", "device", "cores")
MEASURED = (
    "sightings",
    "embedding_ms",
    "store_ms",
    "answer_ms",
    "ratio",
    "searches",
    "rounds",
    "p50_ms",
    "p95_ms",
    "searches_per_second",
    "enrolled",
    "failed",
)
COLUMNS = ("model", "dim", "picture", *MEASURED, *MACHINE)
PICTURES = {"crop": (64, 128), "photo": (4000, 3000)}  # width, height
_SIGHTINGS, _TOP, _AT_ONCE = 10_000, 24, 200
_NEWS = {"crop": 2000, "photo": 100}  # pictures that are made beforehand for enrolment


def saved(name, folder):
    """The model file of a run, or of a network with fresh weights."""
    if name not in ("resnet18", "resnet50"):
        from keras_reid.utils.model_file import find_model_file

        find_model_file(name)
        return pathlib.Path(name).absolute()
    from keras_reid import backbones, heads, layers
    from keras_reid.models import ReIDModel

    small = name == "resnet18"
    backbone = backbones.ResNet(18, width=32, ibn=True) if small else backbones.ResNet(50)
    size = (128, 64) if small else (256, 128)
    model = ReIDModel(backbone, layers.GeMPooling2D(), heads.BNNeckHead(100), image_size=size)
    model.save(folder / f"{name}.keras")
    return folder / f"{name}.keras"


def picture(kind, seed):
    """The bytes of a JPEG file of smooth colours; another file for each seed, one of eight pictures."""
    return _picture(kind, seed % 8) + seed.to_bytes(8)  # what follows a picture does not count


@functools.cache
def _picture(kind, seed):
    from PIL import Image

    width, height = PICTURES[kind]
    coarse = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 8, 3), np.uint8))
    stream = io.BytesIO()
    coarse.resize((width, height), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def fill(place, identity):
    """A store with synthetic embeddings."""
    generate = Generator(_SIGHTINGS // 20, identity.dimension)
    who = np.arange(_SIGHTINGS) % (_SIGHTINGS // 20)
    with PostgresStore(place, identity) as store:
        store.add(
            [
                NewSighting(row, f"identity {number}", camera=f"camera {number % 10}", source=f"{number}.jpg")
                for number, row in zip(who, generate(who, seed=0), strict=True)
            ]
        )
        store.analyze()


@contextlib.contextmanager
def served(model, place, log):
    """The port of a process that serves the store."""
    command = [sys.executable, "-m", "keras_reid", "gallery", "serve", "--model", model, "--store", place]
    limits = ["--port", "0", "--requests-per-minute", "1000000", "--burst", "1000000"]
    process = subprocess.Popen([*map(str, command), *limits], stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        line = process.stdout.readline()
        if not line:
            sys.exit("the service did not start; see above")
        yield int(json.loads(line)["url"].rpartition(":")[2])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)
        process.stdout.close()


async def ask(port, path, kind, body):
    """The status of an answer, and the milliseconds until it was there."""
    start = time.perf_counter()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {kind}\r\nConnection: close\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.read()
    finally:
        writer.close()
    return int(answer[9:12] or 0), 1e3 * (time.perf_counter() - start)


async def search(port, body):
    return await ask(port, f"/v1/search?top={_TOP}", "image/jpeg", body)


async def enrol(port, body):
    form = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n' + body
    return await ask(port, "/v1/sightings", "multipart/form-data; boundary=x", form + b"\r\n--x--\r\n")


def single(embedder, identity, place, port, pictures):
    """Times of one picture at a time: embedding, store, answer of the service."""
    rows = []
    with PostgresStore(place, identity) as store:
        for number, content in enumerate(pictures):
            start = time.perf_counter()
            vector = embedder([content])
            between = time.perf_counter()
            store.search(vector, top=_TOP)
            end = time.perf_counter()
            status, answer = asyncio.run(search(port, content))
            if status != 200:
                sys.exit(f"the service answered with {status}")
            if number >= 5:  # the first ones warm up
                rows.append((1e3 * (between - start), 1e3 * (end - between), answer))
    embedding, stored, answer = (statistics.median(column) for column in zip(*rows, strict=True))
    return {
        "embedding_ms": f"{embedding:.1f}",
        "store_ms": f"{stored:.1f}",
        "answer_ms": f"{answer:.1f}",
        "ratio": f"{statistics.median(one[2] / (one[0] + one[1]) for one in rows):.2f}",
    }


async def at_once(ports, pictures, news, rounds):
    """Searches that are sent at once beside enrolment."""
    spent, failed, enrolled, whole = [], 0, 0, 0.0
    for _ in range(rounds):
        over = asyncio.Event()

        async def enrolling(port, over=over):
            count = 0
            while not over.is_set() and (content := next(news, None)):
                status, _ = await enrol(port, content)
                if status != 200:
                    return count, 1
                count += 1
            return count, 0

        beside = [asyncio.create_task(enrolling(port)) for port in ports]
        await asyncio.sleep(0.2)
        start = time.perf_counter()
        found = await asyncio.gather(
            *(search(ports[number % 2], pictures[number % len(pictures)]) for number in range(_AT_ONCE)),
            return_exceptions=True,
        )
        whole += time.perf_counter() - start
        over.set()
        for count, wrong in await asyncio.gather(*beside):
            enrolled, failed = enrolled + count, failed + wrong
        for one in found:
            if isinstance(one, BaseException) or one[0] != 200:
                failed += 1
            else:
                spent.append(one[1])
    return {
        "searches": _AT_ONCE,
        "rounds": rounds,
        "p50_ms": f"{np.quantile(spent, 0.5):.0f}",
        "p95_ms": f"{np.quantile(spent, 0.95):.0f}",
        "searches_per_second": f"{len(spent) / whole:.0f}",
        "enrolled": enrolled,
        "failed": failed,
    }


def measure(name, kinds, rounds, repeats):
    """The row of each kind of picture."""
    from keras_reid.gallery.store_model import embedder_of

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o711)  # as root, the server's user passes through it
        model, place = saved(name, folder), folder / "store"
        embedder, identity, _ = embedder_of(str(model), False)
        fill(place, identity)
        with served(model, place, sys.stderr) as one, served(model, place, sys.stderr) as two:
            for kind in kinds:
                pictures = [picture(kind, seed) for seed in range(repeats + 5)]
                news = iter([picture(kind, 10**6 + seed) for seed in range(_NEWS[kind])])
                yield {
                    "model": pathlib.Path(name).name,
                    "dim": identity.dimension,
                    "picture": kind,
                    "sightings": _SIGHTINGS,
                    **single(embedder, identity, place, one, pictures),
                    **asyncio.run(at_once((one, two), pictures, news, rounds)),
                }


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="a run, resnet18 or resnet50")
    parser.add_argument(
        "--pictures", nargs="+", choices=PICTURES, default=list(PICTURES), help="kinds of pictures"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often 200 searches are sent at once")
    parser.add_argument("--repeats", type=int, default=40, help="pictures that are timed one at a time")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the CSV file")
    options = parser.parse_args(arguments)
    here = machine()
    for row in measure(options.model, options.pictures, options.rounds, options.repeats):
        add_row(options.output, COLUMNS, KEY, {column: {**row, **here}[column] for column in COLUMNS})
        print(
            f"{row['model']}, {row['picture']}: embedding {row['embedding_ms']} ms, store {row['store_ms']} ms, answer "
            f"{row['answer_ms']} ms, ratio {row['ratio']}; {_AT_ONCE} at once: p50 {row['p50_ms']} ms, p95 "
            f"{row['p95_ms']} ms, {row['enrolled']} enrolled, {row['failed']} failed",
            flush=True,
        )


if __name__ == "__main__":
    command_line.run(main)
