import pytest
from PIL import Image

from keras_reid.data import ReIDDataset
from keras_reid.data.sample import Sample
from keras_reid.ranked_list import find_query, main
from keras_reid.utils.errors import UserError
from tests.test_report import broken
from tests.visualization.test_report import Page


@pytest.fixture(scope="module")
def tests():
    def set_of(name, files):
        query = [Sample(f"{name}/{file}", identity=1, camera=0) for file in files]
        return ReIDDataset(name, (), query, [Sample("g.jpg", identity=1, camera=1)])

    return [
        set_of("one", ["a/0001_c1.jpg", "b/0001_c1.jpg", "b/0002_c1.jpg"]),
        set_of("two", ["0002_c1.jpg", "7"]),
    ]


@pytest.mark.parametrize(
    ("query", "test_set", "found"),
    [
        ("0002_c1.jpg", None, ("one", 2)),
        ("0002_c1.jpg", "two", ("two", 0)),
        ("b/0001_c1.jpg", None, ("one", 1)),
        ("one/a/0001_c1.jpg", None, ("one", 0)),
        ("1", None, ("one", 1)),
        ("1", "two", ("two", 1)),
        ("7", None, ("two", 1)),  # a file of that name before a number
    ],
)
def test_a_query_by_name_or_number(tests, query, test_set, found):
    dataset, position = find_query(tests, query, test_set)
    assert (dataset.name, position) == found


@pytest.mark.parametrize(
    ("query", "test_set", "message"),
    [
        ("0001_c1.jpg", None, "2 queries of one are called '0001_c1.jpg': one/a/0001_c1.jpg, one/b"),
        (
            "0003_c1.jpg",
            None,
            "no query of one, two is called '0003_c1.jpg'. The nearest are 000[12]_c1.jpg, 000",
        ),
        ("3", None, "--query must be below 3, the number of queries of one. Received: 3"),
        ("", None, "no query of one, two"),
        ("0", "three", "--test-set must be one of one, two. Received: 'three'"),
    ],
)
def test_a_query_that_is_not_there(tests, query, test_set, message):
    with pytest.raises(UserError, match=message):
        find_query(tests, query, test_set)


def test_refused_before_anything_is_loaded(tmp_path):
    run = broken(tmp_path / "run", keep=("model.keras",))
    for arguments, message in (
        ([run, "--query", "0", "--top", "0"], "--top must be at least 1. Received: 0"),
        (
            [run, "--query", "0", "--output", "list.gif"],
            "--output must be a file that ends in .png, .jpg or .html",
        ),
        ([str(tmp_path / "none"), "--query", "0"], "there is no such run directory"),
        ([run, "--query", "0"], "a model file outside a run has no test set:"),
        ([run], "query"),
    ):
        with pytest.raises(UserError, match=message):
            main(arguments)


def test_a_list_as_text_picture_and_page(copied_run, tmp_path, capsys):
    run = copied_run
    main([str(run), "--query", "0", "--top", "3"])
    said = capsys.readouterr().out.replace("\n", "")
    (picture,) = (run / "report").glob("ranked_list_*.png")
    name = picture.stem.removeprefix("ranked_list_").removesuffix(".png")
    with Image.open(picture) as image:
        three = image.width
    assert f"{name}.jpg" in said
    assert "average precision" in said
    page = tmp_path / "list.html"
    main([str(run), "--query", f"{name}.jpg", "--top", "5", "--output", str(page)])
    page = Page(page.read_text(encoding="utf-8"))
    assert page.open == []
    assert "Activation maps" in page.text
    assert len(page.sources) >= 2 * (1 + 5)
    assert three < 6 * 120
