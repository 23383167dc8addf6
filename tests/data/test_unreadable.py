import pytest

from keras_reid.data import unreadable
from keras_reid.data.unreadable import check_images, refused_images, unreadable_images
from keras_reid.utils.errors import UserError
from tests.data.images import encoded, jpeg_of_scans, png_that_says, random_image, write_image


@pytest.fixture
def folder(tmp_path):
    """Two good images and one file for each way to be bad."""
    image = random_image(20, 30)
    write_image(tmp_path / "good.jpg")
    (tmp_path / "good.png").write_bytes(encoded(image, "PNG"))
    (tmp_path / "truncated.jpg").write_bytes(encoded(image)[:400])
    (tmp_path / "truncated.png").write_bytes(encoded(image, "PNG")[:400])
    (tmp_path / "truncated.bmp").write_bytes(encoded(image, "BMP")[:400])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "moving.gif").write_bytes(encoded(image, "GIF"))
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "bomb.png").write_bytes(png_that_says(20_000, 20_000))
    (tmp_path / "scans.jpg").write_bytes(jpeg_of_scans(16, 8, 31))
    return tmp_path


def test_good_images(folder):
    assert check_images([folder / "good.jpg", str(folder / "good.png")]) == [0, 1]
    assert check_images([]) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("truncated.jpg", "truncated or damaged"),
        ("truncated.png", "truncated or damaged"),
        ("truncated.bmp", "truncated or damaged"),
        ("empty.jpg", "the file is empty"),
        ("text.jpg", "not a JPEG, PNG or BMP image"),
        ("moving.gif", "GIF is not supported; convert it to PNG or JPEG"),
        ("missing.jpg", "no such file"),
        ("folder.jpg", "is a folder"),
        (
            "bomb.png",
            "20000 x 20000 pixels, more than 25 megapixels; make it smaller, or set KERAS_REID_MAX_MEGAPIXELS .*",
        ),
        ("scans.jpg", "a JPEG of more than 30 scans, .*; save the image again"),
    ],
)
def test_a_bad_image_is_named_with_the_reason(folder, name, reason):
    paths = [str(folder / "good.jpg"), str(folder / name)]
    with pytest.raises(UserError, match=rf"{name}: {reason}; .*--skip-unreadable") as error:
        check_images(paths)
    assert str(error.value).startswith("1 of 2 images cannot be read: ")


def test_skipping_counts_and_lists(folder, capsys):
    paths = [str(folder / name) for name in ("text.jpg", "good.jpg", "missing.jpg", "good.png")]
    assert check_images(paths, skip_unreadable=True) == [1, 3]
    shown = capsys.readouterr().err
    assert "left out 2 of 4 images that cannot be read:" in shown
    assert f"{folder}/text.jpg: not a JPEG" in shown
    assert f"{folder}/missing.jpg: no such file" in shown


def test_places_of_many_that_are_handed_out_some_at_a_time(folder, monkeypatch):
    monkeypatch.setattr(unreadable, "_AT_ONCE", 2)
    paths = [folder / name for name in ("good.jpg", "empty.jpg", "good.png", "missing.jpg", "good.jpg")]
    assert unreadable_images(paths) == {1: "the file is empty", 3: "no such file"}


def test_many_bad_images_are_counted(folder):
    paths = [str(folder / f"missing{number}.jpg") for number in range(8)] + [str(folder / "good.jpg")]
    with pytest.raises(UserError, match=r"8 of 9 images .*missing4\.jpg: no such file; and 3 more; repair"):
        check_images(paths)


def test_nothing_left_is_an_error_even_when_skipping(folder):
    with pytest.raises(UserError, match=r"1 of 1 images cannot be read: .*nothing would be left"):
        check_images([str(folder / "text.jpg")], skip_unreadable=True)


def test_headers_alone(folder, monkeypatch):
    monkeypatch.setattr(unreadable, "decode_bytes", None)
    names = ["good.jpg", "bomb.png", "missing.jpg", "truncated.jpg", "scans.jpg", "folder.jpg", "good.png"]
    reasons = refused_images([str(folder / name) for name in names])
    assert list(reasons) == [1, 4]
    assert reasons[1].startswith("20000 x 20000 pixels")
