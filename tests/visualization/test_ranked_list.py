import numpy as np
import pytest

from keras_reid.errors import UserError
from keras_reid.evaluation import Features, evaluate, nearest
from keras_reid.visualization import ranked_lists


def test_from_the_best_to_the_worst(retrieval):
    lists = ranked_lists(*retrieval.arguments, num=4)
    precisions = [one.average_precision for one in lists]
    assert len(lists) == 4
    assert precisions == sorted(precisions, reverse=True)
    assert precisions[0] == retrieval.result.average_precision.max()
    assert precisions[-1] == retrieval.result.average_precision.min()
    assert len(ranked_lists(*retrieval.arguments, num=100)) == 10


def test_shows_what_the_protocol_ranks(retrieval):
    for metric in ("cosine", "euclidean"):
        for protocol in ("cross_camera", "all"):
            indices, distances = nearest(retrieval.query, retrieval.gallery, 7, metric, protocol)
            lists = ranked_lists(
                *retrieval.arguments, queries=[3, 0], top=7, metric=metric, protocol=protocol
            )
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


def test_short_lists_unknown_cameras_and_skipped_queries():
    query = Features(np.eye(3), [1, 2, 9], [0, 0, 0])
    gallery = Features(np.eye(3), [1, 1, 2], [0, 1, 1])
    paths = ["a", "b", "c"]
    result = evaluate(query, gallery)
    lists = ranked_lists(paths, paths, query, gallery, result)
    assert [(one.path, len(one.images)) for one in lists] == [("a", 2), ("b", 3)]
    with pytest.raises(UserError, match="query 2 has no match"):
        ranked_lists(paths, paths, query, gallery, result, queries=[2])
    nowhere = [Features(f.embeddings, f.identities, None) for f in (query, gallery)]
    (one,) = ranked_lists(paths, paths, *nowhere, result, protocol="all", queries=[0])
    assert one.camera is None
    assert one.images[0].camera is None


def test_paths_must_fit(retrieval):
    with pytest.raises(
        UserError, match=r"`gallery_paths` must name one file for each row.*39 paths and 40 rows"
    ):
        ranked_lists(
            retrieval.query_paths,
            retrieval.gallery_paths[1:],
            retrieval.query,
            retrieval.gallery,
            retrieval.result,
        )
