"""The one exception that commands turn into a line on the terminal instead of a traceback."""

import re

# What Keras puts around the messages of its layers, and colours them with.
_CALLING, _ENCOUNTERED, _ARGUMENTS = (
    "Exception encountered when calling ",
    "Exception encountered:",
    "Arguments received by ",
)
_COLOURS = re.compile(r"\x1b\[[\d;]*m")


class UserError(ValueError):
    """A mistake in what the user gave: a path, an option, an image, a data set, an experiment file.

    The message says the rule, what was received, and the remedy, in one line. Commands print it to standard error
    and exit with code 2; in Python it is an ordinary `ValueError`. Anything else that is raised is a defect of
    this package and keeps its traceback.
    """


def reason(error):
    """What an exception says, without colours and what Keras puts around it: the failed layer and its arguments.

    Time: that of reading the text a few times, which is as long as the configuration of a model at times.
    """
    text = _COLOURS.sub("", str(error))
    before, calling, after = text.partition(_CALLING)
    if _ENCOUNTERED in text and (before or not calling):
        text = text.rpartition(_ENCOUNTERED)[2]
    elif calling:
        _, newline, rest = after.partition("\n")
        text = before + rest.lstrip("\n") if newline else text
    return text.partition(_ARGUMENTS)[0].strip() or type(error).__name__
