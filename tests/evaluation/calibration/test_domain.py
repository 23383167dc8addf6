import json

import numpy as np
import pytest

from keras_reid.evaluation import appearance
from keras_reid.evaluation.calibration.domain import appearances, fit_domain, outlyingness
from keras_reid.utils.errors import UserError


def looks_of(seed, identities=100, of_each=10, noise=1.0):
    """Looks that differ from identity to identity, and along ten directions only, but for a little noise."""
    rng = np.random.default_rng(seed)
    directions = np.random.default_rng(99).standard_normal((10, 64))
    own = rng.standard_normal((identities, 10)).repeat(of_each, axis=0)
    own = own + noise * rng.standard_normal(own.shape)
    return own @ directions + 0.1 * rng.standard_normal((len(own), 64)), np.arange(len(own)) // of_each


def test_other_identities_are_inside_and_others_outside():
    domain = fit_domain(*looks_of(0))
    inside = outlyingness(domain, looks_of(1)[0])
    assert 0 < np.mean(inside > 1) < 0.02
    assert np.mean(inside) > 0.2
    across = looks_of(1)[0] + 5 * np.random.default_rng(2).standard_normal(64)  # out of the ten directions
    assert np.mean(outlyingness(domain, across) > 1) > 0.95
    again = json.loads(json.dumps(domain))
    np.testing.assert_array_equal(outlyingness(again, across), outlyingness(domain, across))
    assert len(json.dumps(domain)) < 40_000


def test_an_image_of_the_calibration_is_near_itself_and_a_strange_one_is_as_far_as_it_is():
    looks, identities = looks_of(0, identities=30)  # all 300 are kept
    domain = fit_domain(looks, identities)
    assert outlyingness(domain, looks).max() * domain["level"] < 1e-3  # but for rounding
    (far,) = outlyingness(domain, looks[:1] + 100 * looks.std(axis=0))
    nearest = np.mean(((looks[0] - looks) / looks.std(axis=0) + 100) ** 2, axis=1).min()
    assert far * domain["level"] == pytest.approx(nearest, rel=1e-3)


def test_what_is_kept_covers_small_groups():
    looks, identities = looks_of(0, identities=400)
    looks[identities == 7] += 15  # ten of 4000 images
    domain = fit_domain(looks, identities)
    assert outlyingness(domain, looks[identities == 7]).min() * domain["level"] < 1e-3


def test_the_level_is_chosen_on_identities_that_were_held_out():
    looks, identities = looks_of(0, identities=20, of_each=30, noise=0.01)
    told, mixed = fit_domain(looks, identities), fit_domain(looks, np.arange(len(looks)))
    assert told["kept"] == mixed["kept"]
    assert told["level"] > 1.2 * mixed["level"]  # images of one identity vouch for each other


def test_two_odd_identities_do_not_set_the_level():
    looks, identities = looks_of(0)
    odd = np.where(identities[:, None] < 2, 4 * looks, looks)  # 2 % of the images
    assert fit_domain(odd, identities)["level"] < 1.3 * fit_domain(looks, identities)["level"]


def test_what_never_varies_may_vary_a_little():
    looks, identities = looks_of(0)
    looks[:, 0] = -6.0  # such as black bars
    strange = looks[:50].copy()
    strange[:, 0] += 0.05
    domain = fit_domain(looks, identities)
    assert outlyingness(domain, strange).max() < 1
    strange[:, 0] += 10
    assert outlyingness(domain, strange).min() > 1


def test_equal_images_leave_a_level():
    domain = fit_domain(np.ones((20, 192)), np.arange(20))
    assert np.isfinite(outlyingness(domain, np.ones((1, 192)))).all()
    assert outlyingness(domain, np.full((1, 192), 2.0)) > 1


def test_too_few_identities_have_no_domain():
    looks, identities = looks_of(0, identities=10)
    assert fit_domain(looks, identities) is not None
    assert fit_domain(looks[identities < 9], identities[identities < 9]) is None


def test_what_an_appearance_is():
    flat = np.full((1, 32, 16, 3), 200, np.uint8)
    np.testing.assert_allclose(appearance(flat), np.log(0.002), rtol=1e-5)
    ramp = np.zeros((1, 32, 16, 3), np.uint8)
    ramp[:] = 10 * np.arange(16)[:, None]  # brighter to the right, so that edges are upright
    strength = np.exp(appearance(ramp).reshape(8, 4, 6)) - 0.002
    np.testing.assert_allclose(strength[:, 1:3, 0], 20 / 255, rtol=1e-4)
    np.testing.assert_allclose(strength[..., 1:], 0, atol=1e-6)
    down = np.broadcast_to(4 * np.arange(32)[None, :, None, None], ramp.shape).astype(np.uint8)
    strength = np.exp(appearance(down).reshape(8, 4, 6)) - 0.002
    np.testing.assert_allclose(strength[1:7, :, 3], 8 / 255, rtol=1e-4)
    one_cell = flat.copy()
    one_cell[0, 1:3, 5:7] = np.random.default_rng(0).integers(0, 256, (2, 2, 3))
    changed = np.any(appearance(one_cell).reshape(32, 6) > np.log(0.002) + 0.1, axis=1)
    assert np.flatnonzero(changed).tolist() == [1]
    colours = np.random.default_rng(0).integers(0, 256, (1, 32, 16, 3), np.uint8)
    np.testing.assert_allclose(appearance(colours), appearance(colours[..., ::-1]), rtol=1e-4)


def test_an_edge_between_two_directions_counts_for_both():
    slope = np.add.outer(4 * np.arange(32), 4 * np.arange(16)).astype(np.uint8)  # 45°, between 30° and 60°
    strength = np.exp(appearance(np.repeat(slope[None, ..., None], 3, axis=-1)).reshape(8, 4, 6)) - 0.002
    inner = strength[1:7, 1:3]
    np.testing.assert_allclose(inner[..., 1:3], np.sqrt(2) * 8 / 255 / 2, rtol=1e-4)
    np.testing.assert_allclose(inner[..., [0, 3, 4, 5]], 0, atol=1e-6)


@pytest.mark.parametrize("shape", [(32, 16, 3), (1, 32, 16), (1, 32, 16, 4), (1, 8, 16, 3), (1, 32, 4, 3)])
def test_what_is_no_image(shape):
    with pytest.raises(UserError, match=r"`images` must have the shape.*Received: shape="):
        appearance(np.zeros(shape, np.uint8))


def test_files_are_resized_as_for_the_model(tmp_path):
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 16, 3), np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    paths = [str(tmp_path / f"{number}.png") for number in range(3)]
    np.testing.assert_allclose(appearances(paths, (32, 16), 2), appearance(pixels), rtol=1e-6)
    assert not np.allclose(appearances(paths, (16, 16)), appearance(pixels))
