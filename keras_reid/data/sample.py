"""One image of one identity."""

import dataclasses
import os


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """One image: where it lies, who it shows, and which camera took it.

    Args:
        path: image file, `str` or `pathlib.Path`; kept as `str`.
        identity: who or what the image shows; an integer or a string. Identities are compared as strings, so
            `7` and `"7"` are one identity, `"07"` is another.
        camera: camera that took it; an integer, a string, or None where it is not known. Compared as strings.

    Raises:
        ValueError: if `identity` is neither an integer nor a string.

    Example:
        >>> Sample("images/0002_c1s1_000451_03.jpg", identity=2, camera=0)
        Sample(path='images/0002_c1s1_000451_03.jpg', identity=2, camera=0)
    """

    path: str
    identity: int | str
    camera: int | str | None = None

    def __post_init__(self):
        object.__setattr__(self, "path", os.fspath(self.path))
        if self.identity is None or isinstance(self.identity, (bool, float)) or self.identity == "":
            raise ValueError(
                f"`identity` must be an integer or a string that is not empty. "
                f"Received: identity={self.identity!r} for {self.path}"
            )
