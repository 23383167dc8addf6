import pytest

from keras_reid.data.datasets.files import image_files, list_images, read_list
from keras_reid.errors import UserError
from keras_reid.evaluation.image_files import find_images
from tests.data.datasets.miniatures import touch, write


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


def test_no_images(tmp_path):
    touch(tmp_path, "notes.txt", ".a.jpg")
    assert image_files(tmp_path, recursive=True) == []
    with pytest.raises(UserError, match="no images in"):
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
