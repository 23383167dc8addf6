"""Latency of a TensorRT engine: `python benchmarks/tensorrt_latency.py exports/tensorrt/float16/model.engine`.

For machines with a GPU. Sends one request after another for each batch size, after ten warm-up requests. The time is
from pixels in CPU memory to embeddings in CPU memory. Writes a row per batch size to
benchmarks/results/tensorrt_latency.csv, which replaces an earlier row for the same engine, device and version.

- p50_ms, p99_ms: percentiles of the time of a request.
- images_per_second: at the median time.
"""

import argparse
import datetime
import pathlib
import time

import numpy as np
from measuring import add_row

from keras_reid.export.tensorrt_model import TensorRTModel
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError

RESULTS = pathlib.Path(__file__).with_name("results") / "tensorrt_latency.csv"
COLUMNS = (
    *("engine", "precision", "height", "width", "batch", "p50_ms", "p99_ms", "images_per_second"),
    *("device", "package", "version", "date"),
)
KEY = ("engine", "precision", "height", "width", "batch", "device", "package", "version")
WARM_UP = 10


def latencies(model, images, repeats):
    """Milliseconds of `repeats` calls of `model(images)`, after some warm-up calls."""
    spent = []
    for repeat in range(-WARM_UP, repeats):
        start = time.perf_counter()
        model(images)
        if repeat >= 0:
            spent.append(1000 * (time.perf_counter() - start))
    return np.array(spent)


def rows(model, name, batches, repeats, device):
    """One row of the table for each batch size."""
    height, width = model.image_size
    rng = np.random.default_rng(0)
    for batch in batches:
        spent = latencies(model, rng.integers(0, 256, (batch, height, width, 3), np.uint8), repeats)
        p50, p99 = np.percentile(spent, (50, 99))
        yield {
            "engine": name,
            "precision": model.metadata["precision"],
            "height": height,
            "width": width,
            "batch": batch,
            "p50_ms": f"{p50:.3f}",
            "p99_ms": f"{p99:.3f}",
            "images_per_second": round(1000 * batch / p50),
            "device": device,
            "package": model.metadata["package"],
            "version": model.metadata["version"],
            "date": datetime.date.today().isoformat(),
        }


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("engine", type=pathlib.Path, help="model.engine, with engine.json next to it")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32], help="images in a request")
    parser.add_argument("--repeats", type=int, default=200, help="requests to time")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="CSV file to add to")
    options = parser.parse_args(arguments)
    if min(*options.batches, options.repeats) < 1:
        raise UserError("--batches and --repeats must be at least 1")
    for file in (options.engine, options.engine.with_name("engine.json")):
        if not file.is_file():
            raise UserError(
                f"{file}: there is no such file; python -m keras_reid.export --format tensorrt writes it"
            )
    try:
        model = TensorRTModel(options.engine)
    except RuntimeError as error:
        raise UserError(str(error)) from None
    name = str(options.engine.parent)
    for row in rows(model, name, options.batches, options.repeats, model.device):
        add_row(options.output, COLUMNS, KEY, row)
        print(
            f"batch {row['batch']}: p50 {row['p50_ms']} ms, p99 {row['p99_ms']} ms, {row['images_per_second']} img/s"
        )


if __name__ == "__main__":
    command_line.run(main)
