import numpy as np
import pytest
from PIL import Image

from keras_reid.data import PartialQueries, ReIDDataset
from keras_reid.data.sample import Sample
from keras_reid.utils.errors import UserError


class Own:
    """A data set of five identities, each with a query and two gallery images whose rows are numbered."""

    def __init__(self, folder, protocol="cross_camera"):
        self.folder, self.protocol = folder, protocol

    def read(self, root):
        samples = []
        for identity in range(5):
            for camera in range(3):
                path = self.folder / f"{identity}_{camera}.png"
                rows = np.arange(100, dtype=np.uint8).reshape(100, 1, 1).repeat(40, axis=1).repeat(3, axis=2)
                Image.fromarray(rows).save(path)
                samples.append(Sample(str(path), identity, camera))
        return ReIDDataset(
            "own", samples[:3], samples[::3], [*samples[1::3], *samples[2::3]], protocol=self.protocol
        )


@pytest.fixture
def own(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    return Own(folder)


def rows_of(sample):
    with Image.open(sample.path) as image:
        return np.asarray(image)[:, 0, 0], image.size


def test_queries_are_bands_of_the_whole_width(own, tmp_path):
    whole = own.read(tmp_path)
    cut = PartialQueries(own).read(tmp_path)
    assert (cut.name, cut.train, cut.protocol) == ("own-partial", (), "cross_camera")
    assert cut.gallery == whole.gallery
    assert [(one.identity, one.camera) for one in cut.query] == [
        (one.identity, one.camera) for one in whole.query
    ]
    tops = []
    for sample in cut.query:
        rows, (width, height) = rows_of(sample)
        assert width == 40
        assert 45 <= height <= 75
        np.testing.assert_array_equal(rows, np.arange(rows[0], rows[0] + height))
        tops.append(rows[0])
    assert len(set(tops)) > 1


class Lying(Own):
    """The same images, stored on their side."""

    def read(self, root):
        whole, exif = super().read(root), Image.Exif()
        exif[0x0112] = 6
        for sample in whole.query:
            with Image.open(sample.path) as image:
                image.transpose(Image.Transpose.ROTATE_90).save(sample.path, exif=exif)
        return whole


def test_images_are_upright_before_they_are_cut(own, tmp_path):
    for sample in PartialQueries(Lying(own.folder)).read(tmp_path).query:
        rows, (width, height) = rows_of(sample)
        assert width == 40
        np.testing.assert_array_equal(rows, np.arange(rows[0], rows[0] + height))


def test_options(own, tmp_path):
    first = PartialQueries(own).read(tmp_path)
    other = PartialQueries(own, seed=1).read(tmp_path)
    assert [rows_of(one)[0][0] for one in first.query] != [rows_of(one)[0][0] for one in other.query]
    low = PartialQueries(own, height=(0.2, 0.2)).read(tmp_path)
    assert {rows_of(one)[1][1] for one in low.query} == {20}
    few = PartialQueries(own, identities=2).read(tmp_path)
    kept = {one.identity for one in few.query}
    assert len(kept) == 2
    assert {one.identity for one in few.gallery} == kept
    assert (len(few.query), len(few.gallery)) == (2, 4)
    assert kept != {one.identity for one in PartialQueries(own, identities=2, seed=1).read(tmp_path).query}


def test_is_drawn_once(own, tmp_path):
    (first, *_) = PartialQueries(own).read(tmp_path).query
    Image.new("RGB", (1, 1)).save(first.path)
    (again, *_) = PartialQueries(own).read(tmp_path).query
    assert rows_of(again)[1] == (1, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"height": (0, 1)}, r"`height` of PartialQueries must be \(low, high\).*Received: \(0, 1\)"),
        ({"height": (0.7, 0.5)}, r"Received: \(0.7, 0.5\)"),
        ({"identities": 0}, "`identities` of PartialQueries must be 1 or more. Received: 0"),
        ({"seed": -1}, "`seed` of PartialQueries must be 0 or more. Received: -1"),
    ],
)
def test_bad_arguments(own, options, message):
    with pytest.raises(UserError, match=message):
        PartialQueries(own, **options)


def test_what_it_cannot_cut(own, tmp_path):
    with pytest.raises(UserError, match=r"must be a reader, such as Market1501\(\). Received: 'market1501'"):
        PartialQueries("market1501")
    with pytest.raises(UserError, match="is to keep 6 identities, and data set 'own' has queries of 5"):
        PartialQueries(own, identities=6).read(tmp_path)

    class TrainOnly:
        def read(self, root):
            return ReIDDataset("plain", own.read(root).train)

    with pytest.raises(UserError, match="query images apart from a gallery, and data set 'plain' has none"):
        PartialQueries(TrainOnly()).read(tmp_path)

    class Broken(Own):
        def read(self, root):
            dataset = super().read(root)
            with open(dataset.query[0].path, "w") as file:
                file.write("no image")
            return dataset

    with pytest.raises(UserError, match=r"cannot read .*0_0.png"):
        PartialQueries(Broken(own.folder)).read(tmp_path)
