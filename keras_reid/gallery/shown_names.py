"""Names of identities and cameras for people's eyes: they are data, and may be anything."""

from __future__ import annotations

_LONGEST = 60  # characters


def shown_text(text: str, longest: int = _LONGEST) -> str:
    """A text that is safe to print: control characters and those that turn the direction become "·", and it is cut.

    Example:
        >>> shown_text("Anna\\x1b[2J")
        'Anna·[2J'
    """
    cut = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return "".join(one if one.isprintable() else "·" for one in cut)


def shown_identity(identity: int | str, name: str | None) -> str:
    """The name of an identity, or its number if it has none.

    Example:
        >>> shown_identity(12, None)
        '#12'
    """
    if name is not None:
        return shown_text(name)
    return f"#{identity}" if isinstance(identity, int) else shown_text(identity)
