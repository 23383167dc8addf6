import numpy as np
from PIL import Image

from keras_reid.data.doctor.small_pictures import small_pictures


def test_means_over_areas_and_sizes(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (96, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.new("RGB", (8, 4), (10, 20, 30)).save(tmp_path / "b.png")
    small = small_pictures([str(tmp_path / "a.png"), str(tmp_path / "b.png")])
    assert len(small) == 2
    assert small.sizes.tolist() == [[96, 64], [4, 8]]
    expected = pixels.reshape(32, 3, 32, 2, 3).mean(axis=(1, 3))
    assert np.abs(small.pictures[0] - expected).max() < 0.51
    assert np.unique(small.pictures[1].reshape(-1, 3), axis=0).tolist() == [[10, 20, 30]]


def test_of_no_file():
    assert small_pictures([]).pictures.shape == (0, 32, 32, 3)
