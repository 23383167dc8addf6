import numpy as np
import pytest
from PIL import Image

from keras_reid import UserError
from keras_reid.tracks.frames import open_frames


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "seq" / "img1"
    folder.mkdir(parents=True)
    for number in (1, 2, 9, 10, 11):
        Image.fromarray(np.full((6, 8, 3), number, np.uint8)).save(folder / f"{number}.png")
    (folder / "notes.txt").write_text("no image")
    return folder


def test_frames_come_in_the_order_of_their_numbers(folder):
    frames = open_frames(folder, fps=4)
    assert (frames.count, frames.size, frames.fps) == (5, (6, 8), 4)
    read = list(frames.read([0, 2, 3, 4]))
    assert [frame.pixels[0, 0, 0] for frame in read] == [1, 9, 10, 11]
    assert [frame.index for frame in read] == [0, 2, 3, 4]
    assert [frame.seconds for frame in read] == [0, 0.5, 0.75, 1]


def test_other_digits_are_text(tmp_path):
    for name in ("1²2.png", "1٣2.png"):
        Image.new("RGB", (8, 6)).save(tmp_path / name)
    assert open_frames(tmp_path, fps=4).count == 2


def test_turned_images_are_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 6)).save(tmp_path / "1.jpg", exif=exif)
    assert open_frames(tmp_path, fps=1).size == (8, 6)


def test_seqinfo_tells_the_rate(folder):
    info = folder.parent / "seqinfo.ini"
    info.write_text("[Sequence]\nname=MOT17-02\nimDir=img1\nframeRate=30\n")
    assert open_frames(folder).fps == 30
    assert open_frames(folder, fps=5).fps == 5
    info.write_text("[Sequence]\nframeRate=fast\n")
    with pytest.raises(UserError, match=r"seqinfo.ini: must have a number frameRate"):
        open_frames(folder)


def test_it_changes_its_identity_with_a_file(folder):
    before = open_frames(folder, fps=1).identity
    assert open_frames(folder, fps=1).identity == before
    assert open_frames(folder, fps=2).identity != before
    Image.new("RGB", (8, 6)).save(folder / "10.png")
    assert open_frames(folder, fps=1).identity != before


@pytest.mark.parametrize(
    ("fps", "said"),
    [
        (None, "a folder does not tell its frames per second. Give --fps"),
        (0, "the frames per second must be above 0. Received: 0"),
        (float("nan"), "the frames per second must be above 0. Received: nan"),
    ],
)
def test_the_rate_is_needed(folder, fps, said):
    with pytest.raises(UserError, match=said):
        open_frames(folder, fps)


def test_what_is_no_video_is_refused(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no images in .*empty"):
        open_frames(tmp_path / "empty", fps=1)
    with pytest.raises(UserError, match=r"missing.mp4: there is no such video or folder"):
        open_frames(tmp_path / "missing.mp4")
    with pytest.raises(
        UserError, match=r"rtsp://camera: live streams and addresses are not read.*FrameEmbedder"
    ):
        open_frames("rtsp://camera")
    (folder / "1.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"1.png: the file is empty"):
        open_frames(folder, fps=1)
