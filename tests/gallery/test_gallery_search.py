import os

import numpy as np
import pytest

from keras_reid.evaluation.calibration import fit_domain
from keras_reid.gallery import Gallery, scan, search_gallery
from keras_reid.gallery.search_output import print_search_result
from keras_reid.utils.errors import UserError
from tests.evaluation.calibration.test_calibration import line

QUERIES = ("q0.jpg", "album/g3.jpg", "link.jpg")


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Twenty gallery images and three queries: one outside, one in the gallery, a link to one in it."""
    monkeypatch.chdir(tmp_path)
    os.mkdir("album")
    for number in range(20):
        (tmp_path / "album" / f"g{number}.jpg").write_bytes(b"%d" % number)
    (tmp_path / "q0.jpg").write_bytes(b"q")
    (tmp_path / "link.jpg").symlink_to("album/g7.jpg")
    found = scan("album")
    rng = np.random.default_rng(0)
    paths = [f"album/{image.path}" for image in found.images]
    gallery = Gallery(paths, list(found.files.values()), rng.standard_normal((20, 6)).astype(np.float32))
    queries = rng.standard_normal((3, 6)).astype(np.float32)
    queries[1] = gallery.embeddings[paths.index("album/g3.jpg")]
    queries[2] = gallery.embeddings[paths.index("album/g7.jpg")]
    return gallery, queries


def distances_of(metric, queries, embeddings):
    if metric == "euclidean":
        return np.linalg.norm(queries[:, None] - embeddings, axis=2)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (queries, embeddings)]
    return 1 - unit[0] @ unit[1].T


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("top", [1, 5, 50])
def test_the_order_is_that_of_all_distances_without_the_own_file(world, metric, top):
    gallery, queries = world
    lists = search_gallery(QUERIES, queries, gallery, top, line(metric=metric))
    expected = distances_of(metric, queries, gallery.embeddings)
    own = (None, "album/g3.jpg", "album/g7.jpg")
    for one, query, row, itself in zip(lists, QUERIES, expected, own, strict=True):
        order = [place for place in np.argsort(row) if gallery.paths[place] != itself][:top]
        assert (one.query, one.metric) == (query, metric)
        assert [image.path for image in one.images] == [gallery.paths[place] for place in order]
        assert [image.rank for image in one.images] == list(range(1, len(order) + 1))
        np.testing.assert_allclose([image.distance for image in one.images], row[order], atol=1e-6)


def test_verdicts_are_those_of_the_calibration(world):
    gallery, queries = world
    calibration = line(same_above=0.6)
    for prior in (None, 0.01):
        (one,) = search_gallery(QUERIES[:1], queries[:1], gallery, 20, calibration, prior)
        assert one.prior == (prior or 0.5)
        assert one.images[0].probability > one.images[-1].probability
        for image in one.images:
            told = calibration.verdict(image.distance, prior)
            assert (image.verdict, image.probability) == (told.verdict, told.probability)
    (one,) = search_gallery(QUERIES[:1], queries[:1], gallery, 20)
    assert (one.prior, one.metric, one.images[0].verdict, one.images[0].probability) == (
        None,
        "cosine",
        None,
        None,
    )


def test_images_unlike_those_of_the_calibration_are_unsure(world, monkeypatch, capsys):
    gallery, queries = world
    rng = np.random.default_rng(0)
    domain = fit_domain(rng.standard_normal((200, 64)), np.arange(200) // 2)
    calibration, strange = line(domain=domain), {"album/g5.jpg"}

    def looks(paths, image_size):
        assert image_size == (8, 8)
        return np.array([np.full(64, 100.0 if path in strange else 0.0) for path in paths])

    monkeypatch.setattr("keras_reid.gallery.gallery_search.appearances", looks)
    (one,) = search_gallery(QUERIES[:1], queries[:1], gallery, 20, calibration, image_size=(8, 8))
    assert {hit.path for hit in one.images if hit.reason} == strange
    (hit,) = (hit for hit in one.images if hit.path in strange)
    assert (hit.verdict, hit.probability) == ("unsure", 0.5)
    print_search_result(one)
    told = f"unsure of rank {hit.rank}: the gallery image looks unlike the images of the calibration"
    assert told in capsys.readouterr().out
    strange.add("q0.jpg")
    (one,) = search_gallery(QUERIES[:1], queries[:1], gallery, 3, calibration, image_size=(8, 8))
    assert {hit.verdict for hit in one.images} == {"unsure"}
    print_search_result(one)
    assert "unsure of all: the query looks unlike" in capsys.readouterr().out
    unchecked = search_gallery(QUERIES[:1], queries[:1], gallery, 20, calibration)
    assert unchecked == search_gallery(QUERIES[:1], queries[:1], gallery, 20, line())


def test_a_block_of_the_gallery_at_a_time(world, monkeypatch):
    gallery, queries = world
    expected = search_gallery(QUERIES, queries, gallery)
    monkeypatch.setattr("keras_reid.evaluation.exact.estimates.Estimates._width", lambda *_: 3)
    assert search_gallery(QUERIES, queries, gallery) == expected


def test_only_the_query_lies_in_the_gallery(world):
    gallery, queries = world
    place = gallery.paths.index("album/g3.jpg")
    alone = Gallery(gallery.paths[place : place + 1], gallery.files[place : place + 1], queries[1:2])
    assert search_gallery(QUERIES[1:2], queries[1:2], alone)[0].images == ()


def test_another_models_embeddings_are_refused(world):
    gallery, queries = world
    with pytest.raises(UserError, match="must come from the same model"):
        search_gallery(QUERIES, queries[:, :5], gallery)


def test_a_scan_looks_everywhere_but_in_hidden_folders(tmp_path):
    for name in ("b.jpg", "sub/ä [1] x.PNG", ".hidden/c.jpg", ".d.jpg", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    found = scan(tmp_path)
    assert [image.path for image in found.images] == ["b.jpg", "sub/ä [1] x.PNG"]
    assert found.images[0].size == 5
    assert found.missing == {"gone.jpg": "no such file or directory"}
    for name, message in (
        ("no", "no, which does not exist"),
        ("b.jpg", "which is a file"),
        (".hidden/..", None),
    ):
        if message:
            with pytest.raises(UserError, match=message):
                scan(tmp_path / name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: the folder holds no image"):
        scan(tmp_path / "empty")
