import keras
import numpy as np
import pytest
from PIL import Image

from keras_reid.data import ReIDDataset
from keras_reid.data.sample import Sample
from keras_reid.evaluation import (
    Distances,
    Features,
    choose_dsr_lambda,
    dsr_distance,
    dsr_features,
    dsr_lambda_for,
    embed_with_maps,
    evaluate,
    evaluate_dsr,
)
from keras_reid.evaluation.dsr import distance as module
from keras_reid.utils.errors import UserError
from tests.export.conftest import small_model


def with_maps(seed, n, positions=(3, 2), channels=10, weighted=False):
    rng = np.random.default_rng(seed)
    maps = rng.standard_normal((n, *positions, channels))
    weights = None
    if weighted:
        weights = rng.random((n, *positions))
        weights /= weights.sum(axis=tuple(range(1, weights.ndim)), keepdims=True)
    return Features(rng.standard_normal((n, 4)), rng.integers(0, 3, n), None, maps, weights)


def by_definition(query, gallery, ridge=0.001):
    """Ridge regression for each pair, in float64."""
    result = np.empty((len(query), len(gallery)))
    for i, q in enumerate(query.maps.astype(np.float64)):
        q = q.reshape(-1, q.shape[-1]).T
        q = q / np.linalg.norm(q, axis=0)
        w = np.ones(q.shape[1]) if query.weights is None else query.weights[i].reshape(-1)
        for j, g in enumerate(gallery.maps.astype(np.float64)):
            g = g.reshape(-1, g.shape[-1]).T
            g = g / np.linalg.norm(g, axis=0)
            left = g @ np.linalg.solve(g.T @ g + ridge * np.eye(g.shape[1]), g.T @ q) - q
            result[i, j] = (w * np.linalg.norm(left, axis=0)).sum()
    return result


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ridge", [0.001, 0.5])
# The last has more positions than channels, so that it reconstructs everything but for the ridge.
@pytest.mark.parametrize(
    ("shape", "gallery_shape"), [((3, 2), (3, 2)), ((2, 1), (4, 2)), ((5,), (1, 3)), ((2,), (15,))]
)
def test_equals_ridge_regression(weighted, ridge, shape, gallery_shape, monkeypatch):
    monkeypatch.setattr(module, "_MAP_BYTES", 1000)
    query, gallery = with_maps(0, 5, shape, weighted=weighted), with_maps(1, 7, gallery_shape)
    actual = np.asarray(dsr_distance(query, gallery, ridge=ridge))
    assert actual.dtype == np.float32
    np.testing.assert_allclose(
        actual, by_definition(query, gallery, ridge), atol=2e-4 if len(gallery_shape) == 1 else 1e-5
    )


def test_a_map_reconstructs_itself_and_its_parts():
    gallery = with_maps(2, 6, (4, 3), channels=32)
    flat = gallery.maps.reshape(6, 12, 32)
    whole = np.asarray(dsr_distance(gallery, gallery)) / 12
    assert (np.diagonal(whole) < 2e-3).all()
    assert (whole[~np.eye(6, dtype=bool)] > 0.5).all()
    # In any order, and cut off, which is what it is for.
    order = np.random.default_rng(0).permutation(12)
    shuffled = Features(gallery.embeddings, gallery.identities, None, flat[:, order])
    np.testing.assert_allclose(np.asarray(dsr_distance(shuffled, gallery)), 12 * whole, atol=2e-2)
    np.testing.assert_allclose(np.asarray(dsr_distance(gallery, shuffled)), 12 * whole, atol=2e-2)
    part = Features(gallery.embeddings, gallery.identities, None, flat[:, :4])
    assert (np.asarray(dsr_distance(part, gallery)).argmin(axis=1) == np.arange(6)).all()


def test_lengths_of_vectors_do_not_matter_and_dead_ones_are_free():
    query, gallery = with_maps(3, 4), with_maps(4, 5)
    expected = np.asarray(dsr_distance(query, gallery))
    longer = [Features(x.embeddings, x.identities, None, x.maps * 7) for x in (query, gallery)]
    np.testing.assert_allclose(np.asarray(dsr_distance(*longer)), expected, atol=1e-5)
    maps = gallery.maps.copy()
    maps[0] = 0
    dead = np.asarray(dsr_distance(query, Features(gallery.embeddings, gallery.identities, None, maps)))
    np.testing.assert_allclose(dead[:, 0], 6, atol=1e-6)
    np.testing.assert_array_equal(dead[:, 1:], expected[:, 1:])


@pytest.mark.parametrize("weighted", [False, True])
def test_candidates_are_compared_and_come_first(weighted, monkeypatch):
    query, gallery = with_maps(5, 8, weighted=weighted), with_maps(6, 20)
    cosine, dsr = np.asarray(Distances(query, gallery)), np.asarray(dsr_distance(query, gallery))
    bound = 1.0 if weighted else 6.0
    for share in (0.3, 1.0):
        actual = np.asarray(dsr_distance(query, gallery, lambda_value=share, candidates=5, block_size=3))
        nearest = np.argsort(cosine, axis=1)[:, :5]
        # The others keep their order also where DSR counts alone.
        expected = max(1 - share, 1e-3) * cosine + share * bound
        np.put_along_axis(
            expected, nearest, np.take_along_axis((1 - share) * cosine + share * dsr, nearest, axis=1), axis=1
        )
        np.testing.assert_allclose(actual, expected, atol=1e-5)
        first = np.argsort(actual, axis=1, kind="stable")[:, :5]
        np.testing.assert_array_equal(np.sort(first, axis=1), np.sort(nearest, axis=1))
        others = np.argsort(actual, axis=1)[:, 5:]
        assert (np.diff(np.take_along_axis(cosine, others, axis=1), axis=1) >= 0).all()
    np.testing.assert_array_equal(np.asarray(dsr_distance(query, gallery, candidates=20)), dsr)


def test_lambda_0_is_the_cosine_distance():
    query, gallery = with_maps(7, 6), with_maps(8, 9)
    for candidates in (None, 4):
        distances = dsr_distance(query, gallery, lambda_value=0, candidates=candidates)
        np.testing.assert_array_equal(np.asarray(distances), np.asarray(Distances(query, gallery)))


def test_order_and_blocks_do_not_matter(monkeypatch):
    query, gallery = with_maps(9, 7, weighted=True), with_maps(10, 11)
    expected = np.asarray(dsr_distance(query, gallery, 0.4, candidates=4))
    rows, columns = np.random.default_rng(0).permutation(7), np.random.default_rng(1).permutation(11)
    permuted = [
        Features(
            *(
                None if field is None else field[order]
                for field in (x.embeddings, x.identities, x.cameras, x.maps, x.weights)
            )
        )
        for x, order in ((query, rows), (gallery, columns))
    ]
    monkeypatch.setattr(module, "_MAP_BYTES", 1000)
    actual = np.asarray(dsr_distance(*permuted, 0.4, candidates=4, block_size=2))
    np.testing.assert_allclose(actual, expected[rows][:, columns], atol=1e-6)


def test_the_share_is_chosen_by_what_it_finds():
    # The embeddings know nothing, the maps everything: the more of them the better.
    rng = np.random.default_rng(0)
    identities = np.arange(12)
    maps = rng.standard_normal((12, 4, 16))
    query = Features(rng.standard_normal((12, 4)), identities, None, maps[:, :3])
    gallery = Features(rng.standard_normal((12, 4)), identities, None, maps)
    distances = dsr_distance(query, gallery, lambda_value=0)
    chosen = choose_dsr_lambda(distances, query, gallery, protocol="all")
    assert chosen > 0
    assert evaluate(query, gallery, protocol="all", distances=distances.with_lambda(chosen)).rank1 == 1
    assert evaluate(query, gallery, protocol="all", distances=distances).rank1 < 1
    assert choose_dsr_lambda(distances, query, gallery, values=[0.0], protocol="all") == 0
    with pytest.raises(UserError, match="at least one value"):
        choose_dsr_lambda(distances, query, gallery, values=[])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lambda_value": -0.1}, r"from 0 to 1\. Received: lambda_value=-0\.1"),
        ({"candidates": 0}, r"Received: candidates=0"),
        ({"candidates": 1.5}, r"Received: candidates=1\.5"),
        ({"ridge": 0.0}, r"Received: ridge=0\.0"),
        ({"block_size": 0}, r"`block_size` must be"),
    ],
)
def test_bad_options_are_named(options, message):
    one = with_maps(0, 2)
    with pytest.raises(UserError, match=message):
        dsr_distance(one, one, **options)


def test_bad_maps_are_named():
    one = with_maps(0, 2)
    without = Features(one.embeddings, one.identities, None)
    with pytest.raises(UserError, match="Received: gallery features without `maps`"):
        dsr_distance(one, without)
    with pytest.raises(UserError, match="10 and 11 channels"):
        dsr_distance(one, with_maps(0, 2, channels=11))
    flat = Features(one.embeddings, one.identities, None, maps=np.ones((2, 5)))
    with pytest.raises(UserError, match=r"shape=\(2, 5\) of the query"):
        dsr_distance(flat, one)
    few = Features(one.embeddings, one.identities, None, one.maps, weights=np.ones((2, 5)))
    with pytest.raises(UserError, match="5 for 6 positions of the query"):
        dsr_distance(few, one)


def test_array_conversion():
    one = with_maps(0, 2)
    assert np.asarray(dsr_distance(one, one), np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="without a copy"):
        np.array(dsr_distance(one, one), copy=False)


def test_maps_of_image_files_are_those_of_the_backbone(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    images = rng.integers(0, 256, (5, 32, 16, 3), np.uint8)
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    model = small_model()
    embeddings, maps, weights = embed_with_maps(model, paths, batch_size=2)
    np.testing.assert_allclose(embeddings, model.predict(images, verbose=0), atol=1e-5)
    expected = np.asarray(model.backbone(model.normalize(images)))
    assert maps.shape == (5, expected[0, ..., 0].size, expected.shape[-1])
    np.testing.assert_allclose(maps.reshape(expected.shape), expected, atol=1e-5)
    np.testing.assert_allclose(weights, np.full(maps.shape[:2], 1 / maps.shape[1]), rtol=1e-6)
    with pytest.raises(UserError, match="Pass at least one path"):
        embed_with_maps(model, [])
    with pytest.raises(UserError, match=r"Received: 0"):
        embed_with_maps(model, paths, batch_size=0)
    monkeypatch.setattr(type(model.backbone), "num_cameras", 3, raising=False)
    with pytest.raises(UserError, match="needs a model whose backbone gives one feature map"):
        embed_with_maps(model, paths)


def test_names_the_image_whose_embedding_is_not_finite(monkeypatch):
    samples = [
        Sample(f"{identity}_{camera}.jpg", identity, camera) for identity in range(3) for camera in (0, 1)
    ]
    dataset = ReIDDataset("small", (), samples[::2], samples[1::2], protocol="all")

    def embed(model, paths, batch_size):
        embeddings = np.ones((len(paths), 4), np.float32)
        embeddings[4] = np.inf
        return embeddings, np.ones((len(paths), 2, 4), np.float32), np.ones((len(paths), 2), np.float32)

    monkeypatch.setattr("keras_reid.evaluation.dsr.feature_maps.embed_with_maps", embed)
    with pytest.raises(UserError, match=r"embedding of 1_1.jpg holds NaN or infinity, as do 1 of 6"):
        dsr_features(None, dataset)


def partial_model():
    from keras_reid.heads import PartialHead
    from keras_reid.models import ReIDModel

    head = PartialHead(5, windows=((2, 2), (6, 3)))
    model = ReIDModel(small_model().backbone, keras.layers.Identity(), head, image_size=(32, 16))
    head.occlusion.kernel.assign(np.random.default_rng(0).normal(size=(8, 1)))
    return model


def drawn(folder, protocol="cross_camera"):
    """Four identities before two cameras: noise of their own, and a part of it as the query."""
    rng = np.random.default_rng(0)
    query, gallery = [], []
    for identity in range(4):
        image = rng.integers(0, 256, (32, 16, 3), np.uint8)
        for camera, (part, pixels) in enumerate(((query, image[:20]), (gallery, image))):
            path = folder / f"{identity}_{camera}.png"
            Image.fromarray(pixels).save(path)
            part.append(Sample(str(path), identity, camera))
    return ReIDDataset("drawn", (), query, gallery, protocol=protocol)


def test_maps_of_image_files_are_those_of_the_head_where_it_has_them(tmp_path):
    dataset, model = drawn(tmp_path), partial_model()
    images = np.stack([np.asarray(Image.open(sample.path)) for sample in dataset.gallery])
    embeddings, maps, weights = embed_with_maps(model, [sample.path for sample in dataset.gallery])
    outputs = model.compute_outputs(images)
    np.testing.assert_allclose(embeddings, outputs["embedding"], atol=1e-5)
    np.testing.assert_allclose(maps, outputs["maps"], atol=1e-5)
    np.testing.assert_allclose(weights, outputs["weights"], atol=1e-5)
    assert np.ptp(weights) > 1e-3
    query, gallery = dsr_features(model, dataset)
    np.testing.assert_array_equal(gallery.maps, maps)
    assert gallery.weights is None
    np.testing.assert_allclose(query.weights.sum(axis=1), 1, rtol=1e-5)


def test_on_a_data_set(tmp_path):
    dataset, model = drawn(tmp_path), partial_model()
    query, gallery = dsr_features(model, dataset)
    # Fewer gallery images than candidates.
    distances = dsr_distance(query, gallery, 0.3, candidates=100)
    expected = evaluate(query, gallery, protocol="cross_camera", distances=distances)
    assert evaluate_dsr(model, dataset, 0.3).to_dict() == expected.to_dict()
    share = dsr_lambda_for(model, dataset)
    assert share == choose_dsr_lambda(distances, query, gallery)
    best, *others = (
        evaluate(
            query,
            gallery,
            protocol="cross_camera",
            distances=dsr_distance(query, gallery, one, candidates=100),
        )
        for one in (share, 0, 0.3, 1)
    )
    assert best.mAP + best.rank1 >= max(result.mAP + result.rank1 for result in others)


def test_a_gallery_of_the_queries_themselves_is_refused(tmp_path):
    dataset = drawn(tmp_path)
    images = [*dataset.query, *dataset.gallery]
    same = ReIDDataset("same", (), images, images, protocol="leave_one_out")
    with pytest.raises(UserError, match="data set 'same' each image would be its own nearest"):
        evaluate_dsr(None, same, 0.5)
