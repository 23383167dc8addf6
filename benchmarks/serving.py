"""Speed, reloads and memory of the embedded server: `python benchmarks/serving.py`.

    python benchmarks/serving.py --model exports/quickstart/savedmodel/float32 --only savedmodel load

Adds each row to benchmarks/results/serving.csv, and skips rows that already exist for the same model and machine.
Server and load run on this machine in separate processes, over loopback, so the load takes processor time from the
server. All cases take about 7 minutes with the quickstart's model on two cores.

- savedmodel: the throughput of the SavedModel alone, in batches of `images` from one thread, in process.
- load: several clients, each with one request in flight; times are from sending to the complete answer. A
  request has `images` images. Server and SavedModel alone, with the same input in batches of 32, run in turns
  (`--turns`), and the row has the medians.
  share_of_savedmodel is the server's throughput divided by the SavedModel's; share_by_cpu is the SavedModel's processor
  time for an image divided by the server's, in which that of the load does not count.
- reload: 10 new versions while 8 clients send requests; `failed` counts requests not answered with 200 or OK.
- memory: resident memory of the server after 1000 and after 10 000 requests from 8 clients, and its growth in percent.
- cpu_ms, load_cpu_ms: processor time per image, of the computing process and of the load. It depends little on other
  work on the machine.
"""

import argparse
import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import measuring
import numpy as np
from serving_server import Server

from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # before this folder, where `serving` is this file
RESULTS = pathlib.Path(__file__).with_name("results") / "serving.csv"
MODEL = ROOT / "exports" / "quickstart" / "savedmodel" / "float32"
KEY = ("case", "protocol", "input", "clients", "images", "model", "device", "cores")
MEASURED = (
    *("images_per_second", "share_of_savedmodel", "share_by_cpu", "p50_ms", "p95_ms", "p99_ms"),
    *("requests", "failed", "megabytes", "growth_percent", "cpu_ms", "load_cpu_ms"),
)
COLUMNS = ("case", "protocol", "input", "clients", "images", *MEASURED, "model", *measuring.MACHINE)
INPUTS = {"bytes": ("serving_default", "image_bytes"), "pixels": ("pixels", "images")}
_BATCH, _IMAGES, _RELOADS = 32, 64, 10
CLIENTS = (1, 4, 8, 64)
LOADS = (
    (1, 1),
    (8, 1),
    (64, 1),
    (8, 8),
    (4, 32),
)  # clients, images in a request; the last is the client's default
CASES = {
    "savedmodel": [("", name, "", n) for name in INPUTS for n in (_BATCH, 1, 8)],
    "load": [(protocol, name, *n) for protocol in ("rest", "grpc") for name in INPUTS for n in LOADS],
    "reload": [("rest", "bytes", 8, 1), ("grpc", "bytes", 8, 1)],
    "memory": [("rest", "bytes", 8, 1), ("grpc", "bytes", 8, 1)],
}


def jpegs(count, size=(128, 64)):
    """JPEG files with smooth colours, in the size of Market-1501."""
    import io

    from PIL import Image

    rng = np.random.default_rng(0)
    height, width = size
    files = []
    for _ in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (height // 8, width // 8, 3), np.uint8))
        stream = io.BytesIO()
        coarse.resize((width, height), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
        files.append(stream.getvalue())
    return files


def savedmodel_speed(model, name, batch, seconds):
    """Images per second of a signature, in batches of `batch` images."""
    return savedmodel_runner(model, name, batch)(seconds)


def savedmodel_runner(model, name, batch):
    """Loads a SavedModel; returns a function that runs it for some seconds and measures that."""
    command_line.load_tensorflow()
    import tensorflow as tf

    signature, argument = INPUTS[name]
    signatures = tf.saved_model.load(str(model)).signatures
    images = tf.constant(jpegs(batch))
    if name == "pixels":
        height, width = image_size(model)
        images = tf.constant(np.random.default_rng(0).integers(0, 256, (batch, height, width, 3), np.uint8))
    function = signatures[signature]
    for _ in range(3):
        function(**{argument: images})

    def run(seconds):
        spent, cpu = [], time.process_time()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            start = time.perf_counter()
            function(**{argument: images})["embedding"].numpy()
            spent.append(time.perf_counter() - start)
        return {
            "images_per_second": batch * len(spent) / sum(spent),
            "p50_ms": 1e3 * float(np.median(spent)),
            "cpu_ms": 1e3 * (time.process_time() - cpu) / batch / len(spent),
        }

    return run


def image_size(model):
    """`(height, width)` of the model's pixels."""
    return json.loads((model / "assets" / "metadata.json").read_text(encoding="utf-8"))["image_size"]


def write_requests(folder, size, count):
    """Writes requests of `count` images each, ready to send; returns `{(protocol, input): files}`."""
    import base64

    from keras_reid.serving.client import messages

    rng = np.random.default_rng(0)
    contents = {
        "bytes": jpegs(_IMAGES),
        "pixels": rng.integers(0, 256, (_IMAGES, *size, 3), np.uint8),
    }
    files = {}
    for name, (signature, argument) in INPUTS.items():
        for row in range(0, _IMAGES, count):
            value = contents[name][row : row + count]
            columns = (
                value.tolist()
                if name == "pixels"
                else [{"b64": base64.b64encode(data).decode("ascii")} for data in value]
            )
            request = messages.PredictRequest(model_spec={"name": "reid", "signature_name": signature})
            request.inputs.add(key=argument, value=messages.to_tensor(value))
            body = json.dumps(
                {"signature_name": signature, "inputs": {argument: columns}}, separators=(",", ":")
            ).encode()
            for protocol, data in (("rest", body), ("grpc", request.SerializeToString())):
                file = folder / f"{protocol}-{name}-{count}-{row}"
                file.write_bytes(data)
                files.setdefault((protocol, name), []).append(str(file))
    return files


@contextlib.contextmanager
def load(server, files, row, **amount):
    """Starts the load of a row; yields a function that ends it, or waits for its end, and returns the measurements.

    Args:
        files: `{(protocol, input, images): files}`.
    """
    protocol, images = row["protocol"], row["images"]
    order = {
        "protocol": protocol,
        "host": "127.0.0.1",
        "port": server.ports[protocol],
        "clients": row["clients"],
    }
    order |= {"path": "/v1/models/reid:predict", "bodies": files[protocol, row["input"], images], **amount}
    process = subprocess.Popen(
        [sys.executable, ROOT / "benchmarks" / "serving_load.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )

    cpu = server.cpu_seconds()

    def result(end=False):
        if end:
            process.stdin.close()
        measured = json.loads(process.stdout.readline())
        measured["cpu_ms"] = 1e3 * (server.cpu_seconds() - cpu) / max(measured.pop("answered"), 1)
        measured["images_per_second"] *= images
        measured |= {key: measured[key] / images for key in ("cpu_ms", "load_cpu_ms")}
        for failure, count in measured.pop("failures").items():
            print(f"  {count} failed: {failure}", flush=True)
        return measured

    try:
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        yield result
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


class Alone:
    """The SavedModel in a process of its own, which runs when it is asked to.

    Args:
        model: folder of a SavedModel.
        name: `"bytes"` or `"pixels"`.
    """

    def __init__(self, model, name):
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--alone", model, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.run(0.1)

    def run(self, seconds):
        """What `savedmodel_speed` gives."""
        print(seconds, file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.communicate()


def alone(model, name):
    """What the process of an `Alone` does."""
    run = savedmodel_runner(pathlib.Path(model), name, _BATCH)
    for line in sys.stdin:
        print(json.dumps(run(float(line))), flush=True)


def measure_load(server, files, row, alone, options):
    """Measures a row of the case load."""
    turns, shares = [], []
    before = alone.run(options.seconds)
    for _ in range(options.turns):
        with load(server, files, row, warmup=0.5, seconds=options.seconds) as result:
            turns.append(result())
        after = alone.run(options.seconds)
        speed, cpu = ((before[key] + after[key]) / 2 for key in ("images_per_second", "cpu_ms"))
        shares.append((turns[-1]["images_per_second"] / speed, cpu / turns[-1]["cpu_ms"]))
        before = after
    measured = {key: float(np.median([turn[key] for turn in turns])) for key in turns[0]}
    measured |= {key: sum(turn[key] for turn in turns) for key in ("requests", "failed")}
    of_speed, by_cpu = np.median(shares, axis=0)
    return {**measured, "share_of_savedmodel": float(of_speed), "share_by_cpu": float(by_cpu)}


def measure(server, files, row, options):
    """Measures a row of another case."""
    if row["case"] == "reload":
        with load(server, files, row) as result:
            for _ in range(_RELOADS):
                server.publish()
                server.wait_for_version()
            return result(end=True)
    total, first = options.requests, options.requests // 10
    with load(server, files, row, requests=first) as result:
        result()
    before = server.megabytes()
    with load(server, files, row, requests=total - first) as result:
        measured = result()
    after = server.megabytes()
    return {**measured, "megabytes": after, "growth_percent": 100 * (after / before - 1)}


def main(arguments):
    if arguments[:1] == ["--alone"]:
        return alone(*arguments[1:])
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=pathlib.Path, default=MODEL, help="folder of an exported SavedModel")
    parser.add_argument(
        "--name", help="name of the model in the table; by default the last folders of --model"
    )
    parser.add_argument(
        "--only", nargs="+", choices=CASES, default=CASES, metavar="CASE", help=", ".join(CASES)
    )
    parser.add_argument(
        "--clients",
        nargs="+",
        type=int,
        default=CLIENTS,
        choices=CLIENTS,
        help="numbers of clients for the case load",
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds to measure each speed")
    parser.add_argument("--turns", type=int, default=5, help="number of turns for the case load")
    parser.add_argument("--requests", type=int, default=10_000, help="number of requests for the case memory")
    parser.add_argument("--batching-config", type=pathlib.Path, default=ROOT / "serving" / "batching.config")
    parser.add_argument("--anew", action="store_true", help="measure again what is already in the table")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the CSV file")
    options = parser.parse_args(arguments)
    if not (options.model / "saved_model.pb").is_file():
        raise UserError(
            f"{options.model} contains no saved_model.pb; `make quickstart` writes the default model"
        )
    if options.turns < 1:
        raise UserError(f"--turns must be at least 1. Received: {options.turns}")
    if options.requests < 10:
        raise UserError(f"--requests must be at least 10. Received: {options.requests}")
    name = options.name or "/".join(options.model.resolve().parts[-3:])
    here = {"model": name, **measuring.machine()}
    done = set() if options.anew else measuring.measured(options.output, KEY)
    cases = [
        {"case": case, "protocol": protocol, "input": kind, "clients": clients, "images": images, **here}
        for case in options.only
        for protocol, kind, clients, images in CASES[case]
        if case != "load" or clients in options.clients
    ]
    cases = [row for row in cases if tuple(str(row[column]) for column in KEY) not in done]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        folder, server = pathlib.Path(folder), None
        for row in cases:
            case = row["case"]
            if case == "savedmodel":
                measured = measuring.in_own_process(
                    savedmodel_speed, options.model, row["input"], row["images"], options.seconds
                )
            else:
                if (
                    case in ("reload", "memory") or server is None
                ):  # a used server would distort their figures
                    stack.close()
                    alones = {}
                    own = pathlib.Path(tempfile.mkdtemp(dir=folder))
                    size = image_size(options.model)
                    files = {
                        (*key, count): written
                        for count in sorted({row["images"] for row in cases if row["case"] != "savedmodel"})
                        for key, written in write_requests(own, size, count).items()
                    }
                    server = Server(
                        options.model, own, ("--batching-config", options.batching_config.resolve())
                    )
                    stack.callback(server.close)
                if case == "load":
                    if row["input"] not in alones:
                        alones[row["input"]] = Alone(options.model, row["input"])
                        stack.callback(alones[row["input"]].close)
                    measured = measure_load(server, files, row, alones[row["input"]], options)
                else:
                    measured = measure(server, files, row, options)
                    measured |= shares(measured, row, options.output)
            row |= {column: _text(measured.get(column, "")) for column in MEASURED}
            measuring.add_row(options.output, COLUMNS, KEY, row)
            said = ", ".join(f"{column} {row[column]}" for column in MEASURED if row[column] != "")
            print(
                f"{case} {row['protocol']} {row['input']} {row['clients']} x {row['images']}: {said}",
                flush=True,
            )
    print(f"written to {options.output}")


def shares(measured, row, file):
    """The shares of the SavedModel alone that a load reaches, if the file has its row; see the top of this file."""
    where = {column: str(row[column]) for column in ("input", "model", "device", "cores")}
    for alone in measuring.rows(file, {"case": "savedmodel", "images": str(_BATCH), **where}):
        return {
            "share_of_savedmodel": measured["images_per_second"] / float(alone["images_per_second"]),
            "share_by_cpu": float(alone["cpu_ms"]) / measured["cpu_ms"],
        }
    return {}


def _text(value):
    return f"{value:.4g}" if isinstance(value, float) else value


if __name__ == "__main__":
    command_line.run(main)
