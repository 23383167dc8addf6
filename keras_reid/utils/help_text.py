"""Help of commands as paragraphs that fit the terminal.

tyro takes the help of an option from the text below its field, but keeps the line breaks of the source there, and does
not wrap what a command says of itself.
"""

import contextlib
import dataclasses
import io
import re
import shutil
import sys
import textwrap
import typing

_BOX = "╭│╰"


def join_lines(cls, default=None):
    """Gives each option of a class of options its help as one paragraph, which does not break before its default
    value; so for the classes within.

    Args:
        cls: a dataclass.
        default: an instance, whose values decide which classes are within; None for the types alone.
    """
    import docstring_parser
    import tyro

    hints = typing.get_type_hints(cls, include_extras=True)
    texts = {one.arg_name: one.description for one in docstring_parser.parse_from_object(cls).params}
    for field in dataclasses.fields(cls):
        inner = hints[field.name] if default is None else getattr(default, field.name)
        text = texts.get(field.name)
        paragraph = text and re.sub(r"\s*\n\s*", " ", text.strip())
        plain = isinstance(field.default, (bool, int, float, str, tuple, type(None)))
        said = tyro.conf.arg(help=paragraph, help_behavior_hint=_default if plain else None)
        cls.__annotations__[field.name] = typing.Annotated[hints[field.name], said]
        for one in inner if isinstance(inner, tuple) else [inner]:
            if dataclasses.is_dataclass(one):
                join_lines(*((one,) if isinstance(one, type) else (type(one), one)))


def _default(value):
    """What stands after the help of an option. A no-break space keeps it in one line."""
    return f"(default:\N{NO-BREAK SPACE}{value})" if value else ""


@contextlib.contextmanager
def wrapped():
    """Wraps the lines that the block prints outside of boxes, so that no terminal breaks them within a word."""
    out = _Printed(sys.stdout)
    try:
        with contextlib.redirect_stdout(out):
            yield
    finally:
        width = shutil.get_terminal_size().columns
        for line in out.getvalue().splitlines():
            plain = line.lstrip("\x1b[0123456789;m")
            if len(plain) <= width or plain.startswith(tuple(_BOX)) or plain.startswith("usage:"):
                print(line)
            else:
                print(textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False))


class _Printed(io.StringIO):
    """What is printed, for one who asks whether it is a terminal."""

    def __init__(self, stream):
        super().__init__()
        self.stream = stream

    def isatty(self):
        return self.stream.isatty()

    @property
    def encoding(self):
        return self.stream.encoding
