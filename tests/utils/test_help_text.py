import dataclasses

import pytest

from keras_reid.utils import command_line


@dataclasses.dataclass(frozen=True)
class Inner:
    """What is within."""

    depth: int = 50
    """so many
    layers"""


@dataclasses.dataclass(frozen=True)
class Options:
    """Do it. This sentence about the command is so long that a terminal of eighty columns breaks it."""

    file: str = "a.txt"
    """what is read: the file that lies in the folder that is
    named before"""
    seeds: tuple[int, ...] = ()
    """of the draws"""
    inner: Inner = Inner()


@pytest.fixture
def help_of(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    def printed(*arguments, **options):
        with pytest.raises(SystemExit) as stop:
            command_line.parse(Options, [*arguments, "--help"], prog="do", **options)
        assert stop.value.code == 0
        return capsys.readouterr().out

    return printed


@pytest.mark.parametrize("options", [{}, {"default": Options(inner=Inner(depth=18))}])
def test_no_line_is_broken_where_the_source_breaks_it(help_of, options):
    text = help_of(**options)
    assert max(map(len, text.splitlines())) <= 80
    assert Options.__doc__ in " ".join(text.split())
    assert " in the folder that is named " in " ".join(text.replace("│", " ").split())
    assert "that is │" not in text.replace("  ", "")
    assert "so many layers" in text


def test_a_default_stays_in_one_line_and_an_empty_one_is_left_out(help_of):
    text = help_of()
    assert "(default:\N{NO-BREAK SPACE}a.txt)" in text
    assert "(default:\N{NO-BREAK SPACE})" not in text
