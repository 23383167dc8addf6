"""The reader that needs no TensorFlow against that of training."""

import io

import numpy as np
import pytest
from PIL import Image

from keras_reid.data.decoding import decode_image
from keras_reid.data.resizing import resize_image
from keras_reid.embedding.image_inputs import UnreadableImage
from keras_reid.embedding.pillow_reader import PillowReader
from keras_reid.embedding.tensorflow_reader import TensorFlowReader
from tests.data.images import encoded, png_that_says, random_image
from tests.data.test_decoding import FILES, GREY_OF_16_BITS, IMAGE

SIZE = (37, 53)  # of these files, so that decoding is all there is
READERS = {"tensorflow": TensorFlowReader, "pillow": PillowReader}


def turned(orientation, kind="JPEG"):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(random_image(37, 53, seed=orientation), kind, exif=exif)


@pytest.mark.parametrize("name", [name for name in FILES if name != "jpeg 1 × 1"])
def test_both_decode_as_training_to_the_bit(name):
    expected = decode_image(FILES[name]).numpy()
    for reader in READERS.values():
        np.testing.assert_array_equal(reader(SIZE)(FILES[name]), expected)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(10))
def test_both_turn_as_training(orientation, kind):
    contents = turned(orientation, kind)
    expected = decode_image(contents).numpy()
    for reader in READERS.values():
        np.testing.assert_array_equal(reader(expected.shape[:2])(contents), expected)


def test_the_high_byte_of_16_bits():
    contents = encoded(Image.fromarray(GREY_OF_16_BITS), "PNG")
    np.testing.assert_array_equal(PillowReader(SIZE)(contents)[..., 1], GREY_OF_16_BITS >> 8)


def test_xmp_names_an_orientation_and_a_text_of_a_png_does_not():
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6"/></x:xmpmeta>'
    jpeg = encoded(IMAGE, xmp=xmp)
    np.testing.assert_array_equal(PillowReader((53, 37))(jpeg), decode_image(jpeg).numpy())
    assert decode_image(jpeg).shape == (53, 37, 3)
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp.decode())
    png = encoded(IMAGE, "PNG", pnginfo=text)
    np.testing.assert_array_equal(PillowReader(SIZE)(png), decode_image(png).numpy())


@pytest.mark.parametrize(
    "block", [b"", b"MM", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff", bytes(range(40))]
)
@pytest.mark.filterwarnings("ignore:(Corrupt|Truncated|Metadata):UserWarning")
def test_damaged_exif_means_nothing(block):
    contents = encoded(IMAGE)
    segment = b"\xff\xe1" + (len(block) + 8).to_bytes(2) + b"Exif\0\0" + block
    contents = contents[:2] + segment + contents[2:]
    np.testing.assert_array_equal(PillowReader(SIZE)(contents), decode_image(contents).numpy())


@pytest.mark.parametrize("size", [(64, 32), (30, 20), (37, 100), (300, 53), (1, 1)])
def test_resized_as_the_design_allows(size):
    """To the bit by TensorFlow; by Pillow at most 1 level off, and 0.1 in the mean."""
    pixels = np.asarray(random_image(120, 47, seed=5))
    expected = resize_image(pixels, size).numpy()
    np.testing.assert_array_equal(TensorFlowReader(size)(pixels), expected)
    difference = np.abs(PillowReader(size)(pixels).astype(int) - expected)
    assert difference.max() <= 1
    assert difference.mean() <= 0.1


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_files_bytes_and_pixels_are_one(reader, tmp_path):
    pixels = np.asarray(random_image(80, 41))
    contents = encoded(Image.fromarray(pixels), "PNG")
    (tmp_path / "a.png").write_bytes(contents)
    read = reader((32, 16))
    np.testing.assert_array_equal(read(contents), read(pixels))
    np.testing.assert_array_equal(read(str(tmp_path / "a.png")), read(pixels))
    assert read(pixels).shape == (32, 16, 3)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "^the file is empty$"),
        (b"hello, this is text", "^not a JPEG, PNG or BMP image$"),
        (encoded(IMAGE)[:600], "^truncated or damaged$"),
        (encoded(IMAGE, "PNG")[:600], "^truncated or damaged$"),
        (encoded(IMAGE, "BMP")[:600], "^truncated or damaged$"),
        (encoded(IMAGE.convert("P"), "BMP"), "^not a BMP with 24 or 32 bits a pixel"),
        (encoded(IMAGE, "GIF"), "^GIF is not supported; convert it to PNG or JPEG$"),
        (encoded(IMAGE, "WEBP"), "^WebP is not supported"),
        (png_that_says(20_000, 20_000), "^20000 x 20000 pixels, more than 25 megapixels"),
    ],
    ids=lambda value: value.strip("^$") if isinstance(value, str) else "",
)
def test_what_is_no_image_is_said_alike(reader, contents, message):
    with pytest.raises(UnreadableImage, match=message):
        reader(SIZE)(contents)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_what_is_no_file(reader, tmp_path):
    for path, message in ((tmp_path / "no.jpg", "no such file"), (tmp_path, "is a folder")):
        with pytest.raises(UnreadableImage, match=f"^{message}$"):
            reader(SIZE)(str(path))


def test_records_are_read_by_tensorflow(tmp_path):
    import tensorflow as tf

    contents = io.BytesIO(FILES["png"]).getvalue()
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[contents]))
    example = tf.train.Example(features=tf.train.Features(feature={"image": feature}))
    with tf.io.TFRecordWriter(str(tmp_path / "a.tfrecord")) as writer:
        writer.write(example.SerializeToString())
    read = TensorFlowReader(SIZE)
    np.testing.assert_array_equal(read(f"{tmp_path}/a.tfrecord#0"), decode_image(contents).numpy())
    with pytest.raises(UnreadableImage):
        read(f"{tmp_path}/a.tfrecord#5")
