import datetime

import numpy as np
import pytest

from keras_reid.gallery.postgres.changes import Row
from keras_reid.tracks.albums.decisions import MACHINE, Pair, decisions

NOON = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)


class Store:
    """Sightings 1, 2, … as enrolled for identities; what is done to them, as the table `changes` keeps it."""

    def __init__(self, *identities, names=None, free=None):
        self.identities = list(identities)
        self.names = dict.fromkeys(identities) | (names or {})
        self.free = free or [True] * len(identities)
        self.enrolled = [NOON] * len(identities)
        self.changes = []
        self.clock = 0

    def enrol(self, identity):
        self.identities.append(identity)
        self.free.append(True)
        self.enrolled.append(self._now())

    def rename(self, identity, name, by="me"):
        self._keep(by, "rename", [identity], [self.names[identity], name], [], [])
        self.names[identity] = name

    def merge(self, into, other, by="me"):
        moved = [place + 1 for place, one in enumerate(self.identities) if one == other]
        self._keep(by, "merge", [into, other], [None, None], moved, [{"id": other, "sightings": moved}])
        self._move(moved, into)

    def split(self, sightings, by="me"):
        old, new = self.identities[sightings[0] - 1], max(self.identities) + 1
        self.names[new] = None
        self._keep(by, "split", [new, old], [None, None], list(sightings), [])
        self._move(sightings, new)

    def undo(self):
        change = self.changes[-1]
        self._move(change.sightings, change.identities[1])
        self.changes[-1] = change._replace(undone=self._now())

    def decided(self, *answers):
        sightings = list(range(1, len(self.identities) + 1))
        found = decisions(
            sightings,
            self.identities,
            self.enrolled,
            self.free,
            self.names,
            self.changes,
            [Pair(*one) for one in answers],
        )
        together = sorted(
            tuple(np.flatnonzero(found.block == block) + 1)
            for block in np.unique(found.block)
            if np.sum(found.block == block) > 1
        )
        return together, sorted(map(tuple, (np.sort(found.apart, axis=1) + 1).tolist())), found

    def _now(self):
        self.clock += 1
        return NOON + datetime.timedelta(minutes=self.clock)

    def _move(self, sightings, identity):
        for number in sightings:
            self.identities[number - 1] = identity

    def _keep(self, by, action, identities, names, sightings, before):
        self.changes.append(
            Row(
                *(len(self.changes) + 1, self._now(), by, action),
                *(identities, names, sightings, before, None),
            )
        )


def test_without_decisions_everything_is_free():
    together, apart, found = Store(1, 1, 2).decided()
    assert (together, apart, found.core.tolist()) == ([], [], [-1, -1, -1])


def test_names_keep_pictures_together_and_identities_apart():
    store = Store(1, 1, 2, 3, names={1: "Anna"})
    store.rename(2, "Berta")
    together, _, found = store.decided()
    assert together == [(1, 2)]
    assert found.core.tolist() == [1, 1, 2, -1]


def test_pictures_that_are_not_free_stay_with_their_identity():
    together, _, found = Store(1, 1, 2, free=[False, False, True]).decided()
    assert together == [(1, 2)]
    assert found.core.tolist() == [1, 1, -1]


def test_a_merge_keeps_what_was_one_then():
    store = Store(1, 1, 2, 3)
    store.merge(1, 2)
    store.enrol(1)
    assert store.decided()[0] == [(1, 2, 3)]
    store.undo()
    assert store.decided()[0] == []


def test_a_split_keeps_both_sides_apart():
    store = Store(1, 1, 1, 2)
    store.split([3])
    together, apart, _ = store.decided()
    assert (together, apart) == ([], [(1, 3), (2, 3)])


def test_the_later_of_two_decisions_counts():
    store = Store(1, 2, 2)
    store.merge(1, 2)
    store.split([3])
    assert store.decided()[:2] == ([(1, 2)], [(1, 3), (2, 3)])
    store.merge(1, store.identities[2])
    assert store.decided()[:2] == ([(1, 2, 3)], [])


def test_what_the_machine_did_is_no_decision():
    store = Store(1, 2, 3, names={1: "Anna"})
    store.merge(1, 2, by=MACHINE)
    together, apart, found = store.decided()
    assert (together, apart, found.core.tolist()) == ([], [], [1, -1, -1])
    store.rename(1, "Anna Katharina")  # somebody looked at it since
    assert store.decided()[0] == [(1, 2)]


def test_what_is_undone_of_the_machine_is_not_done_again():
    store = Store(1, 1, 2, names={1: "Anna"})
    store.merge(1, 2, by=MACHINE)
    store.undo()
    assert store.decided()[:2] == ([(1, 2)], [(1, 3), (2, 3)])
    store = Store(1, 1, 1)
    store.split([3], by=MACHINE)
    store.undo()
    assert store.decided()[:2] == ([(1, 2, 3)], [])


def test_decisions_survive_a_merge_by_the_machine():
    store = Store(1, 2, 3, 3)
    store.merge(2, 1)
    store.merge(3, 2, by=MACHINE)
    assert store.decided()[0] == [(1, 2)]


def test_answers():
    store = Store(1, 2, 3, 4)
    together, apart, found = store.decided((1, 2, True), (2, 3, True), (1, 4, False))
    assert (together, apart, found.contradictory) == ([(1, 2, 3)], [(1, 4)], 0)
    # The latest answer on a pair counts.
    assert store.decided((1, 2, True), (2, 1, False))[:2] == ([], [(1, 2)])


@pytest.mark.parametrize("answer", [(1, 3, True), (1, 2, False), (1, 4, True)])
def test_answers_against_names_and_splits_do_not_count(answer):
    store = Store(1, 1, 1, 2, names={1: "Anna", 2: "Berta"})
    store.split([3])
    store.names[store.identities[2]] = None
    together, _, found = store.decided(answer)
    assert together == [(1, 2)]
    assert found.contradictory == 1


def test_an_answer_that_joins_a_named_one_makes_it_part_of_that():
    _, _, found = Store(1, 1, 2, 2, names={1: "Anna"}).decided((1, 3, True))
    assert found.core.tolist() == [1, 1, 1, -1]


def test_what_was_erased_is_passed_over():
    store = Store(1, 2, 3)
    store.merge(1, 2)
    store.changes[0] = store.changes[0]._replace(sightings=[2, 99], before=[{"id": 2, "sightings": [2, 99]}])
    assert store.decided((1, 99, True))[0] == [(1, 2)]


def test_new_pictures_follow():
    _, _, found = Store(1, 1, names={1: "Anna"}).decided()
    longer = found.with_new(2)
    assert (longer.block.tolist(), longer.core.tolist()) == ([0, 0, 2, 3], [1, 1, -1, -1])
