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
    assert np.mean(inside > 1) < 0.02
    assert np.mean(inside) > 0.2
    across = looks_of(1)[0] + np.random.default_rng(2).standard_normal(64)  # out of the ten directions
    assert np.mean(outlyingness(domain, across) > 1) > 0.95
    again = json.loads(json.dumps(domain))
    np.testing.assert_array_equal(outlyingness(again, across), outlyingness(domain, across))
    assert len(json.dumps(domain)) < 40_000


def test_the_level_is_chosen_on_identities_that_were_held_out():
    looks, identities = looks_of(0, identities=20, of_each=30, noise=0.01)
    told, mixed = fit_domain(looks, identities), fit_domain(looks, np.arange(len(looks)))
    assert told["mean"] == mixed["mean"]
    assert told["level"] > 1.2 * mixed["level"]  # images of one identity vouch for each other


def test_too_few_identities_have_no_domain():
    looks, identities = looks_of(0, identities=10)
    assert fit_domain(looks, identities) is not None
    assert fit_domain(looks[identities < 9], identities[identities < 9]) is None


def test_what_an_appearance_is():
    flat = np.full((1, 32, 16, 3), 200, np.uint8)
    np.testing.assert_allclose(appearance(flat), 0, atol=1e-3)
    striped = flat.copy()
    striped[:, :, ::2] = 0  # upright stripes
    deviation, right, down = appearance(striped).reshape(3, 32)
    np.testing.assert_allclose(deviation, 200 / 255 / 2, rtol=1e-5)
    np.testing.assert_allclose(right, 200 / 255, rtol=1e-5)
    np.testing.assert_allclose(down, 0)
    one_cell = flat.copy()
    one_cell[0, :4, 4:8] = np.random.default_rng(0).integers(0, 256, (4, 4, 3))
    assert np.flatnonzero(appearance(one_cell).reshape(3, 32)[0] > 0.01).tolist() == [1]
    colours = np.random.default_rng(0).integers(0, 256, (1, 32, 16, 3), np.uint8)
    np.testing.assert_allclose(appearance(colours), appearance(colours[..., ::-1]), rtol=1e-5)


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
