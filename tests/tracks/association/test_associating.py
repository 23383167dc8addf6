import dataclasses

import numpy as np
import pytest

from keras_reid.tracks.association import associate, associating, impossible_pairs
from keras_reid.utils.errors import UserError
from tests.tracks.scene import calibration, tracks


def scene(seed=0, people=8, noise=0.07):
    """Three cameras, past which people walk one after the other, in another order each; and who each tracklet is."""
    rng, cameras, who = np.random.default_rng(seed), [], []
    for number, name in enumerate(("door", "hall", "yard")):
        order = rng.permutation(people)
        seen = [
            (int(one), 1000 * number + 30 * place, 1000 * number + 30 * place + 20)
            for place, one in enumerate(order)
        ]
        cameras.append(tracks(name, seen, noise=noise))
        who.append(order)
    return cameras, np.concatenate(who)


def partition(association):
    labels = np.concatenate(association.identity)
    return {frozenset(np.flatnonzero(labels == one).tolist()) for one in np.unique(labels)}


@pytest.mark.parametrize("seed", range(3))
def test_people_are_found_again_in_other_cameras(seed):
    cameras, who = scene(seed)
    found = associate(cameras, calibration(), cannot_link=impossible_pairs(cameras))
    assert partition(found) == {frozenset(np.flatnonzero(who == one).tolist()) for one in range(8)}
    assert found.count == 8
    assert [len(one) for one in found.identity] == [8, 8, 8]
    assert np.unique(np.concatenate(found.identity)).tolist() == list(range(1, 9))
    assert (np.concatenate(found.probability) > 0.5).all()
    assert 0.02 < found.prior < 0.3


def test_the_order_of_the_cameras_does_not_matter():
    cameras, _ = scene(noise=0.2)
    found = associate(cameras, calibration(), cannot_link=impossible_pairs(cameras))
    turned = cameras[::-1]
    again = associate(turned, calibration(), cannot_link=impossible_pairs(turned))
    names = [(camera, row) for camera in (2, 1, 0) for row in range(8)]
    assert {
        frozenset(8 * names[one][0] + names[one][1] for one in group) for group in partition(again)
    } == partition(found)


@pytest.mark.parametrize("seed", range(3))
def test_what_cannot_be_the_same_is_never_joined(seed):
    cameras, _ = scene(seed, noise=0.3)
    pairs = np.random.default_rng(seed).integers(24, size=(40, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    labels = np.concatenate(associate(cameras, calibration(), cannot_link=pairs, prior=0.9).identity)
    assert (labels[pairs[:, 0]] != labels[pairs[:, 1]]).all()


def test_a_higher_probability_gives_more_identities():
    cameras, _ = scene(noise=0.3)
    counts = [associate(cameras, calibration(), probability=one).count for one in (0.1, 0.5, 0.99)]
    assert counts[0] < counts[1] < counts[2]
    priors = [associate(cameras, calibration(), prior=one) for one in (1e-4, 0.5)]
    assert priors[0].count > priors[1].count
    assert [one.prior for one in priors] == [1e-4, 0.5]


def test_a_prior_that_is_given_holds_whatever_the_neighbours_say(monkeypatch):
    cameras, _ = scene(people=4)
    cameras += [dataclasses.replace(one, camera=f"{one.camera} again") for one in cameras]
    monkeypatch.setattr(associating, "add_neighbours", lambda _, odds, prior: (prior, 0.999, 0.999))
    found = [associate(cameras, calibration(), prior=one, probability=0.9975) for one in (0.2, None)]
    assert (found[0].count, found[0].prior) == (24, 0.2)  # log odds of 6 at most, less those of the prior
    assert found[1].count < 24
    assert found[1].prior > 0.9  # what the probabilities hold for


def test_the_only_tracklet_of_an_identity_has_no_probability():
    found = associate(
        [tracks("door", [(0, 0, 20), (1, 0, 20)]), tracks("hall", [(0, 50, 70)])], calibration()
    )
    assert [one.tolist() for one in found.identity] == [[1, 2], [1]]
    assert np.isnan(found.probability[0][1])
    assert found.probability[0][0] == found.probability[1][0] > 0.5


def test_few_and_no_tracklets():
    empty = associate([tracks("door", []), tracks("hall", [])], calibration())
    assert empty.count == 0
    assert [len(one) for one in empty.identity] == [0, 0]
    assert associate([], calibration()).identity == ()
    one = associate([tracks("door", []), tracks("hall", [(0, 0, 9)])], calibration())
    assert [part.tolist() for part in one.identity] == [[], [1]]


def test_options_are_checked():
    with pytest.raises(UserError, match=r"the probability must lie between 0 and 1. Received: 1"):
        associate([], calibration(), probability=1)
    with pytest.raises(UserError, match=r"the prior is the share of same pairs"):
        associate([], calibration(), prior=0)
    with pytest.raises(UserError, match=r"is for euclidean distances"):
        associate([tracks("door", [(0, 0, 9)])], calibration("euclidean"))
