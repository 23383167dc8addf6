"""Embeddings of any type of numbers give what the same values give as float32."""

import ml_dtypes
import numpy as np
import pytest

from keras_reid.evaluation import (
    Distances,
    Features,
    alpha_query_expansion,
    calibrate,
    dsr_distance,
    evaluate,
    evaluate_camera_pairs,
    evaluate_open_set,
    evaluate_single_shot,
    jaccard_neighbors,
    k_reciprocal_rerank,
    l2_normalize,
    nearest,
    query_expansion,
    remove_camera_bias,
    without_identities,
)
from keras_reid.evaluation.rerank.points import Points
from keras_reid.utils.errors import UserError

TYPES = [np.float16, ml_dtypes.bfloat16, np.float64, np.int8, np.uint8, np.int64, ">f2", ">f4"]


def embeddings_of(expanded):
    return [part.embeddings for part in (expanded if isinstance(expanded, tuple) else (expanded,))]


def rows_of(sparse):
    return sparse.starts, sparse.columns, sparse.values


def open_set(query, gallery):
    result = evaluate_open_set(query, without_identities(gallery, seed=1))
    return result.nearest_target, result.nearest_other, result.first_match


# Everything public that takes embeddings, and what it gives as arrays.
ENTRIES = {
    "cosine": lambda q, g: [np.asarray(Distances(q, g))],
    "euclidean": lambda q, g: [np.asarray(Distances(q, g, "euclidean"))],
    "nearest": lambda q, g: nearest(q, g, 9),
    "nearest euclidean": lambda q, g: nearest(q, g, 9, "euclidean"),
    "evaluate": lambda q, g: [evaluate(q, g).average_precision],
    "roc": lambda q, g: [evaluate(q, g, roc=True).roc.tpr],
    "single shot": lambda q, g: [evaluate_single_shot(q, g, repetitions=2).cmc],
    "camera pairs": lambda q, g: [np.nan_to_num(evaluate_camera_pairs(q, g).mAP, nan=-1)],
    "open set": open_set,
    "calibrate": lambda q, g: [calibrate(q, g, false_positive_rate=0.01).log_likelihood_ratio],
    "k-reciprocal": lambda q, g: [np.asarray(k_reciprocal_rerank(q, g, 8, 3))],
    "k-reciprocal euclidean": lambda q, g: [np.asarray(k_reciprocal_rerank(q, g, 8, 3, metric="euclidean"))],
    "k-reciprocal, lambda 1": lambda q, g: [np.asarray(k_reciprocal_rerank(q, g, 8, 3, lambda_value=1))],
    "jaccard": lambda q, g: rows_of(jaccard_neighbors(g.embeddings, 0.7, 8, 3)),
    "query expansion": lambda q, g: embeddings_of(query_expansion(q, g, 4)),
    "alpha query expansion": lambda q, g: embeddings_of(alpha_query_expansion(q, g, 4, times=2)),
    "camera bias": lambda q, g: embeddings_of(remove_camera_bias(q, g)),
    "dsr": lambda q, g: [np.asarray(dsr_distance(q, g, 0.5))],
    "dsr, candidates": lambda q, g: [np.asarray(dsr_distance(q, g, 0.5, candidates=5))],
    "l2_normalize": lambda q, g: [l2_normalize(g.embeddings)],
}


def images(n, seed, dtype):
    """Whole numbers, which every one of the types holds, beside a large offset: squares overflow in half precision."""
    rng = np.random.default_rng(seed)
    identities = np.arange(n) % 12
    values = np.random.default_rng(0).integers(20, 100, (12, 8))[identities] + rng.integers(-9, 10, (n, 8))
    maps = rng.integers(1, 100, (n, 3, 2, 5))
    arrays = values.astype(dtype), maps.astype(dtype)
    return Features(arrays[0], identities, rng.integers(0, 3, n), maps=arrays[1])


@pytest.mark.parametrize("compute", ENTRIES.values(), ids=ENTRIES)
def test_every_type_gives_what_float32_gives(compute, monkeypatch):
    monkeypatch.setattr("keras_reid.evaluation.calibration.fitting._SPLITS", 1)  # of ten, for time
    expected = compute(images(24, 1, np.float32), images(96, 2, np.float32))
    assert all(np.isfinite(array).all() for array in expected[:1])
    for dtype in TYPES:
        found = compute(images(24, 1, dtype), images(96, 2, dtype))
        for array, right in zip(found, expected, strict=True):
            assert np.asarray(array).dtype == np.asarray(right).dtype, dtype
            np.testing.assert_array_equal(array, right, err_msg=str(dtype))


def test_half_precision_stays_as_it_is_until_it_is_computed_with():
    half = images(5, 0, np.float16)
    assert (half.embeddings.dtype, half.maps.dtype) == (np.float16, np.float16)
    assert half[1:3].embeddings.base is not None  # no copy
    assert Points.of(half, half, "cosine").vectors.dtype == np.float32
    assert Points.of(half, half, "euclidean").vectors.dtype == np.float32
    other = images(5, 0, ml_dtypes.bfloat16)
    assert (other.embeddings.dtype, other.maps.dtype) == (np.float32, np.float32)


def test_memory_mapped_files_of_half_precision_are_cast_a_turn_at_a_time(tmp_path):
    maps = np.random.default_rng(0).standard_normal((40, 6, 5)).astype(np.float16)
    np.save(tmp_path / "maps.npy", maps)
    mapped = np.load(tmp_path / "maps.npy", mmap_mode="r")
    features = Features(np.eye(40, dtype=np.float16), np.arange(40), None, maps=mapped)
    assert np.shares_memory(features.maps, mapped)
    plain = Features(np.eye(40), np.arange(40), None, maps=maps.astype(np.float32))
    np.testing.assert_array_equal(dsr_distance(features, features), dsr_distance(plain, plain))


@pytest.mark.parametrize("name", ["embeddings", "maps", "weights"])
@pytest.mark.parametrize("dtype", [np.complex64, "datetime64[D]", "timedelta64[s]"])
def test_what_is_no_real_number_is_refused(name, dtype):
    arguments = {"embeddings": np.ones((2, 3)), "identities": [0, 1], "cameras": None}
    with pytest.raises(UserError, match=rf"`{name}` must hold real numbers\. Received: dtype="):
        Features(**arguments | {name: np.ones((2, 3), int).astype(dtype)})
