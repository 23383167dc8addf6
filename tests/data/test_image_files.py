import os

import pytest
import tensorflow as tf

from keras_reid.data import image_files as image_files_module
from keras_reid.data.decoding import decode_image
from keras_reid.data.image_files import HEAD, IMAGE_SUFFIXES, image_files, image_kind, list_images
from keras_reid.embedding.named_images import find_images
from keras_reid.utils.errors import UserError
from tests.data.datasets.miniatures import touch
from tests.data.images import encoded, random_image

IMAGE = random_image(12, 10)
READABLE = {
    "JPEG": [encoded(IMAGE), encoded(IMAGE.convert("L"))],
    "PNG": [encoded(IMAGE, "PNG")],
    "BMP": [encoded(IMAGE, "BMP")],
}
OTHERS = {
    "GIF": [encoded(IMAGE, "GIF")],
    "WebP": [encoded(IMAGE, "WEBP")],
    "TIFF": [encoded(IMAGE, "TIFF"), b"MM\0*\0\0\0\x08"],
    "HEIC or AVIF": [b"\0\0\0\x18ftypheic\0\0\0\0", b"\0\0\0\x1cftypavif\0\0\0\0", b"\0\0\0\x1cftypmif1"],
    "JPEG XL": [b"\xff\n\xfa\x7f\x01", b"\0\0\0\x0cJXL \r\n\x87\n"],
    "JPEG 2000": [b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14", b"\xff\x4f\xff\x51\0/"],
    "PPM, PGM or PBM": [encoded(IMAGE, "PPM"), b"P2\n# a comment\n3 2\n255\n"],
}


@pytest.mark.parametrize(("kind", "files"), (READABLE | OTHERS).items())
def test_kinds(kind, files):
    assert [image_kind(contents[:HEAD]) for contents in files] == [kind] * len(files)


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"B",
        b"BMW, Audi, Opel: the cars of the second garage",
        b"P1 is the first person",
        b"\0\0\0\x18ftypmp42\0\0\0\0isom",  # a film begins like HEIC
        b"RIFF\0\0\0\0WAVEfmt ",
        b"PK\x03\x04",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",  # Thumbs.db
    ],
)
def test_what_is_no_image(contents):
    assert image_kind(contents[:HEAD]) is None


@pytest.mark.parametrize("contents", [one for files in READABLE.values() for one in files])
def test_what_can_be_decoded_is_among_the_kinds(contents):
    assert decode_image(contents).shape == (12, 10, 3)


@pytest.mark.parametrize(
    ("kind", "contents"), [(kind, one) for kind, files in OTHERS.items() for one in files]
)
def test_the_decoder_refuses_the_others_by_the_same_names(kind, contents):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{kind} is not supported; convert it"):
        decode_image(contents)


@pytest.fixture
def folder(tmp_path):
    return touch(
        tmp_path, "b.jpg", "a.PNG", "d/c.tif", ".a.jpg", ".git/x.png", "notes.txt", "a-b/1.bmp", "a/1.bmp"
    )


def test_images_of_a_folder(folder):
    assert image_files(folder) == ["a.PNG", "b.jpg"]
    assert image_files(folder, recursive=True) == ["a-b/1.bmp", "a.PNG", "a/1.bmp", "b.jpg", "d/c.tif"]
    assert image_files(folder / "d") == list_images(folder / "d") == ["c.tif"]


def test_a_folder_that_a_user_names_is_looked_through_by_the_same_rule(folder):
    paths = [str(folder / name) for name in image_files(folder, recursive=True)]
    assert find_images([folder]) == paths
    assert find_images([folder / "notes.txt", folder / "d"]) == [
        str(folder / "notes.txt"),
        str(folder / "d/c.tif"),
    ]


def test_an_image_is_one_whatever_it_is_called(tmp_path):
    contents = {
        "a": b"\xff\xd8\xff\xe0 and so on",
        "b.0001": b"\x89PNG\r\n\x1a\n and so on",
        "c.dat": encoded(random_image(3, 3), "BMP"),
        "d.bin": b"II*\0 which cannot be decoded, and is named for it",
        "no": b"some text",
        "empty": b"",
        "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        ".hidden": b"\xff\xd8\xff\xe0 and so on",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    touch(tmp_path, *(f"e{suffix}" for suffix in sorted(IMAGE_SUFFIXES)), "f.JFIF")
    found = image_files(tmp_path)
    assert found == ["a", "b.0001", "c.dat", "d.bin", *(f"e{s}" for s in sorted(IMAGE_SUFFIXES)), "f.JFIF"]
    assert {".jfif", ".jpe", ".tif", ".ppm", ".jp2", ".heic", ".avif"} < IMAGE_SUFFIXES


def test_only_files_with_a_suffix_that_says_nothing_are_opened(tmp_path, monkeypatch):
    touch(tmp_path, "a.jpg", "b.txt", "c.json", "d.xml", "e.gif", "f")
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for ever
    os.symlink(tmp_path / "nowhere", tmp_path / "broken")
    os.symlink(tmp_path / "nowhere", tmp_path / "broken.jpg")
    opened = []
    read = image_files_module._head
    monkeypatch.setattr(image_files_module, "_head", lambda path: opened.append(path) or read(path))
    assert image_files(tmp_path) == ["a.jpg", "broken.jpg", "e.gif"]
    assert sorted(opened) == [str(tmp_path / name) for name in ("broken", "f", "pipe")]


def test_no_images(tmp_path):
    touch(tmp_path, "notes.txt", ".a.jpg")
    assert image_files(tmp_path, recursive=True) == []
    with pytest.raises(
        UserError, match=r"no images in .*: no file there is an image, such as a JPEG, PNG or BMP"
    ):
        list_images(tmp_path)
    with pytest.raises(UserError, match="the folder holds no image"):
        find_images([tmp_path])
