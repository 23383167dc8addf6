import numpy as np
import pytest

from keras_reid.gallery.reference_check import IMPOSTORS, SOMEBODY_ELSE, spoiling_references


def gallery(seed, count=400, each=4, dim=128, spread=0.7):
    """Identities of four pictures, and 20 planted: 8 of somebody else, 8 that resemble all, 4 alone in an identity."""
    random = np.random.default_rng(seed)
    identities = np.arange(count) // each
    centres = random.standard_normal((count // each, dim))
    common = random.standard_normal(dim)
    rows = centres[identities] + spread * random.standard_normal((count, dim)) + 0.5 * common
    planted = random.permutation(count // each)[:20] * each
    for row in planted[:8]:
        other = (identities[row] + 7) % (count // each)
        rows[row] = centres[other] + spread * random.standard_normal(dim) + 0.5 * common
    for row in planted[8:16]:
        rows[row] = 3 * common + 0.3 * rows[row]
    for number, row in enumerate(planted[16:]):
        other = identities[row] + 1
        rows[row] = centres[other % (count // each)] + spread * random.standard_normal(dim) + 0.5 * common
        identities[row] = count + number
    return rows.astype(np.float32), identities, set(planted.tolist())


@pytest.mark.parametrize("seed", range(5))
def test_of_20_planted_among_400_at_least_16_are_named_and_at_most_4_others(seed):
    rows, identities, planted = gallery(seed)
    named = {one.row for one in spoiling_references(rows, identities)}
    assert len(named & planted) >= 16
    assert len(named - planted) <= 4


def test_the_first_looks_like_the_identity_that_it_is_of():
    rows, identities, _ = gallery(0)
    found = spoiling_references(rows, identities)
    assert len({one.row for one in found}) == len(found)
    assert {one.why for one in found} == {SOMEBODY_ELSE}
    wrong = [one for one in found if one.other == (identities[one.row] + 7) % 100]
    assert len(wrong) >= 7
    assert all(one.own < one.similarity for one in wrong)


def test_a_picture_that_is_near_to_all_is_named_with_their_number():
    rows, identities, planted = gallery(0)
    good = np.setdiff1d(np.arange(len(rows)), list(planted))
    rows, identities = rows[good], identities[good]
    rows[5] = rows.mean(axis=0) + 0.05 * rows[5]
    (one,) = spoiling_references(rows, identities)
    assert (one.row, one.why) == (5, IMPOSTORS)
    assert one.impostors > 30
    assert one.other != identities[5]


def test_good_galleries_are_left_alone():
    rows, identities, planted = gallery(1)
    good = np.setdiff1d(np.arange(len(rows)), list(planted))
    assert len(spoiling_references(rows[good], identities[good])) <= 2
    assert spoiling_references(rows[:4], [5, 5, 5, 5]) == []
    assert spoiling_references(np.zeros((0, 8), np.float32), []) == []
