"""What `keras_reid.embedding.FrameEmbedder` costs beside its network: `python benchmarks/tracks_plug.py`.

    python benchmarks/tracks_plug.py --model quickstart --seeds 0 1 2
    python benchmarks/tracks_plug.py --model resnet50 --backends onnx

Embeds 1, 8 and 32 boxes of a frame of 1920 × 1080 pixels, BGR, in a process of its own with random weights. A seed
places the boxes, 90 to 400 pixels high and 0.42 times as wide. A call of the plug and one of the network alone, on
pixels that are ready, alternate; the table has the medians, in the columns of `benchmarks/embedder.py`. Adds each row
to benchmarks/results/tracks_plug.csv. `--folder` keeps the artefacts.
"""

import argparse
import pathlib
import tempfile

import numpy as np
from embedder import MEASURED, MODELS, PLACES, cost, prepare
from measuring import MACHINE, add_row, in_own_process, machine

from keras_reid.utils import command_line

RESULTS = pathlib.Path(__file__).with_name("results") / "tracks_plug.csv"
KEY = ("model", "backend", "boxes", "seed", "device", "cores")
COLUMNS = ("model", "backend", "boxes", "seed", *MEASURED, *MACHINE)
BACKENDS = ("onnx", "litert", "savedmodel")
_FRAME = (1080, 1920)


def measure(seeds, model=None, cache=None):
    """Yields the rows of `benchmarks/tracks.py`: how many times the network's time a call takes.

    Args:
        seeds: of the boxes.
        model: not used: the networks are those of `benchmarks/embedder.py`, with random weights.
        cache: folder that keeps their exports, in `plug`.
    """
    for row in measured_rows(seeds, folder=cache and pathlib.Path(cache) / "plug"):
        yield {
            "seed": row["seed"],
            "measure": f"times the network: {row['model']}, {row['backend']}, {row['boxes']} boxes",
            "value": float(row["ratio"]),
            "limit": "<= 1.2",
        }


def measured_rows(seeds, models=MODELS, backends=BACKENDS, boxes=(1, 8, 32), folder=None):
    """Yields a row of `COLUMNS` for each model, back end, number of boxes and seed.

    Args:
        seeds: of the boxes.
        models: of `benchmarks/embedder.py`.
        backends: of `BACKENDS`.
        boxes: in a call.
        folder: where the artefacts are kept; by default they are made anew.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder, here = pathlib.Path(folder or scratch), in_own_process(machine)
        for name in models:
            in_own_process(prepare, name, folder / name)
            for backend in backends:
                for row in in_own_process(_measured, folder / name / PLACES[backend], boxes, tuple(seeds)):
                    yield {"model": name, "backend": backend, **row, **here}


def frame_and_boxes(count, seed):
    """A frame, uint8, and boxes in it, float64 `(count, 4)`."""
    rng = np.random.default_rng(seed)
    heights = rng.uniform(90, 400, count)
    sizes = np.stack([0.42 * heights, heights], axis=1)
    starts = rng.uniform(0, np.array(_FRAME[::-1]) - sizes)
    return rng.integers(0, 256, (*_FRAME, 3), np.uint8), np.concatenate([starts, starts + sizes], axis=1)


def _measured(place, counts, seeds):
    from keras_reid.embedding import FrameEmbedder

    plug = FrameEmbedder(place)
    network, size = plug.embedder._backend, plug.embedder.image_size
    rows = []
    for count in counts:
        for seed in seeds:
            frame, boxes = frame_and_boxes(count, seed)
            measured = cost(lambda boxes, frame=frame: plug.embed(frame, boxes), network, size, boxes)
            rows.append({"boxes": count, "seed": seed, **measured})
    return rows


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=BACKENDS)
    parser.add_argument("--boxes", nargs="+", type=int, default=(1, 8, 32), help="boxes in a call")
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2), help="of the boxes")
    parser.add_argument("--folder", type=pathlib.Path, help="where the artefacts are kept")
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the CSV file")
    options = parser.parse_args(arguments)
    for row in measured_rows(options.seeds, options.model, options.backends, options.boxes, options.folder):
        add_row(options.output, COLUMNS, KEY, row)
        print(
            f"{row['model']}, {row['backend']}, {row['boxes']} boxes: {row['ms']} ms, {row['ratio']} times the "
            f"network; processor {row['cpu_ms']} ms, {row['cpu_ratio']} times",
            flush=True,
        )


if __name__ == "__main__":
    command_line.run(main)
