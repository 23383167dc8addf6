"""Parses a page into blocks, commands and tables."""

import re
import runpy
import shlex

from tests.conftest import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def section(text, heading):
    """What stands under a heading of the second level, up to the next."""
    (found,) = (part for part in re.split(r"^## ", text, flags=re.M) if part.startswith(f"{heading}\n"))
    return found


def blocks(text):
    """`(language, code)` of each fenced block."""
    return _FENCE.findall(text)


def prose(text):
    """The text outside of blocks."""
    return _FENCE.sub("", text)


def spans(text):
    """The inline code outside of blocks."""
    return re.findall(r"`([^`\n]+)`", prose(text))


def tables(text):
    """`(heading above it, rows)` of each table; a row is a list of its cells."""
    heading, found = "", []
    for line in prose(text).splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
            found.append((heading, []))
        elif line.startswith("|") and not re.fullmatch(r"[|\s:-]+", line):
            found[-1][1].append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return [(heading, rows) for heading, rows in found if rows]


def shell_lines(text):
    """The commands of the bash blocks, without comments, continued lines joined."""
    code = "\n".join(code for language, code in blocks(text) if language == "bash")
    lines = [shlex.split(line, comments=True) for line in code.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line]


def file_blocks(text):
    """`{file name: code}` of the Python blocks whose first line is a comment with their name."""
    named = [
        (re.match(r"# (\w+\.py)\b", code), code) for language, code in blocks(text) if language == "python"
    ]
    return {match[1]: code for match, code in named if match}


def run_blocks(text, folder):
    """Executes the Python blocks of a page in the working directory `folder`, one after another with shared names.

    A block that names its file is also written there, so that later blocks can import it.
    """
    names = {}
    files = {code: name for name, code in file_blocks(text).items()}
    for language, code in blocks(text):
        if language != "python":
            continue
        if code in files:
            (folder / files[code]).write_text(code, encoding="utf-8")
            names |= runpy.run_path(str(folder / files[code]))
        else:
            exec(compile(code, "<documentation>", "exec"), names)
    return names
