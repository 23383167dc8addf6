"""What `keras_reid.embedding.Embedder` costs beside its network: `python benchmarks/embedder.py`.

    python benchmarks/embedder.py --model quickstart
    python benchmarks/embedder.py --model resnet50 --backends keras onnx --images 1 16

Embeds crops of a video frame (arrays of different sizes) and JPEG files with each back end, in a process of its own
with random weights. The call of the Embedder and that of the network alone, on pixels that are ready, alternate; the
table has the medians. Adds each row to benchmarks/results/embedder.csv. `--folder` keeps the artefacts.

- ms, cpu_ms: time and processor time of a call from images to embeddings.
- network_ms, network_cpu_ms: the same of the network alone.
- ratio, cpu_ratio: the first divided by the second.
- back end "pipeline": as a comparison, a `tf.data` pipeline over files and Keras' `predict_on_batch`.
"""

import argparse
import os
import pathlib
import statistics
import tempfile
import time

import numpy as np
from measuring import MACHINE, add_row, in_own_process, machine

from keras_reid.utils import command_line

RESULTS = pathlib.Path(__file__).with_name("results") / "embedder.csv"
KEY = ("model", "backend", "input", "images", "device", "cores")
MEASURED = ("ms", "network_ms", "ratio", "cpu_ms", "network_cpu_ms", "cpu_ratio")
COLUMNS = ("model", "height", "width", "backend", "input", "images", *MEASURED, *MACHINE)
# Where each back end's model lies in the folder of a model.
PLACES = {"keras": "model.keras", "savedmodel": "savedmodel", "onnx": "model.onnx", "litert": "model.tflite"}
BACKENDS = (*PLACES, "pipeline")
MODELS = ("quickstart", "resnet50")
_SECONDS, _LEAST = 2.0, 5  # for a row: time, and calls


def prepare(name, folder):
    """Writes a model and its exports into a folder, unless they are there."""
    if (folder / "done").exists():
        return
    command_line.load_tensorflow()
    from keras_reid import backbones, heads, layers
    from keras_reid.export.litert import export_litert
    from keras_reid.export.onnx import export_onnx
    from keras_reid.export.savedmodel import export_savedmodel
    from keras_reid.models import ReIDModel

    if name == "quickstart":
        backbone, size = backbones.ResNet(18, width=32, ibn=True), (128, 64)
    else:
        backbone, size = backbones.ResNet(50), (256, 128)
    model = ReIDModel(backbone, layers.GeMPooling2D(), heads.BNNeckHead(100), image_size=size)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / PLACES["keras"])
    export_savedmodel(model, folder / PLACES["savedmodel"], batch_sizes=())
    export_onnx(model, folder / PLACES["onnx"])
    export_litert(model, folder / PLACES["litert"])
    (folder / "done").touch()


def crops(count):
    """uint8 arrays as a detector cuts people out of a frame, 90 to 400 pixels high."""
    rng = np.random.default_rng(0)
    heights = rng.integers(90, 400, count)
    return [rng.integers(0, 256, (height, round(height * 0.42), 3), np.uint8) for height in heights]


def write_files(count, folder):
    """JPEG files of smooth colours, in the size of Market-1501; their paths."""
    from PIL import Image

    rng, paths = np.random.default_rng(0), []
    for place in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (16, 8, 3), np.uint8))
        paths.append(os.path.join(folder, f"{place}.jpg"))
        coarse.resize((64, 128), Image.Resampling.BICUBIC).save(paths[-1], quality=90)
    return paths


def measure(backend, place, kinds, counts):
    """`(kind, count, the columns MEASURED)` of each row of a back end, which is loaded once."""
    embed, network, size = (_pipeline if backend == "pipeline" else _embedder)(place)
    with tempfile.TemporaryDirectory() as folder:
        return [
            (kind, count, {**cost(embed, network, size, images), "height": size[0], "width": size[1]})
            for kind in kinds
            for count in counts
            for images in [crops(count) if kind == "crops" else write_files(count, folder)]
        ]


def cost(embed, network, size, images):
    """The columns `MEASURED` of `embed(images)` and, by turns, of the network alone on as many images of its size."""
    pixels = np.random.default_rng(0).integers(0, 256, (len(images), *size, 3), np.uint8)

    def network_alone():
        for start in range(0, len(pixels), 64):
            network(pixels[start : start + 64])

    whole, alone, until = [], [], None
    while until is None or time.perf_counter() < until or len(whole) < _LEAST:
        spent = [_spent(embed, images), _spent(network_alone)]
        if until is None:  # the first call warms up
            until = time.perf_counter() + _SECONDS
            continue
        whole.append(spent[0])
        alone.append(spent[1])
    (ms, cpu), (network_ms, network_cpu) = (
        map(statistics.median, zip(*rows, strict=True)) for rows in (whole, alone)
    )
    return {
        "ms": f"{ms:.2f}",
        "network_ms": f"{network_ms:.2f}",
        "ratio": f"{ms / network_ms:.2f}",
        "cpu_ms": f"{cpu:.2f}",
        "network_cpu_ms": f"{network_cpu:.2f}",
        "cpu_ratio": f"{cpu / network_cpu:.2f}",
    }


def _spent(function, *arguments):
    """Milliseconds, and milliseconds of processor time."""
    start, cpu = time.perf_counter(), time.process_time()
    function(*arguments)
    return 1000 * (time.perf_counter() - start), 1000 * (time.process_time() - cpu)


def _embedder(place):
    from keras_reid.embedding import Embedder

    model = place
    if place.suffix == ".keras":
        command_line.load_tensorflow()
        from keras_reid.models import load_model

        model = load_model(place)
    embedder = Embedder(model)
    return embedder, embedder._backend, embedder.image_size


def _pipeline(place):
    command_line.load_tensorflow()
    from keras_reid.data.pipeline import test_batches
    from keras_reid.embedding import l2_normalize
    from keras_reid.models import load_model

    model = load_model(place)

    def embed(paths):
        return l2_normalize(
            np.concatenate([model.predict_on_batch(x) for x in test_batches(paths, model.image_size)])
        )

    return embed, model.predict_on_batch, model.image_size


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=BACKENDS)
    parser.add_argument("--inputs", nargs="+", choices=("crops", "files"), default=("crops", "files"))
    parser.add_argument("--images", nargs="+", type=int, default=(1, 4, 16), help="images in a call")
    parser.add_argument("--folder", type=pathlib.Path, help="where the artefacts are kept")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the CSV file")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder, here = options.folder or pathlib.Path(scratch), in_own_process(machine)
        for name in options.model:
            in_own_process(prepare, name, folder / name)
            for backend in options.backends:
                place = folder / name / PLACES.get(backend, PLACES["keras"])
                kinds = [kind for kind in options.inputs if (backend, kind) != ("pipeline", "crops")]
                for kind, count, measured in in_own_process(measure, backend, place, kinds, options.images):
                    row = {
                        "model": name,
                        "backend": backend,
                        "input": kind,
                        "images": count,
                        **measured,
                        **here,
                    }
                    add_row(options.output, COLUMNS, KEY, row)
                    print(
                        f"{name}, {backend}, {count} {kind}: {row['ms']} ms, {row['ratio']} times the network; "
                        f"processor {row['cpu_ms']} ms, {row['cpu_ratio']} times",
                        flush=True,
                    )


if __name__ == "__main__":
    command_line.run(main)
