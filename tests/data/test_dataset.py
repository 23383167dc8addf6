import io

import numpy as np
import pytest
import rich.console

from keras_reid.data import ReIDDataset, Sample
from keras_reid.utils.errors import UserError


def _samples(*labels):
    return [Sample(f"{i}_{label}.jpg", *label) for i, label in enumerate(labels)]


def test_classes_are_the_sorted_strings():
    dataset = ReIDDataset("x", train=_samples((10, 3), (2, 0), ("1", None), (10, 0)))
    identities, cameras, names = dataset.train_labels()
    assert names == ["1", "10", "2"]
    np.testing.assert_array_equal(identities, [1, 2, 0, 1])
    np.testing.assert_array_equal(cameras, [1, 0, -1, 0])
    assert identities.dtype == cameras.dtype == np.int32


def test_test_labels_agree_between_query_and_gallery():
    dataset = ReIDDataset(
        "x", query=_samples(("b", 1), ("c", 5)), gallery=_samples(("c", 1), ("a", 0), ("b", 5))
    )
    (query, query_cameras), (gallery, gallery_cameras) = dataset.test_labels()
    np.testing.assert_array_equal(query, [1, 2])
    np.testing.assert_array_equal(gallery, [2, 0, 1])
    np.testing.assert_array_equal(query_cameras, [1, 2])
    np.testing.assert_array_equal(gallery_cameras, [1, 0, 2])


def test_the_protocol_follows_the_cameras():
    with_cameras = _samples(("a", 0), ("a", 1))
    without = _samples(("a", 0), ("a", None))
    assert ReIDDataset("x", query=with_cameras[:1], gallery=with_cameras[1:]).protocol == "cross_camera"
    assert ReIDDataset("x", query=without[:1], gallery=without[1:]).protocol == "all"
    assert ReIDDataset("x", query=without[:1], gallery=without[1:]).test_labels()[1][1] == [-1]
    with pytest.raises(UserError, match=r"needs the camera of every query.*1 of data set 'x' have none"):
        ReIDDataset("x", query=without[:1], gallery=without[1:], protocol="cross_camera")
    with pytest.raises(UserError, match=r"`protocol` must be one of 'cross_camera', .* Received: 'both'"):
        ReIDDataset("x", train=with_cameras, protocol="both")


def test_empty_parts():
    some = _samples(("a", 0))
    with pytest.raises(UserError, match="data set 'x' is empty"):
        ReIDDataset("x")
    with pytest.raises(UserError, match="has 1 query images but no gallery images"):
        ReIDDataset("x", train=some, query=some)
    with pytest.raises(UserError, match="has 1 gallery images but no query images"):
        ReIDDataset("x", train=some, gallery=some)
    with pytest.raises(UserError, match="it can only be trained on"):
        ReIDDataset("x", train=some).test_labels()
    pair = _samples(("a", 0), ("a", 1))
    with pytest.raises(UserError, match="has no training images"):
        ReIDDataset("x", query=pair[:1], gallery=pair[1:]).train_labels()


def test_a_query_must_have_a_match():
    with pytest.raises(
        UserError, match=r"no query of data set 'x' has its identity in the gallery.*'a'.*'b'"
    ):
        ReIDDataset("x", query=_samples(("a", 0)), gallery=_samples(("b", 1)))
    same_camera = _samples(("a", 0), ("a", 0))
    with pytest.raises(UserError, match="under another camera"):
        ReIDDataset("x", query=same_camera[:1], gallery=same_camera[1:])
    ReIDDataset("x", query=same_camera[:1], gallery=same_camera[1:], protocol="all")
    distractors = _samples(("a", 0), ("b", 1), ("a", 1))
    ReIDDataset("x", query=distractors[:2], gallery=distractors[2:])


def test_leave_one_out():
    samples = _samples(("a", None), ("a", None), ("b", 1))
    dataset = ReIDDataset("x", query=samples, gallery=samples, protocol="leave_one_out")
    assert dataset.query == dataset.gallery
    for gallery, received in (
        (samples[:2], "Received: 3 and 2 images"),
        (samples[::-1], "in the same order"),
    ):
        with pytest.raises(UserError, match=f"gallery of data set 'x' must hold the same images.*{received}"):
            ReIDDataset("x", query=samples, gallery=gallery, protocol="leave_one_out")
    twice = [*samples, samples[0]]
    with pytest.raises(UserError, match=r"1 test images of data set 'x' are there twice, the first is 0_"):
        ReIDDataset("x", query=twice, gallery=twice, protocol="leave_one_out")
    with pytest.raises(UserError, match="no identity of the test part of data set 'x' has two images"):
        ReIDDataset("x", query=samples[1:], gallery=samples[1:], protocol="leave_one_out")
    with pytest.raises(UserError, match=r"3 files of data set 'x' are in query and gallery"):
        ReIDDataset("x", query=samples, gallery=samples, protocol="all")


def test_query_and_gallery_may_share_files_and_train_identities():
    samples = _samples(("a", 0), ("a", 1))
    dataset = ReIDDataset("x", train=samples, query=samples, gallery=samples)
    assert dataset.query == dataset.gallery == dataset.train == tuple(samples)


def test_statistics():
    train, query = _samples(("a", None), ("b", None)), _samples(("c", 0))
    dataset = ReIDDataset(
        "mine", train, query, gallery=_samples(("c", 1), ("d", 7)), split="by hand", read_as="[a]_1"
    )
    assert dataset.statistics() == [
        {"subset": "train", "identities": 2, "images": 2, "cameras": 0},
        {"subset": "query", "identities": 1, "images": 1, "cameras": 1},
        {"subset": "gallery", "identities": 2, "images": 2, "cameras": 2},
    ]
    text = io.StringIO()
    dataset.print_statistics(rich.console.Console(file=text, width=200))
    shown = text.getvalue()
    for part in (
        "mine",
        "subset",
        "gallery",
        "protocol: cross-camera (",
        "split: by hand",
        "read as: [a]_1",
    ):
        assert part in shown
