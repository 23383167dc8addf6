import pytest
import tensorflow as tf

from keras_reid.data.decoding import decode_image
from keras_reid.data.image_kinds import HEAD, image_kind
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
