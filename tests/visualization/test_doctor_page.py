import pytest
from PIL import Image

from keras_reid.data.doctor.examination import Examination
from keras_reid.data.doctor.finding import Finding, Picture
from keras_reid.visualization.doctor_page import write_doctor_page
from tests.visualization.test_report import Page

COUNTS = [
    {
        "dataset": "mine",
        "part": "train",
        "images": 5,
        "identities": 2,
        "images_of_identity": {"min": 1, "median": 2.5, "max": 4},
        "cameras": {"yard": {"images": 3, "identities": 2}, "door": {"images": 2, "identities": 1}},
    }
]


@pytest.fixture
def pictures(tmp_path):
    for name, size in (("a", (64, 128)), ("b", (300, 40)), ("c", (1, 1))):
        Image.new("RGB", size, (200, 90, 30)).save(tmp_path / f"{name}.png")
    return [str(tmp_path / f"{name}.png") for name in "abc"]


def test_everything_stands_on_the_page(pictures, tmp_path):
    a, b, c = pictures
    findings = [
        Finding(
            "Broken", "error", "1 file <is> broken", ((Picture("gone.jpg", "no such file"),),), drawn=False
        ),
        Finding("Copies", "warning", "1 pair", ((Picture(a, "train, 1"), Picture(b, "query, 1")),)),
        Finding("Frames", "note", "12 frames"),
        Finding("Tiny", "note", "45 are tiny", tuple((Picture(c, "1 x 1"),) for _ in range(45))),
    ]
    write_doctor_page(tmp_path / "page.html", Examination("mine & yours", COUNTS, findings, pictures))
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert "script" not in page.tags
    assert page.links == page.targets == [f"#finding-{place}" for place in range(4)] + ["#cameras-0"]
    for words in (
        "Doctor: mine & yours",
        "There are errors. 3 images were read.",
        "1 file <is> broken",
        "and 5 more",
    ):
        assert words in page.text
    assert f"{a} (train, 1) · {b} (query, 1)" in page.text
    assert "5 images, 2 identities with 1 to 4 images (median 2.5), 2 cameras" in page.text
    assert "gone.jpg (no such file)" in page.text
    assert page.text.index("yard") < page.text.index("door")
    assert len(page.sources) == 42
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)


def test_a_clean_data_set(tmp_path):
    write_doctor_page(tmp_path / "page.html", Examination("mine", COUNTS, [], ["a.jpg"]))
    page = Page((tmp_path / "page.html").read_text())
    assert "Nothing found. 1 images were read." in page.text
    assert "Overview" not in page.text
