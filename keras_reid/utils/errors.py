"""The exception that commands print as one line instead of a traceback."""

from __future__ import annotations

import re

# Keras wraps error messages of layers in these phrases, and colours them.
_CALLING, _ENCOUNTERED, _ARGUMENTS = (
    "Exception encountered when calling ",
    "Exception encountered:",
    "Arguments received by ",
)
_COLOURS = re.compile(r"\x1b\[[\d;]*m")


class UserError(ValueError):
    """A mistake in the user's input: a path, an option, an image, a data set, an experiment file.

    The message gives the rule, what was received and the remedy, in one line. Commands print it to standard error and
    exit with code 2; in Python it is an ordinary `ValueError`. Any other exception is a bug in this package and keeps
    its traceback.
    """


def reason(error: BaseException) -> str:
    """The message of an exception, without colours and without Keras' wrapper (the failed layer and its arguments).

    Time: reading the text a few times; it can be as long as a model's configuration.
    """
    text = _COLOURS.sub("", str(error))
    before, calling, after = text.partition(_CALLING)
    if _ENCOUNTERED in text and (before or not calling):
        text = text.rpartition(_ENCOUNTERED)[2]
    elif calling:
        _, newline, rest = after.partition("\n")
        text = before + rest.lstrip("\n") if newline else text
    return text.partition(_ARGUMENTS)[0].strip() or type(error).__name__
