"""Speed of the input pipeline, stage by stage: `python benchmarks/input_pipeline.py`.

Writes benchmarks/results/input_pipeline.csv: images per second for each stage, file size, image size and number of
cores, each in a separate process that may use that many cores. `--only 128x64` measures only rows whose description
contains this text, and keeps the others. For comparison, it prints the images per second that training needs, from the
training steps in benchmarks/results/backbones.csv.

`--memory` instead runs 20,000 batches with every augmentation of the recipes, and prints the resident memory over time.
"""

import argparse
import csv
import io
import itertools
import multiprocessing
import os
import pathlib
import platform
import statistics
import tempfile
import time

import numpy as np
from measuring import memory_megabytes
from PIL import Image

from keras_reid.utils import command_line

RESULTS = pathlib.Path(__file__).with_name("results") / "input_pipeline.csv"
DEMAND = pathlib.Path(__file__).with_name("results") / "backbones.csv"
FILES, IDENTITIES, BATCH = 1024, 256, 64
# File size → image size, (height, width): Market-1501, the same for SBS, vehicles, files that already have the size.
SIZES = (((128, 64), (256, 128)), ((128, 64), (384, 128)), ((400, 500), (256, 256)), ((256, 128), (256, 128)))
STAGES = (
    "read",
    "read, decode",
    "read, decode, resize",
    "whole, nothing",
    "whole, BoT",
    "whole, BoT, records",
    "whole, BoT, cached on disk",
    "whole, BoT, cached in memory",
    "whole, AutoAugment 0.1 + BoT",
    "whole, BoT + random patch",
    "whole, AutoAugment 0.1 + BoT + random patch",
)


def write_images(folder, size):
    """JPEG files with smooth colours; at 128 × 64 about 3 kB each, as in Market-1501."""
    rng = np.random.default_rng(0)
    for number in range(FILES):
        coarse = rng.integers(0, 256, (max(size[0] // 12, 2), max(size[1] // 12, 2), 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)
        noise = rng.normal(0, 4, (*size, 3))
        Image.fromarray(np.clip(image + noise, 0, 255).astype(np.uint8)).save(
            folder / f"{number:05d}.jpg", quality=90
        )


def dataset_of(folder):
    """The images of a folder, assigned to `IDENTITIES` identities in turn."""
    from keras_reid.data import ReIDDataset, Sample

    files = enumerate(sorted(folder.glob("*.jpg")))
    samples = [Sample(path, number % IDENTITIES, number // IDENTITIES) for number, path in files]
    return ReIDDataset("benchmark", train=samples)


def batches_of(stage, folder, file_size, image_size):
    """An endless `tf.data.Dataset` of batches after the given stage."""
    import tensorflow as tf

    from keras_reid.data import IdentitySampler, PixelCache, Records
    from keras_reid.data.augmentation import AutoAugment, Flip, PadCrop, RandomErasing, RandomPatch
    from keras_reid.data.datasets.records import write_records
    from keras_reid.data.decoding import read_image
    from keras_reid.data.pipeline import cores, train_batches
    from keras_reid.data.resizing import resize_image

    dataset = dataset_of(folder)
    paths = [sample.path for sample in dataset.train]
    parts = {
        "read": lambda path: tf.strings.length(tf.io.read_file(path)),
        "read, decode": read_image,
        "read, decode, resize": lambda path: resize_image(read_image(path), image_size, usual=file_size),
    }
    if stage in parts:
        images = tf.data.Dataset.from_tensor_slices(tf.constant(paths)).repeat()
        function = tf.autograph.experimental.do_not_convert(parts[stage])
        return images.map(function, num_parallel_calls=cores()).batch(BATCH, drop_remainder=True).prefetch(2)
    bot = (PadCrop(padding=10), Flip(probability=0.5), RandomErasing(probability=0.5))
    first = (AutoAugment(probability=0.1),) if "AutoAugment" in stage else ()
    last = (RandomPatch(probability=0.5),) if "random patch" in stage else ()
    augmentation = () if "nothing" in stage else (*first, *bot, *last)
    pixels = None
    if "records" in stage:
        write_records(dataset, folder / "records")
        dataset = Records("records").read(folder)
    if "cached" in stage:
        pixels = PixelCache.of(paths, "memory" if "memory" in stage else folder / "cache")
    sampler = IdentitySampler(identities_per_batch=16, images_per_identity=4)
    return train_batches(dataset, sampler, image_size, augmentation, epochs=10**6, pixels=pixels)[0]


def measure(stage, file_size, image_size, cores):
    """Measures one row: the median of several one-second spans, after the first two seconds."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    command_line.load_tensorflow()  # as the commands do
    with tempfile.TemporaryDirectory() as folder:
        write_images(pathlib.Path(folder), file_size)
        stream = iter(batches_of(stage, pathlib.Path(folder), file_size, image_size))
        rates = []
        for _ in range(7):
            start, images = time.perf_counter(), 0
            while time.perf_counter() - start < 1:
                next(stream)
                images += BATCH
            rates.append(images / (time.perf_counter() - start))
    import tensorflow as tf

    return {
        "stage": stage,
        "file_size": "x".join(map(str, file_size)),
        "image_size": "x".join(map(str, image_size)),
        "cores": cores,
        "images_per_second": round(statistics.median(rates[2:])),
        "machine": platform.machine(),
        "tensorflow": tf.__version__,
    }


def measure_memory(batches, batch_size):
    """Prints the resident memory after 200 batches, and after every tenth of all batches."""
    from keras_reid.data import IdentitySampler
    from keras_reid.data.augmentation import AutoAugment, Flip, PadCrop, RandomErasing, RandomPatch
    from keras_reid.data.pipeline import train_batches

    with tempfile.TemporaryDirectory() as folder:
        write_images(pathlib.Path(folder), (128, 64))
        augmentation = (
            AutoAugment(probability=0.1),
            PadCrop(padding=10),
            Flip(),
            RandomErasing(),
            RandomPatch(),
        )
        sampler = IdentitySampler(identities_per_batch=batch_size // 4, images_per_identity=4)
        dataset = dataset_of(pathlib.Path(folder))
        stream = train_batches(dataset, sampler, (256, 128), augmentation, epochs=10**6)[0]
        start = time.perf_counter()
        for number, _ in enumerate(itertools.islice(stream, batches), start=1):
            if number == 200 or number % (batches // 10) == 0:
                minutes = (time.perf_counter() - start) / 60
                print(f"{number} batches, {minutes:.1f} min: {memory_megabytes('VmRSS'):.0f} MB", flush=True)


def print_demand():
    """Prints the images per second that training needs, where that was measured."""
    if not DEMAND.is_file():
        return
    with open(DEMAND, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    print("training needs (images per second, from benchmarks/results/backbones.csv):")
    for row in rows:
        print(
            f"  {row['backbone']} at {row['height']}x{row['width']}: {row['training_images_per_second']} "
            f"({row['device']}, {row['cores']} cores)"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="", help="measure the rows whose description contains this text")
    parser.add_argument("--memory", action="store_true", help="measure the memory over many batches instead")
    parser.add_argument("--batches", type=int, default=20_000, help="number of batches for --memory")
    parser.add_argument("--batch-size", type=int, default=16, help="images in a batch for --memory")
    options = parser.parse_args()
    if options.memory:
        measure_memory(options.batches, options.batch_size)
        return
    rows = {}
    if RESULTS.is_file():
        with open(RESULTS, encoding="utf-8") as file:
            rows = {_description(row): row for row in csv.DictReader(file)}
    counts = sorted({1, len(os.sched_getaffinity(0))}, reverse=True)
    for (file_size, image_size), cores, stage in itertools.product(SIZES, counts, STAGES):
        if (
            options.only
            not in f"{'x'.join(map(str, file_size))} {'x'.join(map(str, image_size))} {cores} {stage}"
        ):
            continue
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            row = pool.apply(measure, (stage, file_size, image_size, cores))
        rows[_description(row)] = row
        print(f"{_description(row)}: {row['images_per_second']} images/s", flush=True)
        _write(rows.values())
    print_demand()
    print(f"written to {RESULTS}")


def _description(row):
    return f"{row['file_size']} {row['image_size']} {row['cores']} {row['stage']}"


def _write(rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, next(iter(rows)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(text.getvalue(), encoding="utf-8")


if __name__ == "__main__":
    main()
