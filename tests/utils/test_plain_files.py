import os

import pytest

from keras_reid.utils.errors import UserError
from keras_reid.utils.plain_files import open_plain


def test_is_open_of_a_plain_file(tmp_path):
    file = tmp_path / "a"
    with pytest.raises(FileNotFoundError):
        open_plain(file)
    for mode, text, expected in (("wb", b"one", b"one"), ("ab", b"two", b"onetwo"), ("wb", b"3", b"3")):
        with open_plain(file, mode) as stream:
            stream.write(text)
        with open_plain(file) as stream:
            assert stream.read() == expected


@pytest.mark.parametrize("mode", ["rb", "wb", "ab", "r+b"])
def test_a_link_is_not_followed(tmp_path, mode):
    (tmp_path / "target").write_text("dear")
    (tmp_path / "link").symlink_to("target")
    with pytest.raises(
        UserError, match=f"{tmp_path / 'link'} is a link, which is not followed here: remove it"
    ):
        open_plain(tmp_path / "link", mode)
    assert (tmp_path / "target").read_text() == "dear"


@pytest.mark.parametrize("mode", ["wb", "ab", "r+b"])
def test_a_hard_link_is_not_written_to(tmp_path, mode):
    (tmp_path / "target").write_text("dear")
    (tmp_path / "link").hardlink_to(tmp_path / "target")
    with pytest.raises(UserError, match="link is a hard link to another file"):
        open_plain(tmp_path / "link", mode)
    assert (tmp_path / "target").read_text() == "dear"
    with open_plain(tmp_path / "link") as stream:
        assert stream.read() == b"dear"


@pytest.mark.parametrize("mode", ["rb", "r+b"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, mode):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="pipe must be a regular file: remove it"):
        open_plain(tmp_path / "pipe", mode)
