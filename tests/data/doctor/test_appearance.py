import numpy as np
import pytest

from keras_reid.data.doctor.appearance import appearance_findings
from keras_reid.data.doctor.small_pictures import SmallPictures


def pictures(count=40, size=(128, 64)):
    random = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    return SmallPictures(
        [f"{place}.jpg" for place in range(count)], random, np.full((count, 2), size, np.int32)
    )


def found(small):
    return {one.lists[0]: (one.severity, one.paths()) for one in appearance_findings(small)}


def test_nothing_is_said_of_good_images():
    assert found(pictures()) == {}
    assert appearance_findings(pictures(0)) == []


@pytest.mark.parametrize(("size", "usual"), [((120, 12), (128, 64)), ((500, 120), (1000, 500))])
def test_tiny(size, usual):
    small = pictures(size=usual)
    small.sizes[3] = size
    assert found(small)["tiny"] == ("warning", ["3.jpg"])
    (finding, *_) = appearance_findings(small)
    assert f"such as 3.jpg ({size[1]} x {size[0]} pixels)" in finding.sentence


def test_odd_proportions_are_judged_by_the_median_and_the_spread():
    small = pictures()
    small.sizes[5], small.sizes[6] = (64, 128), (128, 100)
    assert found(small) == {"odd_shapes": ("note", ["5.jpg"])}
    small = pictures()
    small.sizes[:, 1] = np.geomspace(30, 260, 40)  # of vehicles, all of them are usual
    assert found(small) == {}


def test_grey_images_are_exceptions_among_coloured_ones():
    small = pictures()
    small.pictures[7] = small.pictures[7, :, :, :1]
    assert found(small) == {"greyscale": ("note", ["7.jpg"])}
    small.pictures[:] = small.pictures[..., :1]
    assert found(small) == {}


def test_empty_images():
    small = pictures()
    small.pictures[2] = 90
    small.pictures[2, 0, 0] = 91
    assert found(small) == {"constant": ("warning", ["2.jpg"])}
