import math

import numpy as np
import pytest

from keras_reid.evaluation import Features, evaluate, nearest
from keras_reid.utils.errors import UserError
from keras_reid.visualization import ranked_lists


def test_shows_what_the_protocol_ranks(retrieval):
    for metric in ("cosine", "euclidean"):
        for protocol in ("cross_camera", "all"):
            indices, distances = nearest(retrieval.query, retrieval.gallery, 7, metric, protocol)
            lists = ranked_lists(*retrieval.arguments, [3, 0], top=7, metric=metric, protocol=protocol)
            for query, one in zip([3, 0], lists, strict=True):
                assert one.path == retrieval.query_paths[query]
                assert one.camera == retrieval.query.cameras[query]
                assert [image.path for image in one.images] == [
                    retrieval.gallery_paths[index] for index in indices[query]
                ]
                assert [image.distance for image in one.images] == pytest.approx(distances[query].tolist())
                identities = retrieval.gallery.identities[indices[query]]
                assert [image.right for image in one.images] == (
                    identities == retrieval.query.identities[query]
                ).tolist()
                assert [image.rank for image in one.images] == list(range(1, 8))


def test_precision_and_missed_matches_are_those_of_the_evaluation(retrieval):
    result = evaluate(retrieval.query, retrieval.gallery)
    complete = ranked_lists(*retrieval.arguments, range(10), top=40)
    assert [one.average_precision for one in complete] == pytest.approx(result.average_precision.tolist())
    missed = 0
    for whole, one in zip(complete, ranked_lists(*retrieval.arguments, range(10), top=3), strict=True):
        assert whole.missed == ()
        assert one.images == whole.images[:3]
        assert one.missed == tuple(image for image in whole.images[3:] if image.right)
        missed += len(one.missed)
    assert missed > 20


def test_cameras_have_names(retrieval):
    (one,) = ranked_lists(*retrieval.arguments, [7], camera_names={0: "door", 1: "yard", 2: "roof"})
    assert one.camera == "yard"
    assert {image.camera for image in one.images} <= {"door", "yard", "roof"}


def test_short_lists_unknown_cameras_and_queries_without_a_match():
    query = Features(np.eye(3), [1, 2, 9], [0, 0, 0])
    gallery = Features(np.eye(3), [1, 1, 2], [0, 1, 1])
    paths = ["a", "b", "c"]
    lists = ranked_lists(paths, paths, query, gallery, [0, 1, 2])
    assert [(one.path, len(one.images)) for one in lists] == [("a", 2), ("b", 3), ("c", 3)]
    assert math.isnan(lists[2].average_precision)
    nowhere = [Features(f.embeddings, f.identities, None) for f in (query, gallery)]
    (one,) = ranked_lists(paths, paths, *nowhere, [0], protocol="all")
    assert one.camera is None
    assert one.images[0].camera is None


def test_paths_must_fit(retrieval):
    with pytest.raises(
        UserError, match=r"`gallery_paths` must name one file for each row.*39 paths and 40 rows"
    ):
        ranked_lists(
            retrieval.query_paths, retrieval.gallery_paths[1:], retrieval.query, retrieval.gallery, [0]
        )
