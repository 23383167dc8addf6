from keras_reid.zoo import find_row, listing, rows
from tests.conftest import ROOT

DOCUMENT = (ROOT / "docs" / "zoo.md").read_text(encoding="utf-8")


def test_the_document_has_the_rows_of_the_registry():
    assert listing.with_table(DOCUMENT) == DOCUMENT, "run: python docs/site/zoo_table.py"
    assert all(f"\n| `{name}` | " in DOCUMENT for name in rows())


def test_every_check_that_is_named_is_there():
    for row in rows().values():
        for part in row.checked_by.split("tests/")[1:]:
            assert (ROOT / "tests" / part.partition(".py")[0]).with_suffix(".py").is_file(), row.checked_by


def test_list():
    lines = listing.list_lines(rows("vehicle").values())
    assert lines[0].split() == ["NAME", "NETWORK", "TRAINED", "ON", "CLAIMED", "MEASURED"]
    assert "fastreid/veri-sbs-r50-ibn" in lines[1]
    assert "VeRi-776: Rank-1 97, mAP 81.9, mINP 46.3" in lines[1]
    assert lines[1].endswith("not measured")
    assert "VehicleID small: Rank-1 86.6, Rank-5 97.9 …" in lines[2]
    assert lines[-1].startswith("* withdrawn")
    animals = listing.list_lines(rows("animal").values())
    assert animals[1].endswith("cannot be used by name yet")


def test_show():
    lines = "\n".join(listing.show_lines(find_row("fastreid/duke-sbs-r50")))
    for said in (
        "trained on      DukeMTMC-reID*",
        "SHA-256         not published",
        "image size      384 × 128",
        "licence         none stated for the weights; code Apache-2.0",
        "withdrawn       DukeMTMC-reID, by its authors",
        "measured        not measured",
    ):
        assert f"  {said}" in lines
    lines = "\n".join(listing.show_lines(find_row("torchreid/osnet-x0-25-msmt17")))
    assert "address         https://drive.google.com/file/d/1sSwXSUlj4_tHZequ_iZ8w_Jh0VaRQMqF/view" in lines
    assert "copies          6f57607fed9f502b" in lines
    assert "mAP 76.9" in lines
    assert "needs           a Swin backbone" in "\n".join(
        listing.show_lines(find_row("megadescriptor/l-384"))
    )


def test_what_was_checked_is_shown_although_its_file_has_no_name():
    text = "\n".join(listing.show_lines(find_row("personvit/reid")))
    assert "checked by      tests/weights/test_transreid.py" in text
    assert "needs           the names of its files" in text
    assert "checked by" not in "\n".join(listing.show_lines(find_row("megadescriptor/l-384")))
    assert "random weights; cannot be used by name: needs the names of its files" in listing.document_table()


def test_a_measured_row():
    metrics = {"rank1": 0.68245, "mAP": 0.7688, "mINP": 0.7688, "num_valid_queries": 507}
    assert listing.measured_lines("a/b", {"vehicles": metrics}, "0123") == [
        '# In [models."a/b"]:',
        'measured = [{ on = "vehicles", rank1 = 68.2, mAP = 76.9, mINP = 76.9, queries = 507, '
        'by = "keras_reid 0.2.0", sha256 = "0123" }]',
    ]
