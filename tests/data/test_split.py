import itertools

import numpy as np
import pytest

from keras_reid.data import Sample
from keras_reid.data.split import split_dataset
from keras_reid.utils.errors import UserError


def _samples(counts):
    """{identity: {camera: images}} → samples."""
    return [
        Sample(f"{identity}/{camera}_{number}.jpg", identity, camera)
        for identity, cameras in counts.items()
        for camera, images in cameras.items()
        for number in range(images)
    ]


def _split(counts, test_identities=1.0, seed=0, protocol=None):
    return split_dataset("x", _samples(counts), test_identities, seed, protocol)


def _names(samples):
    return [sample.path for sample in samples]


def test_two_cameras_with_one_image_each():
    dataset = _split({"a": {1: 1, 2: 1}, "b": {1: 1, 2: 1}})
    assert dataset.protocol == "cross_camera"
    assert _names(dataset.query) == ["a/1_0.jpg", "b/1_0.jpg"]
    assert _names(dataset.gallery) == ["a/2_0.jpg", "b/2_0.jpg"]


def test_one_query_a_camera_where_the_gallery_keeps_a_match():
    dataset = _split({"a": {"c1": 2, "c2": 2}})
    assert _names(dataset.query) == ["a/c1_0.jpg", "a/c2_0.jpg"]
    dataset = _split({"a": {"c1": 1, "c2": 1, "c3": 1}})
    assert _names(dataset.query) == ["a/c1_0.jpg", "a/c2_0.jpg"]
    dataset = _split({"a": {"c1": 5, "c2": 1}})
    assert _names(dataset.query) == ["a/c1_0.jpg"]


@pytest.mark.parametrize("protocol", ["cross_camera", "all"])
def test_every_query_has_a_match_and_nothing_is_shared(protocol):
    generator = np.random.default_rng(0)
    counts = {
        f"p{number}": {camera: int(generator.integers(0, 4)) for camera in range(4)} for number in range(60)
    }
    dataset = _split(counts, 0.7, seed=5, protocol=protocol)
    parts = [set(_names(part)) for part in (dataset.train, dataset.query, dataset.gallery)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(_samples(counts))
    assert not {s.identity for s in dataset.train} & {s.identity for s in dataset.query + dataset.gallery}
    for query in dataset.query:
        matches = [s for s in dataset.gallery if s.identity == query.identity]
        assert any(protocol == "all" or s.camera != query.camera for s in matches)
    if protocol == "all":
        assert len(dataset.query) == len({s.identity for s in dataset.query})


def test_the_protocol_is_all_without_cameras_or_with_one():
    assert _split({"a": {None: 3}, "b": {None: 1}}).protocol == "all"
    with pytest.warns(
        UserWarning, match=r"1 of 2 test identities of data set 'x' .* first is 'a' by camera 1 \(a/1_0"
    ):
        assert _split({"a": {1: 3}, "b": {1: 1, 2: 1}}).protocol == "all"
    assert _split({"a": {1: 1}, "b": {1: 1, 2: 1}}).protocol == "cross_camera"


def test_single_images_are_distractors():
    dataset = _split({"a": {None: 3}, "b": {None: 1}})
    assert _names(dataset.query) == ["a/None_0.jpg"]
    assert "b/None_0.jpg" in _names(dataset.gallery)


def test_number_share_and_seed():
    counts = {f"p{number:02d}": {1: 1, 2: 1} for number in range(20)}
    by_number, by_share = _split(counts, 5), _split(counts, 0.25)
    assert len(by_number.query) == 5
    assert by_number.query == by_share.query
    assert by_number.query == _split(counts, 5, seed=0).query
    assert by_number.query != _split(counts, 5, seed=1).query
    assert "5 of 20 identities for testing (seed 0)" in by_number.split
    assert not _split(counts, 0).query
    assert not _split(counts, 1.0).train


def test_the_order_of_the_samples_does_not_matter():
    samples = _samples({f"p{number}": {1: 2, 2: 1} for number in range(6)})
    one, other = (split_dataset("x", order, 3, 0, None) for order in (samples, samples[::-1]))
    assert one.query == other.query
    assert one.gallery == other.gallery


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"test_identities": 9}, "asks for 9 identities, but data set 'x' has only 2"),
        ({"test_identities": -1}, "must be a share 0.0 … 1.0 or a number"),
        ({"test_identities": 1.5}, "as a share must be at most 1.0"),
        ({"test_identities": 0.1}, "is less than one of the 2 identities"),
        (
            {"protocol": "none"},
            "`protocol` must be one of 'cross_camera', 'all', 'leave_one_out', or None. Received: 'none'",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(UserError, match=message):
        _split({"a": {1: 1, 2: 1}, "b": {1: 1, 2: 1}}, **arguments)


def test_leave_one_out_takes_every_test_image_as_query_and_gallery():
    split = _split({"a": {1: 2}, "b": {None: 1}}, test_identities=1.0, protocol="leave_one_out")
    assert split.query == split.gallery
    assert [sample.identity for sample in split.query] == ["a", "a", "b"]
    assert "every image of theirs is a query" in split.split


def test_nothing_to_search_for():
    with pytest.raises(UserError, match="none of the 2 test identities of data set 'x' has two images"):
        _split({"a": {None: 1}, "b": {None: 1}})
    with pytest.raises(UserError, match="images from two cameras"):
        _split({"a": {1: 2}, "b": {1: 2}}, protocol="cross_camera")


def test_more_images_never_lose_a_query():
    for images in itertools.product(range(3), repeat=3):
        cameras = {camera: count for camera, count in enumerate(images) if count}
        if len(cameras) > 1:
            assert 1 <= len(_split({"a": cameras}).query) <= len(cameras)
