"""With videos that PyAV makes, of a few frames each."""

from fractions import Fraction

import av
import numpy as np
import pytest

from keras_reid import UserError
from keras_reid.tracks.frames import open_frames
from keras_reid.utils import optional

SIZE = (32, 48)


def write(path, count=12, times=None, codec="mpeg4", rotate=0, b_frames=0, sizes=SIZE, keys=10, options=None):
    """A video whose frames' red says their number; the upper left corner is green. `times`: milliseconds."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=10, options={"sc_threshold": "0"})
        stream.height, stream.width = sizes
        stream.pix_fmt = "yuv420p"
        stream.gop_size = keys
        stream.codec_context.max_b_frames = b_frames
        base = Fraction(1, 10) if times is None else Fraction(1, 1000)
        stream.codec_context.time_base = base
        if rotate:
            stream.set_display_rotation(rotate)
        for number in range(count):
            pixels = np.zeros((*sizes, 3), np.uint8)
            pixels[:, :, 0] = _red(number)
            pixels[: sizes[0] // 2, : sizes[1] // 2, 1] = 200
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = (number if times is None else times[number]), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def check_numbers(frames, numbers):
    """The frames are those of these numbers: their neighbours differ by far more."""
    reds = [frame.pixels[-4:, -4:, 0].mean() for frame in frames]
    assert reds == pytest.approx([_red(number) for number in numbers], abs=15)


def _red(number):
    return number * 37 % 240


@pytest.mark.parametrize(
    ("name", "codec", "b_frames"),
    [("a.mp4", "mpeg4", 0), ("a.mkv", "libx264", 2), ("a.avi", "mpeg4", 2), ("a.ts", "mpeg2video", 2)],
)
def test_frames_are_found_by_their_place(name, codec, b_frames, tmp_path):
    video = open_frames(write(tmp_path / name, codec=codec, b_frames=b_frames))
    assert (video.count, video.size) == (12, SIZE)
    assert video.fps == pytest.approx(10)
    whole = list(video.read(range(12)))
    check_numbers(whole, range(12))
    assert [frame.seconds for frame in whole] == pytest.approx([number / 10 for number in range(12)])
    for frame in video.read([3, 4, 11]):
        np.testing.assert_array_equal(frame.pixels, whole[frame.index].pixels)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_what_is_not_needed_is_jumped_over(name, tmp_path, monkeypatch):
    video = open_frames(write(tmp_path / name, 120, codec="libx264", b_frames=2, keys=20))
    whole = {frame.index: frame for frame in video.read([7, 100, 119])}
    starts = []
    decoded = type(video)._decoded
    monkeypatch.setattr(type(video), "_decoded", lambda self, key: starts.append(key) or decoded(self, key))
    found = list(video.read([7, 100, 119]))
    assert starts == [None, 100]
    check_numbers(found, [7, 100, 119])
    monkeypatch.setattr("keras_reid.tracks.frames.video._JUMP", 10**6)
    for frame in video.read([7, 100, 119]):  # all decoded
        np.testing.assert_array_equal(frame.pixels, whole[frame.index].pixels)


def test_times_that_vary_are_kept(tmp_path):
    times = [0, 40, 80, 500, 540, 900]
    video = open_frames(write(tmp_path / "a.mkv", 6, times))
    assert video.fps is None
    assert video.seconds(np.arange(6)).tolist() == pytest.approx([time / 1000 for time in times])
    assert [frame.seconds for frame in video.read([3, 5])] == pytest.approx([0.5, 0.9])


@pytest.mark.parametrize(("degrees", "corner"), [(90, (-4, 4)), (-90, (4, -4)), (180, (-4, -4))])
def test_rotation_is_applied(degrees, corner, tmp_path):
    video = open_frames(write(tmp_path / "a.mp4", 3, rotate=degrees))
    assert video.size == (SIZE if degrees == 180 else SIZE[::-1])
    (frame,) = video.read([1])
    assert frame.pixels.shape[:2] == video.size
    green = [(row, column) for row in (4, -4) for column in (4, -4) if frame.pixels[row, column, 1] > 100]
    assert green == [corner]


def test_frames_are_counted_where_there_are_no_times(tmp_path):
    video = open_frames(write(tmp_path / "a.h264", codec="libx264", b_frames=2))
    assert (video.count, video.fps) == (12, pytest.approx(25))  # what FFmpeg takes where nothing is said
    check_numbers(video.read([0, 5, 11]), [0, 5, 11])


def test_a_damaged_part_is_told(tmp_path):
    file = write(tmp_path / "a.mkv", 60, codec="mpeg4", keys=5)
    content = bytearray(file.read_bytes())
    content = content[: len(content) * 2 // 3]  # cut off
    file.write_bytes(content)
    assert 20 < open_frames(file).count < 60
    # The times are there, the pictures are not.
    video = open_frames(write(tmp_path / "b.mp4", 40, codec="libx264", keys=5))
    content = bytearray((tmp_path / "b.mp4").read_bytes())
    with av.open(str(tmp_path / "b.mp4")) as container:
        places = sorted(
            (packet.pts, packet.pos, packet.size) for packet in container.demux(video=0) if packet.size
        )
    _, place, size = places[20]
    content[place : place + size] = bytes(size)
    (tmp_path / "b.mp4").write_bytes(content)
    read = list(open_frames(tmp_path / "b.mp4").read(range(40)))
    bad = [frame.index for frame in read if frame.pixels is None]
    assert 20 in bad
    assert bad[-1] < 26
    assert read[20].problem.endswith("b.mp4: frame 20 (at 2.00 s) is damaged")
    assert video.count == 40


def test_what_is_no_video_is_refused(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"hello" * 100)
    with pytest.raises(UserError, match=r"a.mp4: is no video that can be read, or is damaged"):
        open_frames(tmp_path / "a.mp4")
    write(tmp_path / "a.ts", codec="mpeg2video")
    playlist = tmp_path / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\na.ts\n#EXT-X-ENDLIST\n")
    with av.open(str(playlist)) as container:
        assert container.format.name == "hls"
    with pytest.raises(UserError, match=r"list.m3u8: is no video that can be read"):
        open_frames(playlist)
    file = write(tmp_path / "b.mp4")
    file.write_bytes(file.read_bytes()[:400])  # without its table
    with pytest.raises(UserError, match=r"b.mp4: is no video that can be read, or is damaged"):
        open_frames(file)
    with pytest.raises(UserError, match=r"have their own times; --fps is for folders"):
        open_frames(file, fps=5)


def test_without_pyav_the_extra_is_named(tmp_path, monkeypatch):
    file = write(tmp_path / "a.mp4", 2)

    def missing(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(optional.importlib, "import_module", missing)
    with pytest.raises(
        UserError, match=r"reading videos needs av, which cannot be imported.*keras_reid\[video\]"
    ):
        open_frames(file)
