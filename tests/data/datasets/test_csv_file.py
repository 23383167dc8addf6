import pytest

from keras_reid.data import CSV
from keras_reid.utils.errors import UserError


def _write(folder, text, name="dataset.csv"):
    for image in ("1.jpg", "2.jpg", "3.jpg"):
        (folder / image).write_bytes(b"")
    (folder / name).write_text(text, encoding="utf-8-sig")
    return folder


def test_with_subsets(tmp_path):
    text = """identity,path,camera,subset,weather
anna,1.jpg,door,train,sun
bob,2.jpg,door,query,
bob,3.jpg,yard,gallery,
"""
    dataset = CSV().read(_write(tmp_path, text))
    assert dataset.name == "dataset"
    assert [(s.identity, s.camera) for s in dataset.query + dataset.gallery] == [
        ("bob", "door"),
        ("bob", "yard"),
    ]
    assert dataset.train[0].path == str(tmp_path / "1.jpg")
    assert dataset.protocol == "cross_camera"


def test_without_subsets_and_cameras(tmp_path):
    text = f"path,identity\n1.jpg,7\n{tmp_path}/2.jpg,7\n3.jpg,8\n"
    _write(tmp_path, text, "cats.csv")
    dataset = CSV("cats.csv", test_identities=1.0).read(tmp_path)
    assert dataset.protocol == "all"
    assert [s.path for s in dataset.query] == [str(tmp_path / "1.jpg")]
    assert CSV(test_identities=1.0).read(tmp_path / "cats.csv").query == dataset.query
    assert CSV("cats.csv", name="c", test_identities=0).read(tmp_path).name == "c"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "path,who\n1.jpg,a\n",
            r"dataset\.csv, line 1: column 'identity' is missing; the header has path, who",
        ),
        ("", "line 1: column 'path' is missing; the header has nothing"),
        ("path,identity\n", "has no rows below its header"),
        ("path,identity\n1.jpg,a\n2.jpg,\n", "line 3: column 'identity' is empty"),
        ("path,identity\n1.jpg,a\n2.jpg\n", "line 3: column 'identity' is empty"),
        ("path,identity\n9.jpg,a\n", r"line 2: column 'path': there is no file .*9\.jpg"),
        (
            "path,identity,subset\n1.jpg,a,test\n",
            "line 2: column 'subset' must be train, query or gallery. Received: 'test'",
        ),
    ],
)
def test_mistakes_name_the_line_and_the_column(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        CSV().read(_write(tmp_path, text))


def test_not_a_csv_file(tmp_path):
    with pytest.raises(UserError, match=r"dataset\.csv does not exist"):
        CSV().read(tmp_path)
    (tmp_path / "dataset.csv").write_bytes(b"path,identity\n\xff\xfe,a\n")
    with pytest.raises(UserError, match="is not a CSV file in UTF-8"):
        CSV().read(tmp_path)
