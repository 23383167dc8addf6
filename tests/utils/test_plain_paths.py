import pytest

from keras_reid.utils.plain_paths import without_folders


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/home/me/datasets", "…/datasets"),
        ("/home/me/my data/", "…/my data/"),
        ("~/weights/a.pth", "…/a.pth"),
        (r"C:\Users\me\a.pth", "…/a.pth"),
        ("/data", "/data"),
        ("runs/quickstart", "runs/quickstart"),
        ("cosine", "cosine"),
    ],
)
def test_only_the_last_part_of_absolute_paths(path, kept):
    assert without_folders({"a": [path, 1, None]}) == {"a": [kept, 1, None]}
