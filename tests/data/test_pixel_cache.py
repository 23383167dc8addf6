import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from keras_reid.data import pixel_cache
from keras_reid.data.decoding import read_image
from keras_reid.data.pixel_cache import PixelCache
from keras_reid.utils.errors import UserError
from tests.data.images import write_image

SIZES = ((7, 5), (31, 64), (1, 1), (40, 9))


@pytest.fixture
def paths(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    return [str(write_image(folder / f"{seed}.jpg", seed, size)) for seed, size in enumerate(SIZES)]


def _where(kind, tmp_path):
    return "memory" if kind == "memory" else tmp_path / "cache"


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_holds_the_decoded_images(kind, paths, tmp_path, monkeypatch):
    monkeypatch.setattr(pixel_cache, "_FIRST", 1 << 12)  # grows, and does not begin at a page's border
    cache = PixelCache.of(paths, _where(kind, tmp_path))
    places = tf.data.Dataset.range(len(paths)).repeat(2)
    for place, image in enumerate(places.map(cache.__getitem__, num_parallel_calls=2)):
        np.testing.assert_array_equal(image, read_image(paths[place % len(paths)]))
        np.testing.assert_array_equal(cache[place % len(paths)], image)


def test_later_runs_use_the_files_of_former_ones_until_an_image_changes(paths, tmp_path):
    first = PixelCache.of(paths, tmp_path / "cache")
    files = sorted((tmp_path / "cache").iterdir())
    assert [file.suffix for file in files] == [".npz", ".pixels"]
    times = [file.stat().st_mtime_ns for file in files]
    again = PixelCache.of(paths, tmp_path / "cache")
    np.testing.assert_array_equal(again.pixels, first.pixels)
    assert [file.stat().st_mtime_ns for file in files] == times
    write_image(Path(paths[1]), 9, (31, 64))
    changed = PixelCache.of(paths, tmp_path / "cache")
    np.testing.assert_array_equal(changed[1], read_image(paths[1]))
    assert len(list((tmp_path / "cache").iterdir())) == 4


def test_what_was_cut_off_is_made_again(paths, tmp_path):
    PixelCache.of(paths, tmp_path / "cache")
    (file,) = (tmp_path / "cache").glob("*.pixels")
    os.truncate(file, 100)
    np.testing.assert_array_equal(PixelCache.of(paths, tmp_path / "cache")[3], read_image(paths[3]))


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_a_damaged_image_is_named_and_nothing_is_left(kind, paths, tmp_path):
    with open(paths[2], "wb") as file:
        file.write(b"no image")
    with pytest.raises(UserError, match=r"2\.jpg cannot be decoded.*not a JPEG"):
        PixelCache.of(paths, _where(kind, tmp_path))
    assert not list((tmp_path / "cache").glob("*"))


def test_too_little_space_is_said_before_it_runs_out(paths, tmp_path, monkeypatch):
    monkeypatch.setattr(pixel_cache, "_ESTIMATE_AFTER", 2)
    monkeypatch.setattr(pixel_cache, "_available_memory", lambda: 10)
    monkeypatch.setattr(pixel_cache, "free_bytes", lambda folder: 20)
    with pytest.raises(UserError, match=r"data\.cache='memory' needs about .* MB"):
        PixelCache.of(paths, "memory")
    with pytest.raises(UserError, match="give a folder on a larger disk"):
        PixelCache.of(paths, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*"))


def test_a_full_disk_is_said_in_words(paths, tmp_path, monkeypatch):
    def full(*arguments, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pixel_cache.np, "savez", full)
    with pytest.raises(UserError, match="needs more than there is"):
        PixelCache.of(paths, tmp_path / "cache")


@pytest.mark.parametrize(
    "sizes",
    [
        b"no archive",
        b"",
        {"heights": np.array([7, 31, 1], np.int32), "widths": np.array([5, 64, 1], np.int32)},
        {"heights": np.array([7, 31, 1, 40]), "widths": np.array([5, 64, 1, 9])},  # int64
        {"heights": np.array([-7, 31, 1, 40], np.int32), "widths": np.array([-5, 64, 1, 9], np.int32)},
        {"heights": np.array([7, 31, 1, 40], np.int32)},
        {"heights": np.array([None] * 4), "widths": np.array([None] * 4)},
    ],
)
def test_sizes_of_somebody_else_are_made_again(sizes, paths, tmp_path):
    PixelCache.of(paths, tmp_path / "cache")
    (index,) = (tmp_path / "cache").glob("*.npz")
    if isinstance(sizes, bytes):
        index.write_bytes(sizes)
    else:
        np.savez(index, **sizes)
    np.testing.assert_array_equal(PixelCache.of(paths, tmp_path / "cache")[3], read_image(paths[3]))
