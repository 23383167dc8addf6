"""Which files are enrolled, with which labels."""

import datetime

import numpy as np
import pytest
from PIL import Image

from keras_reid.gallery import FolderStore, ModelIdentity
from keras_reid.gallery.enrolment import Picture, enrol, parse_time, pictures_of, pictures_of_csv
from keras_reid.utils.errors import UserError

NOON = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)


def write(folder, *names):
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(path)


def labels(pictures, folder):
    return {
        picture.path.removeprefix(f"{folder}/"): (picture.identity, picture.camera) for picture in pictures
    }


def test_a_folder_for_each_identity(tmp_path):
    write(tmp_path, "anna/door_1.png", "anna/2.png", "berta/yard_1.png")
    assert labels(pictures_of([tmp_path]), tmp_path) == {
        "anna/door_1.png": ("anna", "door"),
        "anna/2.png": ("anna", None),
        "berta/yard_1.png": ("berta", "yard"),
    }


def test_names_as_those_of_market1501(tmp_path):
    write(tmp_path, "0002_c1s1_000451_03.png", "-1_c3s2_000001_00.png", "0000_c2s1_000001_00.png")
    assert labels(pictures_of([tmp_path]), tmp_path) == {
        "0002_c1s1_000451_03.png": ("0002", "1"),
        "-1_c3s2_000001_00.png": (None, "3"),
        "0000_c2s1_000001_00.png": (None, "2"),
    }


def test_other_images_have_no_identity(tmp_path):
    write(tmp_path, "holiday.png", "0002_c1s1_000451_03.png")
    assert labels(pictures_of([tmp_path]), tmp_path) == {
        "holiday.png": (None, None),
        "0002_c1s1_000451_03.png": (None, None),
    }
    (picture,) = pictures_of([tmp_path / "holiday.png"], camera="door", time=NOON)
    assert picture == Picture(str(tmp_path / "holiday.png"), None, "door", NOON)


def test_what_the_options_say_holds_for_all(tmp_path):
    write(tmp_path, "a/b/c.png", "d.png")
    pictures = pictures_of([tmp_path], "Anna", "yard", NOON)
    assert {(one.identity, one.camera, one.time) for one in pictures} == {("Anna", "yard", NOON)}
    with pytest.raises(
        UserError, match=r"2 of 2 images do not lie as IDENTITY/CAMERA_anything.jpg, such as a/b/c.png"
    ):
        pictures_of([tmp_path])


def test_a_table(tmp_path):
    write(tmp_path, "a.png", "sub/b.png")
    (tmp_path / "list.csv").write_text(
        "path,identity,camera,time,quality,note,colour\n"
        'a.png,"Anna, the first",door,2026-06-01T14:00:00+02:00,0.5,smiles,red\n'
        "sub/b.png,,,,,,\n",
        encoding="utf-8-sig",
    )
    first, second = pictures_of_csv(tmp_path / "list.csv", identity="Berta", camera="yard")
    assert first == Picture(str(tmp_path / "a.png"), "Anna, the first", "door", NOON, 0.5, "smiles")
    assert second == Picture(str(tmp_path / "sub/b.png"), "Berta", "yard")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            "../outside.png,",
            r"line 2: column 'path' must stay below the folder of the CSV file. Received: '../outside",
        ),
        ("/etc/passwd,", r"line 2: column 'path' must stay below"),
        ("link.png,", r"line 2: column 'path' must stay below"),
        ("missing.png,", r"line 2: column 'path': there is no file 'missing.png'"),
        (",", r"line 2: column 'path' is empty"),
        ("a.png,2026-06-01T14:00:00", r"line 2: column 'time' must have a time zone"),
        ("a.png,noon", r"line 2: column 'time' must be a time in ISO 8601, .* Received: 'noon'"),
        ("a.png,,2", r"line 2: column 'quality' must be a number from 0 to 1. Received: '2'"),
        ("a.png,,nan", r"Received: 'nan'"),
        ("a.png,,good", r"Received: 'good'"),
    ],
)
def test_a_mistake_in_a_table_is_named_by_its_line(tmp_path, row, said):
    write(tmp_path, "outside.png", "in/a.png")
    (tmp_path / "in/link.png").symlink_to(tmp_path / "outside.png")
    (tmp_path / "in/list.csv").write_text(f"path,time,quality\n{row}\n")
    with pytest.raises(UserError, match=said):
        pictures_of_csv(tmp_path / "in/list.csv")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"line 1: column 'path' is missing; the header has nothing"),
        (b"file,who\n", r"line 1: column 'path' is missing; the header has file, who"),
        (b"path\n", r"has no rows below its header"),
        (b"path\n\xff\n", r"is not a CSV file in UTF-8"),
    ],
)
def test_what_is_no_table(tmp_path, content, said):
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(UserError, match=said):
        pictures_of_csv(tmp_path / "list.csv")


def test_a_time_has_a_zone():
    assert parse_time("2026-06-01T12:00:00Z", "--time") == NOON
    with pytest.raises(UserError, match=r"--time must have a time zone, such as .* Received: '2026-06-01'"):
        parse_time("2026-06-01", "--time")


class ByBrightness:
    """Stands for an `Embedder`: the mean colour of an image of a known size."""

    def __call__(self, contents):
        import io

        rows = []
        for content in contents:
            try:
                pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), np.float32)
            except OSError:
                raise UserError("image 1 of 2 is broken") from None
            rows.append(pixels.mean((0, 1)) / np.linalg.norm(pixels.mean((0, 1))))
        return np.array(rows, np.float32)


class Remembering(FolderStore):
    """A store that keeps labels and digests for this test; a folder index has none."""

    def __init__(self, folder, model):
        super().__init__(folder, model)
        self.added = []

    def known(self, digests):
        return {one.digest for one in self.added} & set(digests)

    def add(self, sightings):
        self.added += sightings
        return list(range(len(self.added) - len(sightings), len(self.added)))


def test_files_that_cannot_be_read_and_duplicates_are_told(tmp_path):
    write(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / "a-again.png").write_bytes((tmp_path / "a.png").read_bytes())
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    model = ModelIdentity("m", "f" * 32, 3)
    pictures = [
        Picture(str(tmp_path / name), "Anna")
        for name in ("a.png", "a-again.png", "broken.png", "gone.png", "b.png")
    ]
    with Remembering(tmp_path, model) as store:
        done = enrol(store, ByBrightness(), pictures, batch_size=3)
        assert done.sightings == 2
        assert done.duplicates == {f"{tmp_path}/a-again.png": f"is the same file as {tmp_path}/a.png"}
        assert done.unreadable.keys() == {f"{tmp_path}/broken.png", f"{tmp_path}/gone.png"}
        assert done.unreadable[f"{tmp_path}/gone.png"] == "no such file or directory"
        # As after a kill: what is there is passed over.
        again = enrol(store, ByBrightness(), [*pictures, Picture(str(tmp_path / "c.png"))], batch_size=2)
        assert again.sightings == 1
        assert again.duplicates[f"{tmp_path}/b.png"] == "is enrolled already"
        assert [one.identity for one in store.added] == ["Anna", "Anna", None]
