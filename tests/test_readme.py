"""Runs what README shows."""

import numpy as np

from tests import documentation as doc
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(containing):
    (code,) = [code for _, code in doc.blocks(README) if containing in code]
    return code


def test_plain_keras():
    pictures = np.random.default_rng(0).random((32, 64, 32, 3)).astype("float32")
    names = {"pictures": pictures, "identities": np.repeat(np.arange(8), 4)}
    exec(block("TripletLoss"), names)
    assert names["model"].predict(pictures, verbose=0).shape == (32, 32)


def test_commands_parse():
    doc.check_commands(README)


def test_links_and_files_exist():
    doc.check_links(ROOT / "README.md")


def test_it_is_short():
    """A newcomer reads it in five minutes; everything else is in docs."""
    assert README.count("\n") <= 130
