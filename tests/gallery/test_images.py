import io

import numpy as np
import pytest
from PIL import Image

from keras_reid.gallery.images import THUMBNAIL, content_hash, kept_image, sound_image
from keras_reid.utils.errors import UserError


def picture(width=300, height=200, orientation=6):
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2] = 220, 30, 30
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Secret Camera Maker"
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", exif=exif, comment=b"secret comment")
    return file.getvalue() + b"secret tail"


def test_metadata_and_hidden_bytes_go_and_the_picture_stands_upright():
    contents = picture()
    kept = kept_image(contents, "images")
    image = Image.open(io.BytesIO(kept.content))
    assert kept.kind == "image"
    assert image.size == (200, 300)
    assert not image.getexif()
    assert b"ecret" in contents
    assert b"ecret" not in kept.content
    assert kept.hash == content_hash(kept.content)
    assert len(kept.hash) == 32
    assert np.asarray(image)[10, 100, 0] > 200  # the red half is at the top


def test_thumbnails_are_small_and_keep_their_proportions():
    kept = kept_image(picture(), "thumbnails")
    assert kept.kind == "thumbnail"
    assert Image.open(io.BytesIO(kept.content)).size == (85, THUMBNAIL)
    assert kept == kept_image(picture(), "thumbnails")
    assert Image.open(io.BytesIO(kept_image(picture(64, 32, 1)).content)).size == (64, 32)


def test_nothing_is_kept_on_demand():
    assert kept_image(b"not even an image", "nothing") is None


def test_what_cannot_be_decoded_is_refused():
    with pytest.raises(UserError, match=r"cannot be kept: .*not a JPEG, PNG or BMP"):
        kept_image(b"text", "images")
    with pytest.raises(UserError, match="megapixels"):
        kept_image(b"BM" + bytes(16) + bytes([0, 0, 1, 0, 0, 0, 1, 0]), "images")
    with pytest.raises(UserError, match=r"one of images, thumbnails, nothing\. Received: 'all'"):
        kept_image(picture(), "all")


def test_a_damaged_picture_is_noticed():
    assert sound_image(content_hash(b"abc"), b"abc") == b"abc"
    with pytest.raises(UserError, match="is damaged"):
        sound_image(content_hash(b"abc"), b"abd")
