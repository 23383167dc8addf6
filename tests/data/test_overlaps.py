import warnings

import pytest

from keras_reid.data import ReIDDataset, Sample, combine_all
from keras_reid.data.overlaps import check_contents
from keras_reid.utils.errors import UserError


@pytest.fixture
def images(tmp_path):
    """`images(("a", 0, b"x"), …)`: samples of an identity, a camera and a content; b"" for one of its own."""
    numbers = iter(range(1000))

    def make(*labels):
        samples = []
        for identity, camera, content in labels:
            number = next(numbers)
            path = tmp_path / f"{number}_{identity}.jpg"
            path.write_bytes(content or b"own %03d" % number)
            samples.append(Sample(path, identity, camera))
        return samples

    return make


def test_a_query_in_the_gallery_under_another_camera_is_refused():
    query = [Sample("1.jpg", "a", 0), Sample("2.jpg", "a", 1)]
    gallery = [Sample("1.jpg", "a", 0), Sample("2.jpg", "a", 2)]
    with pytest.raises(UserError, match=r"^1 queries of data set 'x' are in the gallery under another camera, the "
                       r"first is 2\.jpg: cameras 1 and 2\. Each would find itself"):  # fmt: skip
        ReIDDataset("x", query=query, gallery=gallery)
    # Under its own camera it does not count: CUHK03's classic protocol.
    assert ReIDDataset("x", query=query, gallery=query).query


@pytest.mark.parametrize(
    "parts",
    [
        {"train": [Sample("1.jpg", "a"), Sample("2.jpg", "b"), Sample("1.jpg", "c")]},
        {"train": [Sample("1.jpg", "a")], "validation": [Sample("1.jpg", "c")]},
        {"query": [Sample("1.jpg", "a", 0)], "gallery": [Sample("1.jpg", "c", 0), Sample("2.jpg", "a", 1)]},
    ],
)
def test_a_file_of_two_identities_is_refused(parts):
    with pytest.raises(
        UserError, match=r"1 images of data set 'x' have two identities, .* 1\.jpg: 'a' and 'c'"
    ):
        ReIDDataset("x", **parts)


def test_one_identity_may_be_written_in_two_ways_and_one_file_listed_twice():
    assert len(ReIDDataset("x", [Sample("1.jpg", 7), Sample("1.jpg", "7"), Sample("1.jpg", 7)]).train) == 3


def test_training_on_all_parts_refuses_a_file_of_two_identities():
    # Apart, a training and a test identity have nothing to do with one another.
    test = [Sample("1.jpg", 7, 0), Sample("2.jpg", 7, 1)]
    dataset = ReIDDataset("x", [Sample("1.jpg", 3)], test[:1], test[1:])
    with pytest.raises(UserError, match="two identities"):
        combine_all(dataset)


def test_copies_under_another_camera_are_refused_where_they_are_no_accident(images):
    query = images(("a", 0, b"1"), ("b", 0, b"2"), ("c", 0, b""))
    gallery = images(("a", 1, b"1"), ("b", 1, b"2"), ("c", 1, b""))
    with pytest.raises(
        UserError,
        match=r"^2 of 3 queries of data set 'x' have a copy of themselves in the gallery that counts as a match, "
        r"such as \S+/0_a\.jpg and \S+/3_a\.jpg: they would find themselves\. Leave the copies out$",
    ):
        check_contents([ReIDDataset("x", query=query, gallery=gallery)])


@pytest.mark.parametrize("protocol", ["cross_camera", "all"])
def test_a_few_copies_occur_in_benchmarks_and_are_told(images, protocol):
    query = images(("a", 0, b"1"), ("b", 0, b""))
    gallery = images(("a", 1, b"1"), ("b", 1, b""))
    with pytest.warns(
        UserWarning, match=r"1 of 2 queries of data set 'x' .*: results are too good by that much"
    ):
        check_contents([ReIDDataset("x", query=query, gallery=gallery, protocol=protocol)])


def test_copies_that_do_not_count_are_no_matter(images):
    query = images(("a", 0, b"1"), ("b", 0, b"2"))
    gallery = images(("a", 0, b"1"), ("a", 1, b""), ("b", 0, b"2"))
    dataset = ReIDDataset("x", query=query, gallery=gallery)
    check_contents([dataset])
    with pytest.raises(UserError, match="2 of 2 queries"):  # under this protocol they count
        check_contents([ReIDDataset("x", query=query, gallery=gallery, protocol="all")])


def test_copies_among_images_that_are_query_and_gallery(images):
    samples = images(("a", None, b"1"), ("a", None, b"1"), ("b", None, b""), ("b", None, b""))
    dataset = ReIDDataset("x", query=samples, gallery=samples, protocol="leave_one_out")
    with pytest.warns(UserWarning, match=r"2 of 4 queries .* such as \S+/0_a\.jpg and \S+/1_a\.jpg"):
        check_contents([dataset])
    classic = images(("a", 0, b""), ("a", 1, b""))
    check_contents([ReIDDataset("x", query=classic, gallery=classic)])


def test_copies_of_another_identity_are_told(images):
    query = images(("a", 0, b"1"), ("b", 0, b""))
    gallery = images(("a", 1, b""), ("b", 1, b"1"))
    with pytest.warns(UserWarning, match=r"1 test images of data set 'x' are copies of one of another identity, such "
                      r"as \S+/0_a\.jpg and \S+/3_b\.jpg, identities 'a' and 'b'"):  # fmt: skip
        check_contents([ReIDDataset("x", query=query, gallery=gallery)])
    trained = ReIDDataset("t", images(("a", 0, b"2"), ("b", 0, b"2")))
    tested = ReIDDataset("x", query=images(("a", 0, b"")), gallery=images(("a", 1, b"")))
    with pytest.warns(
        UserWarning, match=r"1 training images of data set 't' are copies of one of another identity"
    ):
        check_contents([tested], trained)
    check_contents([tested], trained, identities=False)


def test_test_images_that_are_trained_on_are_told(images):
    query, gallery = images(("a", 0, b"1"), ("b", 0, b"")), images(("a", 1, b""), ("b", 1, b""))
    tested = ReIDDataset("x", images(("q", 3, b"")), query, gallery)
    check_contents([tested])
    with pytest.warns(
        UserWarning,
        match=r"1 of 4 test images of data set 'x' are also trained on, such as \S+/0_a\.jpg and \S+/5_z\.jpg: results",
    ):
        check_contents([tested], ReIDDataset("t", images(("z", 0, b"1"))))
    # By path; and where a test set has a training part of its own, that one.
    with pytest.warns(
        UserWarning, match=r"2 of 4 test images .* such as \S+/0_a\.jpg: results on them say nothing"
    ):
        check_contents([ReIDDataset("x", query, query, gallery)])


def test_several_test_sets_are_looked_at_one_by_one(images):
    sets = [
        ReIDDataset(
            name,
            query=images(("a", 0, content), ("b", 0, b"")),
            gallery=images(("a", 1, b"1"), ("b", 1, b"")),
        )
        for name, content in (("x", b"1"), ("y", b""), ("z", b"1"))
    ]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_contents(sets)
    assert [str(warning.message).partition("'")[2][:1] for warning in caught] == ["x", "z"]
