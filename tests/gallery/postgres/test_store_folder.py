"""Which folders are stores, and which can become one."""

import json

import pytest

from keras_reid.gallery.postgres.store_folder import check_folder
from keras_reid.utils.errors import UserError


def test_a_folder_of_others_is_refused(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(UserError, match=r"is not a store: it holds 'holiday.jpg', but no gallery.json"):
        check_folder(tmp_path)


def test_a_half_made_store_is_refused(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "lock").touch()
    with pytest.raises(UserError, match=r"half made: .* Remove the folder and repeat the command"):
        check_folder(tmp_path)


def test_a_store_that_another_command_is_making_is_waited_for(tmp_path):
    from keras_reid.utils.locks import Lock

    (tmp_path / "data").mkdir()
    lock = Lock(tmp_path / "lock")
    check_folder(tmp_path)
    lock.release()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"format": "recipes"}, "its gallery.json is not that of a store"),
        ({"format": "keras_reid gallery", "version": 9}, "has layout 9, made by a newer keras_reid"),
        ({"format": "keras_reid gallery", "version": 1}, "the store's folder `data` is missing"),
        ([], "its gallery.json is not that of a store"),
    ],
)
def test_a_store_of_another_kind_is_refused(tmp_path, content, said):
    (tmp_path / "gallery.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=said):
        check_folder(tmp_path)


def test_where_a_store_may_be(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for folder, said in {
        tmp_path / "file": "a store is a folder. Received: a file",
        tmp_path / "dangling": "is a link to nowhere",
        tmp_path / "a" / "b": rf"the folder {tmp_path / 'a'} does not exist. Create it first",
    }.items():
        with pytest.raises(UserError, match=said):
            check_folder(folder)
    check_folder(tmp_path / "new")
    with pytest.raises(UserError, match=r"there is no store. `keras-reid gallery enrol` makes one"):
        check_folder(tmp_path / "new", create=False)
    assert not (tmp_path / "new").exists()
