"""Time to draw one synthetic image, on one core.

    python benchmarks/synthetic_generator.py

Writes benchmarks/results/synthetic_generator.csv. It measures the processor time of the process, so that other work on
the machine hardly matters. The time includes drawing the identities and saving as JPEG.
"""

import argparse
import csv
import io
import os
import pathlib
import platform
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from measuring import processor_name

from keras_reid.data.synthetic.studio import Studio
from keras_reid.utils import command_line

RESULTS = pathlib.Path(__file__).with_name("results") / "synthetic_generator.csv"
COLUMNS = (
    "kind",
    "height",
    "width",
    "ms_per_image",
    "images_per_second_per_core",
    "cores",
    "processor",
    "python",
)
CASES = (("person", 128, 64), ("person", 256, 128), ("vehicle", 96, 96), ("vehicle", 224, 224))
CAMERAS, SHOTS = 6, 5  # per identity, as in the preset "small"


def milliseconds_per_image(kind, size, identities):
    """Mean processor time in milliseconds to draw and save an image of `size` (height, width)."""
    studio = Studio(kind, seed=0)
    for camera in range(1, CAMERAS + 1):  # scenes are painted once for thousands of images
        studio.take("train", 1, camera, 0, size)
    start = time.process_time()
    for identity in range(2, identities + 2):
        for camera in range(1, CAMERAS + 1):
            for shot in range(SHOTS):
                image = studio.take("train", identity, camera, shot, size)
                image.save(io.BytesIO(), "JPEG", quality=studio.jpeg_quality(camera))
    return (time.process_time() - start) * 1000 / (identities * CAMERAS * SHOTS)


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--identities", type=int, default=10, help="number of identities to draw for each case"
    )
    parser.add_argument(
        "--repeats", type=int, default=3, help="repetitions of each case, of which the fastest is used"
    )
    options = parser.parse_args(arguments)
    rows = []
    for kind, height, width in CASES:
        spent = min(
            milliseconds_per_image(kind, (height, width), options.identities) for _ in range(options.repeats)
        )
        print(f"{kind} {height}x{width}: {spent:.1f} ms per image", flush=True)
        machine = (os.cpu_count(), processor_name(), platform.python_version())
        rows.append((kind, height, width, round(spent, 2), round(1000 / spent, 1), *machine))
    RESULTS.parent.mkdir(exist_ok=True)
    aside = RESULTS.with_suffix(".partial")
    with open(aside, "w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([COLUMNS, *rows])
    aside.replace(RESULTS)
    print(f"written: {RESULTS}")


if __name__ == "__main__":
    command_line.run(main)
