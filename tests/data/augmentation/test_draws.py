"""A million draws of each random operation against its definition."""

import math

import numpy as np
import pytest
import tensorflow as tf

from keras_reid.data.augmentation import (
    Affine,
    AugMix,
    AutoAugment,
    ColorJitter,
    Cutout,
    Flip,
    GaussianBlur,
    Grayscale,
    PadCrop,
    RandAugment,
    RandomAreaCrop,
    RandomErasing,
    RandomPatch,
    RandomResizedCrop,
)
from keras_reid.data.augmentation.operation_switch import NAMES

DRAWS = 1_000_000
HEIGHT, WIDTH = 256, 128


def _draw(augmentation, draws=DRAWS, height=HEIGHT, width=WIDTH):
    drawn = augmentation.draw((draws, height, width, 3), (1, 2))
    return {name: value.numpy() for name, value in drawn.items()}


def assert_share(events, probability):
    """Within 5 standard deviations of a binomial count."""
    deviation = math.sqrt(probability * (1 - probability) / np.size(events))
    assert abs(np.mean(events) - probability) <= 5 * deviation + 1e-12


def assert_uniform(values, low, high):
    """The distribution function is that of U(low, high); 1.95 / √n is what one sample in a thousand exceeds."""
    values = np.sort(np.ravel(values).astype(np.float64))
    assert values[0] >= low - 1e-6 * max(1, abs(low))
    assert values[-1] <= high + 1e-6 * max(1, abs(high))
    expected = (values - low) / (high - low)
    assert np.abs(expected - (np.arange(len(values)) + 0.5) / len(values)).max() < 1.95 / math.sqrt(
        len(values)
    )


def assert_equally_likely(values, count):
    found = np.bincount(np.ravel(values), minlength=count)
    assert len(found) == count
    expected = np.size(values) / count
    assert np.abs(found - expected).max() < 5 * math.sqrt(expected)


def _tried_first(area, aspect, tries, log, largest=False):
    """(height, width) of NumPy's own rejection sampling of rectangles."""
    generator = np.random.default_rng(5)
    area = generator.uniform(*area, (DRAWS // 4, tries)) * HEIGHT * WIDTH
    if log:
        aspect = np.exp(generator.uniform(*np.log(aspect), area.shape))
    else:
        aspect = generator.uniform(*aspect, area.shape)
    height, width = np.round(np.sqrt(area * aspect)), np.round(np.sqrt(area / aspect))
    more = 1 if largest else 0
    fits = (height < HEIGHT + more) & (width < WIDTH + more)
    first, row = fits.argmax(1), np.arange(len(area))
    return height[row, first], width[row, first], fits.any(1)


def assert_same_distribution(ours, theirs):
    """Kolmogorov and Smirnov's distance of two samples; one pair in a thousand exceeds it."""
    values = np.union1d(ours, theirs)
    distance = np.abs(
        np.searchsorted(np.sort(ours), values, "right") / len(ours)
        - np.searchsorted(np.sort(theirs), values, "right") / len(theirs)
    ).max()
    assert distance < 1.95 * math.sqrt(1 / len(ours) + 1 / len(theirs))


@pytest.mark.parametrize(
    "augmentation", [Flip(0.3), Grayscale(0.3), Cutout(0.3), GaussianBlur(probability=0.3)]
)
def test_probability(augmentation):
    assert_share(_draw(augmentation)["chosen"], 0.3)


def test_pad_crop():
    drawn = _draw(PadCrop(10))
    assert_equally_likely(drawn["top"], 21)
    assert_equally_likely(drawn["left"], 21)
    assert_equally_likely(drawn["top"] * 21 + drawn["left"], 441)  # independent


def test_cutout():
    drawn = _draw(Cutout(size=64))
    assert (drawn["height"] == 64).all()
    assert_equally_likely((drawn["top"] + 32).astype(int), HEIGHT)
    assert_equally_likely((drawn["left"] + 32).astype(int), WIDTH)


def test_gaussian_blur():
    assert_uniform(_draw(GaussianBlur(sigma=(0.1, 2.0)))["sigma"], 0.1, 2.0)


def test_color_jitter():
    drawn = _draw(ColorJitter(0.2, 1.5, 0.1, 0.05, probability=0.4))
    assert_share(drawn["chosen"], 0.4)
    assert_uniform(drawn["brightness"], 0.8, 1.2)
    assert_uniform(drawn["contrast"], 0.0, 2.5)
    assert_uniform(drawn["saturation"], 0.9, 1.1)
    assert_uniform(drawn["hue"], -0.05, 0.05)


def test_affine():
    drawn = _draw(Affine(degrees=10, translation=0.1, scale=(0.9, 1.1), shear=5.0, probability=0.7))
    assert_share(drawn["chosen"], 0.7)
    assert_uniform(drawn["degrees"], -10, 10)
    assert_uniform(drawn["scale"], 0.9, 1.1)
    assert_uniform(drawn["shear"], -5, 5)
    for name, size in (("right", WIDTH), ("down", HEIGHT)):
        assert (drawn[name] == np.round(drawn[name])).all()
        assert np.abs(drawn[name]).max() == round(0.1 * size)
        inner = np.abs(drawn[name]) < round(0.1 * size)  # the outermost shifts are less likely
        assert_equally_likely(
            (drawn[name][inner] + round(0.1 * size) - 1).astype(int), 2 * round(0.1 * size) - 1
        )


@pytest.mark.parametrize(
    ("augmentation", "log", "tries"), [(RandomErasing(0.4), True, 10), (RandomPatch(0.4), False, 20)]
)
def test_rectangles(augmentation, log, tries):
    drawn = _draw(augmentation)
    height, width, fits = _tried_first(augmentation.area, augmentation.aspect, tries, log)
    assert_same_distribution(drawn["height"], height)
    assert_same_distribution(drawn["width"], width)
    assert_same_distribution(drawn["height"] * drawn["width"], height * width)
    assert_share(drawn["chosen"], 0.4 * fits.mean())
    for start, side, size in (("top", "height", HEIGHT), ("left", "width", WIDTH)):
        ok = drawn[side] < size
        assert (drawn[start] >= 0).all()
        assert (drawn[start] + drawn[side])[ok].max() == size
        some = drawn[side] == np.median(drawn[side])
        assert_equally_likely(drawn[start][some].astype(int), int(size - np.median(drawn[side]) + 1))


def test_ranges_of_rectangles_that_always_fit():
    """Without rejection the drawn area and aspect are the uniform ones, within the rounding of the sides."""
    drawn = _draw(RandomErasing(1.0, (0.05, 0.2), (0.5, 2.0)), height=4000, width=4000)
    assert drawn["chosen"].all()
    assert_uniform_nearly(drawn["height"] * drawn["width"] / 4000**2, 0.05, 0.2)
    assert_uniform_nearly(np.log(drawn["height"] / drawn["width"]), math.log(0.5), math.log(2.0))
    drawn = _draw(RandomPatch(1.0, (0.05, 0.2), (0.5, 2.0)), height=4000, width=4000)
    assert_uniform_nearly(drawn["height"] * drawn["width"] / 4000**2, 0.05, 0.2)
    assert_uniform_nearly(drawn["height"] / drawn["width"], 0.5, 2.0)
    drawn = _draw(RandomResizedCrop((0.05, 0.2), (0.5, 2.0)), height=4000, width=4000)
    assert_uniform_nearly(drawn["height"] * drawn["width"] / 4000**2, 0.05, 0.2)
    assert_uniform_nearly(np.log(drawn["width"] / drawn["height"]), math.log(0.5), math.log(2.0))


def assert_uniform_nearly(values, low, high):
    values = np.sort(values.astype(np.float64))
    expected = np.linspace(low, high, len(values))
    assert np.abs(values - expected).max() < 0.004 * (high - low)


def test_random_patch_donors():
    drawn = _draw(RandomPatch(), draws=1000)
    assert (drawn["donor"] != np.arange(1000)).all()
    donors = [RandomPatch().draw((5, HEIGHT, WIDTH, 3), (seed, 0))["donor"].numpy() for seed in range(400)]
    further = (np.array(donors) - np.arange(5)) % 5
    assert_equally_likely(further - 1, 4)
    many = _draw(RandomPatch())
    assert_share(many["mirrored"], 0.5)
    assert_uniform(((many["donor"] - np.arange(DRAWS)) % DRAWS) / DRAWS, 0, 1)
    assert ((many["from_left"] + many["width"])[many["chosen"]] <= WIDTH).all()
    assert ((many["from_top"] + many["height"])[many["chosen"]] <= HEIGHT).all()


def test_random_resized_crop():
    augmentation = RandomResizedCrop(probability=0.6)
    drawn = _draw(augmentation)
    assert_share(drawn["chosen"], 0.6)
    # NumPy's height is ours' width over a ratio, so the sides change places.
    height, width, fits = _tried_first(
        augmentation.scale, (1 / augmentation.ratio[1], 1 / augmentation.ratio[0]), 10, True, largest=True
    )
    # Nothing fits: as wide as the image, whose own ratio 0.5 is below 3 / 4.
    height, width = np.where(fits, height, round(WIDTH / 0.75)), np.where(fits, width, WIDTH)
    assert_same_distribution(drawn["height"], height)
    assert_same_distribution(drawn["width"], width)
    assert (drawn["top"] + drawn["height"]).max() == HEIGHT
    assert (drawn["left"] + drawn["width"]).max() == WIDTH
    never = _draw(RandomResizedCrop((1.0, 1.0), (1.0, 1.0)), draws=10)
    assert (never["height"] == WIDTH).all()
    assert (never["width"] == WIDTH).all()
    assert (never["top"] == (HEIGHT - WIDTH) / 2).all()


def test_random_area_crop():
    settings = {"scale": (0.05, 0.2), "ratio": (0.5, 2.0)}
    plain = _draw(RandomAreaCrop(**settings, probability=0.6), height=4000, width=2000)
    expected = _draw(RandomResizedCrop(**settings, probability=0.6), height=4000, width=2000)
    assert all((plain[name] == expected[name]).all() for name in expected)
    squashed = _draw(RandomAreaCrop(**settings, squashed=True), height=4000, width=2000)
    assert squashed["chosen"].all()
    assert_uniform_nearly(squashed["height"] * squashed["width"] / 8e6, 0.05, 0.2)
    # A share of the width over a share of the height.
    ratio = (squashed["width"] / 2000) / (squashed["height"] / 4000)
    assert_uniform_nearly(np.log(ratio), math.log(0.5), math.log(2.0))
    own = _draw(RandomAreaCrop((0.25, 0.25), (1.0, 1.0), squashed=True), draws=10)
    assert (own["height"] == HEIGHT / 2).all()
    assert (own["width"] == WIDTH / 2).all()


def test_auto_augment():
    drawn = _draw(AutoAugment(0.1))
    assert_share(drawn["chosen"], 0.1)
    assert_equally_likely(drawn["policy"], 25)
    first = drawn["policy"] == 0  # posterize to 7 bits with 0.4, rotate by 27° with 0.6
    number, argument = drawn["number"][first], drawn["argument"][first]
    posterized, rotated = number[:, 0] == NAMES.index("posterize"), number[:, 1] == NAMES.index("rotate")
    assert_share(posterized, 0.4)
    assert_share(rotated, 0.6)
    assert_share(posterized & rotated, 0.24)
    assert (argument[:, 0] == 7).all()
    assert set(np.abs(argument[:, 1])) == {27.0}
    assert_share(argument[:, 1] > 0, 0.5)
    assert_share(drawn["bicubic"], 0.5)
    sheared = drawn["policy"] == 18
    assert set(drawn["argument"][sheared, 0]) == {0.15, -0.15}
    assert set(drawn["number"][sheared, 1]) == {NAMES.index("equalize")}
    never = drawn["policy"] == 12
    assert set(drawn["number"][never, 0]) == {NAMES.index("identity")}


def test_rand_augment():
    drawn = _draw(RandAugment(2, 5.0, probability=0.5), draws=DRAWS // 2)
    assert_share(drawn["chosen"], 0.5)
    places = np.unique(drawn["number"], return_inverse=True)[1].reshape(drawn["number"].shape)
    assert_equally_likely(places, 14)
    assert_equally_likely(places[:, 0] * 14 + places[:, 1], 14 * 14)
    assert_share(drawn["bicubic"], 0.5)
    expected = {
        "rotate": {15.0, -15.0},
        "solarize": {128.0},
        "posterize": {6.0},
        "color": {1.45, 0.55},
        "brightness": {1.45, 0.55},
        "shear_y": {0.15, -0.15},
        "translate_x": {28.8, -28.8},
        "translate_y": {57.6, -57.6},
    }
    for name, arguments in expected.items():
        found = drawn["argument"][drawn["number"] == NAMES.index(name)]
        np.testing.assert_allclose(np.unique(np.round(found, 9)), sorted(arguments))
        if len(arguments) == 2:
            assert_share(found > np.mean(list(arguments)), 0.5)


def test_aug_mix():
    drawn = _draw(AugMix(0.3, width=3, depth=1, severity=10.0, alpha=0.1))
    assert_share(drawn["chosen"], 0.3)
    assert np.isfinite(drawn["mix"]).all()
    # Beta(α, α): mean 1/2, variance 1 / (4 (2α + 1)). Dirichlet(α, α, α): mean 1/3, variance 2 / (9 (3α + 1)).
    np.testing.assert_allclose(drawn["mix"].mean(), 0.5, atol=0.003)
    np.testing.assert_allclose(drawn["mix"].var(), 1 / 4.8, atol=0.001)
    np.testing.assert_allclose(drawn["weights"].sum(1), 1.0, atol=1e-5)
    np.testing.assert_allclose(drawn["weights"].mean(0), 1 / 3, atol=0.003)
    np.testing.assert_allclose(drawn["weights"].var(0), 2 / (9 * 1.3), atol=0.001)
    assert_equally_likely(np.unique(drawn["number"], return_inverse=True)[1], 9)

    def of(name):
        return drawn["argument"][drawn["number"] == NAMES.index(name)]

    assert_uniform(np.abs(of("shear_x")), 0.003, 0.3)
    assert_share(of("shear_x") > 0, 0.5)
    assert set(of("posterize")) == {1.0, 2.0, 3.0, 4.0}
    assert set(np.abs(of("rotate"))) == set(range(30))
    assert of("solarize").min() == 1
    assert of("solarize").max() == 256 - 2  # level 0.1
    assert np.abs(of("translate_x")).max() == WIDTH // 3
    assert np.abs(of("translate_y")).max() == HEIGHT // 3
    weak = _draw(AugMix(severity=1.0), draws=1000)
    assert set(weak["argument"][weak["number"] == NAMES.index("posterize")]) == {4.0}
    assert AugMix(width=2, depth=4).draw((3, 8, 8, 3), (0, 0))["number"].shape == (3, 2, 4)


def test_draws_depend_on_the_seed_alone():
    for augmentation in (Affine(), AugMix(), AutoAugment(), RandomPatch(), RandomResizedCrop()):
        first, again, other = (
            augmentation.draw((50, 64, 32, 3), tf.constant(seed)) for seed in ((3, 4), (3, 4), (3, 5))
        )
        assert all((first[name] == again[name]).numpy().all() for name in first)
        assert any((first[name] != other[name]).numpy().any() for name in first)
