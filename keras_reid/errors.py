"""The one exception that commands turn into a line on the terminal instead of a traceback."""


class UserError(ValueError):
    """A mistake in what the user gave: a path, an option, an image, a data set, an experiment file.

    The message says the rule, what was received, and the remedy, in one line. Commands print it to standard error
    and exit with code 2; in Python it is an ordinary `ValueError`. Anything else that is raised is a defect of
    this package and keeps its traceback.
    """
