"""Why a file cannot be read. The reader of the whole file adds its path."""


class DamagedFile(ValueError):
    """The file is cut short or contradicts itself."""


class ForeignGlobal(ValueError):
    """A pickle names a function or class that weights do not need. The only argument is the dotted name.

    `whole` says whether all that the pickle holds is such an object, as a module that was saved without
    `.state_dict()`. `key` is the key of the outermost dict under which it lies, or None.
    """

    whole = False
    key: str | None = None


class NeedsPyTorch(ValueError):
    """The file is in order, but only PyTorch can build what it holds. The only argument says what that is."""
