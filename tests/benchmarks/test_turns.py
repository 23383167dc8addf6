"""The protocol of benchmarks whose processes work in turns."""

import sys
import textwrap

import pytest

from tests.benchmarks import import_benchmark
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def turns():
    return import_benchmark("turns")


@pytest.fixture
def side(turns, tmp_path):
    script = tmp_path / "side.py"
    script.write_text(
        textwrap.dedent("""
            import os, sys, time
            import turns

            def add(a, b):
                print("not an answer")
                return a + b

            def wait(seconds):
                time.sleep(seconds)

            turns.answer({"add": add, "wait": wait, "leave": lambda: os._exit(3), "variable": os.getenv})
        """)
    )
    environment = {"PYTHONPATH": str(ROOT / "benchmarks"), "OF_THE_SIDE": "yes"}
    with turns.Side([sys.executable, str(script)], environment, "the side") as side:
        yield side


def test_answers_again_and_again(side):
    assert side.ask("add", a=1, b=2) == 3
    assert side.ask("add", a=[1], b=["two"]) == [1, "two"]
    assert side.ask("variable", key="OF_THE_SIDE") == "yes"


def test_says_what_went_wrong_and_goes_on(turns, side):
    with pytest.raises(turns.SideError, match="the side: TypeError: unsupported operand"):
        side.ask("add", a=1, b="two")
    assert side.alive
    assert side.ask("add", a=1, b=2) == 3


def test_says_that_it_ended(turns, side):
    with pytest.raises(turns.SideError, match="the side ended with code 3"):
        side.ask("leave")
    assert not side.alive


def test_is_killed_when_it_takes_too_long(turns, side):
    assert side.ask("add", a=1, b=2) == 3
    with pytest.raises(turns.SideError, match=r"the side took longer than 0 s"):
        side.ask("wait", within=0.1, seconds=60)
    assert not side.alive
