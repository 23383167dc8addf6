"""Why a file cannot be read, without its path, which only the reader of the whole file knows."""


class DamagedFile(ValueError):
    """The file is cut short or contradicts itself."""


class ForeignGlobal(ValueError):
    """A pickle names a function or class that no weights need. Its only argument is the dotted name.

    `whole` says whether all that the pickle holds is such an object, as a module that was saved without
    `.state_dict()`.
    """

    whole = False


class NeedsPyTorch(ValueError):
    """The file is in order, but what it holds only PyTorch can build. Its only argument says what that is."""
