"""What every store can do: a folder index, a private PostgreSQL, a PostgreSQL server."""

import numpy as np
import pytest

from keras_reid import gallery
from keras_reid.gallery import FolderStore, NewSighting
from keras_reid.utils.errors import UserError
from tests.gallery.conftest import DIM, MODEL, OTHER_MODEL, random_embeddings, unit


class Opener:
    """Opens one store again and again."""

    def __init__(self, address, folder=None):
        self.address, self.folder = address, folder

    def __call__(self, model=MODEL):
        if self.folder is not None and not FolderStore.is_index(self.folder):
            return FolderStore(self.folder, model)
        return gallery.open(self.address, model)

    def sightings(self, embeddings, names=None):
        """New sightings of files; in a folder index the files must be there."""
        names = names or [f"{number}.jpg" for number in range(len(embeddings))]
        if self.folder is not None:
            for name in names:
                (self.folder / name).write_bytes(name.encode())
        return [
            NewSighting(row, source=name, digest=name.encode())
            for row, name in zip(embeddings, names, strict=True)
        ]


@pytest.fixture(
    params=["folder", *(pytest.param(name, marks=pytest.mark.medium) for name in ("private", "url"))]
)
def opener(request, tmp_path):
    if request.param == "folder":
        return Opener(tmp_path, tmp_path)
    return Opener(request.getfixturevalue({"private": "private_folder", "url": "server_url"}[request.param]))


def test_what_was_added_is_found_and_stays(opener):
    rows = random_embeddings(30)
    with opener() as store:
        assert store.count() == gallery.Counts(0, 0)
        ids = store.add(opener.sightings(rows))
        assert len(set(ids)) == 30
    with opener() as store:
        assert store.count() == gallery.Counts(30, 30)
        assert store.model() == MODEL
        lists = store.search(rows[:3], top=4)
        for row, found in zip(rows[:3], lists, strict=True):
            distances = 1 - rows.astype(float) @ row
            order = np.argsort(distances, kind="stable")[:4]
            assert [one.source for one in found] == [f"{place}.jpg" for place in order]
            np.testing.assert_allclose([one.distance for one in found], distances[order], atol=1e-6)
            assert [one.sighting for one in found] == [ids[place] for place in order]


def test_equal_distances_come_in_the_order_of_enrolment(opener):
    with opener() as store:
        store.add(opener.sightings(np.repeat(random_embeddings(1), 5, axis=0)))
        ((*found,),) = store.search(random_embeddings(1), top=3)
        assert [one.source for one in found] == ["0.jpg", "1.jpg", "2.jpg"]


def test_top_may_be_more_than_there_is(opener):
    with opener() as store:
        store.add(opener.sightings(random_embeddings(3)))
        assert [len(found) for found in store.search(random_embeddings(2), top=50)] == [3, 3]
        assert store.search(np.zeros((0, DIM), np.float32)) == []
        with pytest.raises(UserError, match=r"`top` must be at least 1. Received: 0"):
            store.search(random_embeddings(1), top=0)


def test_an_empty_store_finds_nothing(opener):
    with opener() as store:
        assert store.search(random_embeddings(2)) == [[], []]
        assert store.add([]) == []


def test_a_file_is_enrolled_once(opener):
    rows = random_embeddings(3)
    with opener() as store:
        (first, second) = store.add(opener.sightings(rows[:2]))
        again = store.add(opener.sightings(rows, ["0.jpg", "1.jpg", "new.jpg"]))
        assert again[:2] == [None, None]
        assert again[2] not in (first, second, None)
        twice = opener.sightings(rows[:2], ["same.jpg", "same.jpg"])
        assert store.add(twice)[1] is None
        assert store.count().sightings == 4


def test_what_was_removed_is_gone(opener):
    rows = random_embeddings(6)
    with opener() as store:
        store.add(opener.sightings(rows))
        going = store.search(rows[2:3], top=1)[0][0].identity
        identity = store.get(going)
        assert [one.source for one in identity.sightings] == ["2.jpg"]
        assert store.remove([going]) == 1
        assert store.count() == gallery.Counts(5, 5)
        assert "2.jpg" not in {one.source for one in store.search(rows[2:3])[0]}
        with pytest.raises(UserError, match="there is no"):
            store.get(going)
        stays = store.search(rows[3:4], top=1)[0][0].identity
        with pytest.raises(UserError, match="there is no"):
            store.remove([stays, going])
        assert store.count().sightings == 5
    with opener() as store:
        assert store.count().sightings == 5


def test_another_model_is_refused_by_both_names(opener):
    with opener() as store:
        store.add(opener.sightings(random_embeddings(1)))
    with pytest.raises(
        UserError, match=r"of the model runs/tests \(aaaaaaaa\), and this is runs/other \(bbbbbbbb\)"
    ):
        opener(OTHER_MODEL)
    with opener() as store:
        assert store.count().sightings == 1


@pytest.mark.parametrize(
    ("embedding", "said"),
    [
        (unit(np.ones(DIM + 1)), rf"must have shape \(n, {DIM}\). Received: \(1, {DIM + 1}\)"),
        (np.full(DIM, np.nan, np.float32), r"finite and of unit length. Received: length nan in row 0"),
        (np.ones(DIM, np.float32), r"finite and of unit length. Received: length 4 in row 0"),
        (np.zeros(DIM, np.float32), r"Received: length 0 in row 0"),
    ],
)
def test_only_embeddings_of_the_model_are_taken(opener, embedding, said):
    with opener() as store:
        with pytest.raises(UserError, match=said):
            store.add(opener.sightings(embedding[None]))
        with pytest.raises(UserError, match=said):
            store.search(embedding[None])
        assert store.count().sightings == 0
