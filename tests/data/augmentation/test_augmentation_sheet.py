import numpy as np
import pytest
from PIL import Image

from keras_reid.data.augmentation.__main__ import main
from keras_reid.data.augmentation.augmentation_sheet import contact_sheet
from keras_reid.utils.errors import UserError
from tests.data.images import write_image


@pytest.mark.slow  # traces every operation
def test_sheet_of_a_folder(tmp_path, capsys):
    for number in range(2):
        write_image(tmp_path / "images" / f"{number}.jpg", number)
    output = tmp_path / "new" / "sheet.png"
    main([str(output), "--folder", str(tmp_path / "images"), "--seeds", "2", "--size", "20", "10"])
    # For the names 170; pictures of 20 × 10, and 3 between them: fourteen rows, three columns.
    with Image.open(output) as sheet:
        assert sheet.size == (170 + 3 * 13 + 3, 14 * 23 + 3)
    assert "212 × 325 pixels" in capsys.readouterr().out


def test_first_column_shows_the_image_as_it_was():
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 8, 3), dtype=np.uint8)
    sheet = np.asarray(contact_sheet(images, seeds=1))
    np.testing.assert_array_equal(sheet[3:19, 170:178], images[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sheet.txt"], r"must end in \.png or \.jpg"),
        (["sheet.png", "--folder", "/nowhere"], "there is no folder /nowhere"),
        (["sheet.png", "--seeds", "0"], "must be positive"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(UserError, match=message):
        main(arguments)


def test_a_folder_without_images(tmp_path):
    with pytest.raises(UserError, match="no file of"):
        main(["sheet.png", "--folder", str(tmp_path)])
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"1 of 1 images cannot be read: .*broken\.png"):
        main(["sheet.png", "--folder", str(tmp_path)])
