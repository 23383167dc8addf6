"""A number with its noun, for messages."""


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun.

    Args:
        count: the number.
        one: the noun for 1.
        many: for all other numbers; by default with an s.

    Example:
        >>> counted(1, "image"), counted(0, "image"), counted(2, "identity", "identities")
        ('1 image', '0 images', '2 identities')
    """
    return f"{count} {noun(count, one, many)}"


def noun(count: int, one: str, many: str = "") -> str:
    """The noun alone, as `counted` has it.

    Example:
        >>> noun(2, "image")
        'images'
    """
    return one if count == 1 else many or f"{one}s"
