import pytest

from keras_reid.gallery.shown_names import shown_identity, shown_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Anna Ärger", "Anna Ärger"),
        ("a\x1b[2Jb\nc", "a·[2Jb·c"),
        ("\u202egnp.exe", "·gnp.exe"),
        ("שלום", "שלום"),
        ("x" * 61, "x" * 59 + "…"),
        ("[red]x[/]", "[red]x[/]"),
    ],
)
def test_a_text_is_safe_to_print(text, shown):
    assert shown_text(text) == shown


def test_an_identity_without_a_name_is_shown_by_its_number():
    assert shown_identity(12, None) == "#12"
    assert shown_identity(12, "Anna") == "Anna"
    assert shown_identity("a.jpg", None) == "a.jpg"
