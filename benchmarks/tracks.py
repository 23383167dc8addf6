"""From video to identities: `python benchmarks/tracks.py --model runs/quickstart --only association`.

Four parts, each in a file of its own: tracklets (tracks_tracklets.py), association across cameras
(tracks_association.py), albums (tracks_albums.py) and the plug for trackers (tracks_plug.py). The model is the one of
experiments/quickstart.py, calibrated with `keras-reid calibrate`. Draws and embeds into --cache, once; each model needs
a cache of its own. Adds each figure to benchmarks/results/tracks.csv, with the limit that was set for it before it was
measured.
"""

import argparse
import importlib
import pathlib

from measuring import MACHINE, add_row, machine

from keras_reid.utils import command_line

RESULTS = pathlib.Path(__file__).with_name("results") / "tracks.csv"
COLUMNS = ("part", "seed", "measure", "value", "limit", *MACHINE)
PARTS = ("tracklets", "association", "albums", "plug")
SEEDS = (1, 2, 3)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="runs/quickstart", help="run or model file, calibrated")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="by default all")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument(
        "--cache",
        type=pathlib.Path,
        default=pathlib.Path("datasets/tracks"),
        help="folder for what is drawn and embedded",
    )
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the CSV file")
    options = parser.parse_args(arguments)
    here = machine()
    for part in options.only:
        module = importlib.import_module(f"tracks_{part}")
        for row in module.measure(options.seeds, options.model, options.cache):
            row = {"part": part, **row, "value": f"{row['value']:.4f}", **here}
            add_row(options.output, COLUMNS, ("part", "seed", "measure"), row)
            print(f"{part}, seed {row['seed']}: {row['measure']} {row['value']} {row['limit']}", flush=True)
    print(f"written to {options.output}")


if __name__ == "__main__":
    command_line.run(main)
