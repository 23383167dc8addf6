import os

import pytest

from keras_reid.data.datasets import files
from keras_reid.data.datasets.files import IMAGE_SUFFIXES, image_files, list_images, read_list
from keras_reid.embedding.image_files import find_images
from keras_reid.utils.errors import UserError
from tests.data.datasets.miniatures import touch, write
from tests.data.images import encoded, random_image


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
    read = files._head
    monkeypatch.setattr(files, "_head", lambda path: opened.append(path) or read(path))
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


def test_lists(tmp_path):
    write(tmp_path / "list.txt", "\ufeffa 1\r", "", " b 2 ")
    lines = read_list(tmp_path / "list.txt", r"(\w) (\d)", "LETTER NUMBER", "layout")
    assert [line.groups() for line in lines] == [("a", "1"), ("b", "2")]
    with pytest.raises(
        UserError, match=r"1 of 2 lines of .* the first is line 3, 'b 2'; each must read LETTER ONE"
    ):
        read_list(tmp_path / "list.txt", r"(\w) 1", "LETTER ONE", "layout")
