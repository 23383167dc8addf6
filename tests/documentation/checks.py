"""Checks of a whole page."""

import re
import shlex

from tests.conftest import ROOT
from tests.documentation.commands import commands, module_of, options_of, parse, subcommands_of
from tests.documentation.names import is_field
from tests.documentation.pages import prose, shell_lines, spans


def check_commands(text, folder=ROOT):
    """Each of our commands, in a block or inline, must parse; each `--option` must exist in some command."""
    lines = shell_lines(text)
    for code in spans(text):
        if named := re.fullmatch(r"keras-reid ([a-z_-]+)", code):  # a command's name, without arguments
            assert named[1] in commands(), code
        elif named := re.fullmatch(r"keras-reid gallery ([a-z_-]+)", code):
            assert named[1] in subcommands_of(commands()["gallery"]), code
        elif re.search(r" -m (keras_reid|serving)\b|^keras-reid [a-z]", code) and not {"…", "["} & set(code):
            lines.append(shlex.split(code.replace("\\|", "|")))
    for words in lines:
        found = module_of(words)
        if found and found[0].startswith(("keras_reid.", "serving.")):
            parse(*found, folder)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for words in lines:
        assert words[0] != "make" or set(words[1:]) <= set(targets), words
    known = {"help", "KEY", *(option for module in commands().values() for option in options_of(module))}
    for code in spans(text):
        for word in code.split() if code.startswith("--") else ():
            name = word.removeprefix("--")
            assert name == word or name.replace("-", "_") in known or is_field(name), f"no command has {word}"


def check_links(page):
    """Each link must lead to a file, and to a heading if it names one; each named file must exist."""
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in _anchors(file.read_text(encoding="utf-8")), target
    for path in re.findall(r"`((?:experiments|benchmarks|docs|tests)/[\w/.]+)`", text):
        assert (ROOT / path).exists(), path


def _anchors(text):
    """The anchors that a page's headings get."""
    headings = re.findall(r"^#+ (.+)$", prose(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
