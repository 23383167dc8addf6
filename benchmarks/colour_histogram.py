"""A baseline that uses colour alone: striped histograms, without training.

    python benchmarks/colour_histogram.py --kind person --preset small --root data
    python benchmarks/colour_histogram.py --folder images --pattern '(?P<identity>[a-z]+_\\d+)_cam(?P<camera>\\d+)' \\
        --test-identities 107

A trained model must beat it clearly, and it must not solve a synthetic set. Prints the metrics and adds them to
benchmarks/results/colour_histogram.csv.
"""

import argparse
import pathlib

import numpy as np
from measuring import add_row
from PIL import Image, ImageOps

from keras_reid import data
from keras_reid.evaluation import Features, evaluate
from keras_reid.utils import command_line
from keras_reid.utils.progress import progress

RESULTS = pathlib.Path(__file__).with_name("results") / "colour_histogram.csv"
COLUMNS = ("dataset", "queries", "gallery", "mAP", "rank1")


def striped_histogram(paths, stripes=8, bins=8, size=(128, 64)):
    """Colour histograms of horizontal stripes, compared by the Hellinger distance.

    The counts of `bins` × `bins` × `bins` RGB cells in all stripes are divided by their sum, and the square roots are
    taken. The result has length 1, and the cosine similarity is the mean Bhattacharyya coefficient of the stripes.

    Args:
        paths: image files.
        stripes: number of stripes of equal height.
        bins: number of cells per channel.
        size: (height, width) to which images are resized; the height must be a multiple of `stripes`.

    Returns:
        `(images, stripes * bins ** 3)` float32.
    """
    cells = bins**3
    histograms = np.zeros((len(paths), stripes * cells), "float32")
    stripe = np.arange(size[0])[:, None] * stripes // size[0]
    with progress("counting colours", len(paths)) as advance:
        for histogram, path in zip(histograms, paths, strict=True):
            with Image.open(path) as image:
                image = ImageOps.exif_transpose(image).convert("RGB")
            pixels = np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR), int)
            red, green, blue = np.moveaxis(pixels * bins // 256, -1, 0)
            cell = (stripe * bins + red) * bins**2 + green * bins + blue
            histogram += np.bincount(cell.ravel(), minlength=stripes * cells)
            advance()
    return np.sqrt(histograms / histograms.sum(1, keepdims=True))


def evaluate_colours(dataset):
    """The `RetrievalResult` of striped histograms on the test part of a `ReIDDataset`."""
    query, gallery = dataset.test_labels()
    return evaluate(
        Features(striped_histogram([sample.path for sample in dataset.query]), *query),
        Features(striped_histogram([sample.path for sample in dataset.gallery]), *gallery),
        protocol=dataset.protocol,
    )


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", default="data", help="folder of synthetic data sets")
    parser.add_argument("--kind", default="person", help="person or vehicle")
    parser.add_argument("--preset", default="small", help="tiny, small or large")
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the synthetic set, or of the folder's split"
    )
    parser.add_argument("--folder", help="folder of your own images, instead of a synthetic set")
    parser.add_argument(
        "--pattern", help="regular expression for its file names, with the groups identity and camera"
    )
    parser.add_argument(
        "--test-identities", type=int, default=0, help="number of test identities in the folder; 0: half"
    )
    options = parser.parse_args(arguments)
    if options.folder:
        held_out = options.test_identities or 0.5
        reader = data.Folder(pattern=options.pattern, test_identities=held_out, seed=options.seed)
        dataset = reader.read(options.folder)
    else:
        dataset = data.Synthetic(options.preset, options.kind, options.seed).read(options.root)
    result = evaluate_colours(dataset)
    print(
        f"{dataset.name}: mAP {result.mAP:.1%}, Rank-1 {result.rank1:.1%}, {result.num_valid_queries} queries"
    )
    row = {
        "dataset": dataset.name,
        "queries": result.num_valid_queries,
        "gallery": len(dataset.gallery),
        "mAP": round(result.mAP, 4),
        "rank1": round(result.rank1, 4),
    }
    add_row(RESULTS, COLUMNS, ("dataset",), row)


if __name__ == "__main__":
    command_line.run(main)
