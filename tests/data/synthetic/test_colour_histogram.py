"""The baseline without training, and that it does not solve the synthetic set."""

import importlib.util
import pathlib

import numpy as np
import pytest
from PIL import Image

from keras_reid.data import Folder, Synthetic

SCRIPT = pathlib.Path(__file__).parents[3] / "benchmarks" / "colour_histogram.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("colour_histogram", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)
        spec.loader.exec_module(module)
    return module


def test_striped_histogram_by_hand(benchmark, tmp_path):
    picture = np.zeros((128, 64, 3), "uint8")
    picture[:64] = (255, 0, 0)
    picture[64:] = (0, 64, 32)
    Image.fromarray(picture).save(tmp_path / "two.png")
    histogram = benchmark.striped_histogram([tmp_path / "two.png"], stripes=2, bins=8)[0]
    expected = np.zeros(2 * 512)
    expected[7 * 64] = expected[512 + 2 * 8 + 1] = np.sqrt(0.5)
    np.testing.assert_allclose(histogram, expected, atol=1e-6)


def test_rows_are_replaced_not_repeated(benchmark, tmp_path):
    file = tmp_path / "results.csv"
    for name, value in (("a", 1), ("b", 2), ("a", 3)):
        benchmark.add_row(file, ("dataset", "mAP"), ("dataset",), {"dataset": name, "mAP": value})
    assert file.read_text() == "dataset,mAP\nb,2\na,3\n"


def test_works_on_a_folder_of_images(benchmark, tmp_path):
    rng = np.random.default_rng(0)
    for identity in range(6):
        colour = rng.integers(0, 255, 3)
        for camera in (1, 2):
            image = Image.fromarray(np.broadcast_to(colour, (20, 30, 3)).astype("uint8"))
            image.save(tmp_path / f"car_{identity:04d}_cam{camera}.png")
    reader = Folder(pattern=r"(?P<identity>[a-z]+_\d+)_cam(?P<camera>\d+)", test_identities=4)
    result = benchmark.evaluate_colours(reader.read(tmp_path))
    assert result.mAP == 1.0
    assert result.num_valid_queries > 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["person", "vehicle"])
def test_colours_alone_do_not_solve_the_synthetic_set(benchmark, tmp_path, kind):
    result = benchmark.evaluate_colours(Synthetic("small", kind).read(tmp_path))
    assert 0.01 < result.mAP < 0.15
    assert result.num_valid_queries == 600
