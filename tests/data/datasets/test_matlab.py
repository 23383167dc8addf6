import base64
import zlib

import numpy as np
import pytest

from keras_reid.data.datasets.matlab import read_matlab
from keras_reid.utils.errors import UserError
from tests.data.datasets.miniatures import CARS_ANNOS, NEW_PROTOCOL

# Written by scipy.io.savemat, uncompressed: numbers=[[1.5, 2, 3], [4, 5, 6]], small=int8 [[7]], text="Grüße",
# empty=zeros((0, 0)), cell={"ab", int32 [0, 1, 2], ""}; and a structure.
VALUES = """
eNrzdQzxcXRSMNUzUPB1DNFNy8xJVQjISSxJyy/KtVIoyC/OrNBRcC5KTSxJTVHIz7NSCC7NU/DLL1MwMlIwNLEytLAytFQwMjAy
YyADMHr68gGpDCBmA2IOKA0CrFA+ExAzg5QCMTsQ55XmJqUWFTNwAtkGcIN+2ENoAQeoAJQWgdIcUFrCAWSfBZJ9HGj2MSJhkFhx
bmJODpjPCLYfXT8LFv2sYJqFoSS1okQA6m73osN7Ds9PxdCP7l940EDFUnMLSiqBNCdUHKT/AZJ+Riz2M0PtT07NyeGDhhM+9zIh
mSMA5CUmQexxQNLHg9MehDgPktuZkNyLz35k/0LshwAA6HQs1w==
"""
STRUCTURE = """
eJzzdQzxcXRSMNUzUPB1DNFNy8xJVQjISSxJyy/KtVIoyC/OrNBRcC5KTSxJTVHIz7NSCC7NU/DLL1MwMlIwNLEytLAytFQwMjAy
YyADMHr68gGpCiBmA2IOIGaCSrFC+YxwzMhQDBZnAathBJKJQBqk3wJJPx9O/RDAgyQOAgBiwhfr
"""


def _file(folder, text):
    file = folder / "a.mat"
    file.write_bytes(zlib.decompress(base64.b64decode(text)))
    return file


def test_values(tmp_path):
    read = read_matlab(_file(tmp_path, VALUES))
    assert list(read) == ["numbers", "small", "text", "empty", "cell"]
    np.testing.assert_array_equal(read["numbers"], [[1.5, 2, 3], [4, 5, 6]])
    assert (read["small"].tolist(), read["small"].dtype) == ([[7]], np.int8)
    assert (read["text"], read["empty"].shape) == ("Grüße", (0, 0))
    first, second, third = read["cell"]
    assert (first, second.tolist(), third) == ("ab", [[0, 1, 2]], "")


def test_compressed(tmp_path):
    file = tmp_path / "a.mat"
    file.write_bytes(NEW_PROTOCOL)
    read = read_matlab(file)
    assert read["filelist"][:2] == ["1_001_1_01.png", "1_001_2_06.png"]
    assert read["labels"].ravel()[:6].tolist() == [1, 1, 5, 5, 9, 9]
    assert read["query_idx"].shape == (3, 1)
    assert read["gallery_idx"].tolist() == [[4, 14, 30]]


def test_structures(tmp_path):
    file = tmp_path / "a.mat"
    file.write_bytes(CARS_ANNOS)
    annotations = read_matlab(file)["annotations"]
    assert list(annotations) == ["relative_im_path", "bbox_x1", "class", "test"]
    assert annotations["relative_im_path"][1:3] == ["car_ims/000002.jpg", "car_ims/000003.jpg"]
    assert [label.tolist() for label in annotations["class"]] == [[[1]], [[98]], [[99]], [[99]], [[196]]]
    assert annotations["class"][0].dtype == np.uint8
    (structure,) = read_matlab(_file(tmp_path, STRUCTURE)).values()
    assert isinstance(structure, dict)


def test_what_it_cannot_read_is_refused(tmp_path):
    file = _file(tmp_path, STRUCTURE)
    data = bytearray(file.read_bytes())
    assert data[144] == 2  # the class of the first variable
    data[144] = 5  # sparse; SciPy 1.17.1 crashes on it
    file.write_bytes(data)
    with pytest.raises(
        UserError, match=r"a\.mat is damaged, or holds something other .*variable 's' is of class 5"
    ):
        read_matlab(file)
    for content, message in [
        (NEW_PROTOCOL[:300], "is damaged"),
        (NEW_PROTOCOL[:200] + bytes(20) + NEW_PROTOCOL[220:], "is damaged"),
        (b"\x89HDF\r\n\x1a\n" + bytes(600), "is not a MATLAB file of versions 5 to 7"),
        (b"", "is not a MATLAB file of versions 5 to 7"),
    ]:
        file.write_bytes(content)
        with pytest.raises(UserError, match=message):
            read_matlab(file)
