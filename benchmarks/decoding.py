"""The most memory and time that decoding an image takes: for the largest image that exports and commands accept.

    python benchmarks/decoding.py

Decodes each file and resizes it to 256 × 128, as an export does, in a separate process on one core. Memory is the peak
minus what the process used before. Prints a line per file and writes benchmarks/results/decoding.csv. Linux only.
"""

import argparse
import io
import os
import pathlib
import time

from measuring import MACHINE, add_row, in_own_process, machine, memory_megabytes

from keras_reid.data.image_limits import MOST_MEGAPIXELS
from keras_reid.utils import command_line

RESULTS = pathlib.Path(__file__).with_name("results") / "decoding.csv"
COLUMNS = ("file", "megapixels", "megabytes", "seconds", *MACHINE)
# Name → Pillow format and options.
FILES = {
    "JPEG": ("JPEG", {"quality": 90}),
    "JPEG, progressive": ("JPEG", {"quality": 90, "progressive": True}),
    "JPEG, progressive, no subsampling": ("JPEG", {"quality": 90, "progressive": True, "subsampling": 0}),
    "PNG": ("PNG", {"compress_level": 1}),
    "BMP": ("BMP", {}),
}


def measure(name, side):
    """Peak memory and seconds for an image of `side` × `side` smooth random colours."""
    os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    command_line.load_tensorflow()
    import tensorflow as tf

    from keras_reid.data.decoding import decode_image
    from keras_reid.data.resizing import resize_image

    @tf.function(input_signature=[tf.TensorSpec((), tf.string)])
    def decode(contents):
        return resize_image(decode_image(contents), (256, 128))

    decode(tf.constant(in_own_process(encoded, name, 100)))
    contents = tf.constant(in_own_process(encoded, name, side))
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before, start = memory_megabytes("VmRSS"), time.perf_counter()
    decode(contents)
    return {
        "megabytes": round(memory_megabytes("VmHWM") - before),
        "seconds": round(time.perf_counter() - start, 2),
    }


def encoded(name, side):
    """The content of a file."""
    import numpy as np
    from PIL import Image

    kind, options = FILES[name]
    coarse = np.random.default_rng(0).integers(0, 256, (max(1, side // 8), max(1, side // 8), 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(stream, kind, **options)
    return stream.getvalue()


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megapixels", type=float, default=MOST_MEGAPIXELS)
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS, help="the CSV file")
    options = parser.parse_args(arguments)
    here, side = in_own_process(machine), round((options.megapixels * 1e6) ** 0.5)
    for name in FILES:
        row = {"file": name, "megapixels": side * side / 1e6, **in_own_process(measure, name, side), **here}
        add_row(options.output, COLUMNS, ("file", "megapixels", "device", "cores"), row)
        print(f"{name}: {row['megabytes']} MB, {row['seconds']} s", flush=True)


if __name__ == "__main__":
    command_line.run(main)
