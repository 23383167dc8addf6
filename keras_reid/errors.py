"""The one exception that commands turn into a line on the terminal instead of a traceback."""

import re

# What Keras puts around the messages of its layers, and colours them with.
_BEFORE = re.compile(r"Exception encountered when calling [^\n]*\n+|.*Exception encountered:", re.DOTALL)
_AFTER = re.compile(r"\s*Arguments received by .*", re.DOTALL)
_COLOURS = re.compile(r"\x1b\[[\d;]*m")


class UserError(ValueError):
    """A mistake in what the user gave: a path, an option, an image, a data set, an experiment file.

    The message says the rule, what was received, and the remedy, in one line. Commands print it to standard error
    and exit with code 2; in Python it is an ordinary `ValueError`. Anything else that is raised is a defect of
    this package and keeps its traceback.
    """


def reason(error):
    """What an exception says, without colours and what Keras puts around it: the failed layer and its arguments."""
    text = _AFTER.sub("", _BEFORE.sub("", _COLOURS.sub("", str(error)), count=1))
    return text.strip() or type(error).__name__
