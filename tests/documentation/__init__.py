"""Parses and checks README and the pages of docs."""

from tests.documentation.checks import check_commands, check_links
from tests.documentation.commands import module_of
from tests.documentation.names import problem_with
from tests.documentation.pages import (
    PAGES,
    blocks,
    file_blocks,
    run_blocks,
    section,
    shell_lines,
    spans,
    tables,
)

__all__ = [
    "PAGES",
    "blocks",
    "check_commands",
    "check_links",
    "file_blocks",
    "module_of",
    "problem_with",
    "run_blocks",
    "section",
    "shell_lines",
    "spans",
    "tables",
]
