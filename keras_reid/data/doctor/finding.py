"""What a check of the data has found."""

import dataclasses
import os

ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)


@dataclasses.dataclass(frozen=True)
class Picture:
    """An image of a finding.

    Args:
        path: the image file.
        caption: what there is to say of it, in a few words.
    """

    path: str
    caption: str = ""

    def __post_init__(self):
        object.__setattr__(self, "path", os.fspath(self.path))


@dataclasses.dataclass(frozen=True)
class Finding:
    """What is wrong, how bad it is, and with which images.

    Args:
        title: a heading of a few words.
        severity: `"error"`: results will be wrong, or a command will stop. `"warning"`: somebody should look at it.
            `"note"`: normal in many data sets, and good to know.
        sentence: what is wrong, with numbers, and what to do about it.
        cases: the images; those of one case belong together, such as two copies.
        lists: the lists of the JSON file in which the cases stand.
        whole: whether a case stands there with all of its paths, or with its first alone.
        drawn: whether the files can be shown as pictures.

    Raises:
        ValueError: an unknown severity.

    Example:
        >>> Finding("Empty images", "warning", "1 image is empty", ((Picture("a.jpg"),),), ("constant",)).paths()
        ['a.jpg']
    """

    title: str
    severity: str
    sentence: str
    cases: tuple[tuple[Picture, ...], ...] = ()
    lists: tuple[str, ...] = ()
    whole: bool = False
    drawn: bool = True

    def __post_init__(self):
        if self.severity not in SEVERITIES:
            raise ValueError(
                f"`severity` must be one of {', '.join(SEVERITIES)}. Received: {self.severity!r}"
            )

    def paths(self) -> list[str] | list[list[str]]:
        """The cases as the JSON file lists them."""
        if self.whole:
            return [[picture.path for picture in case] for case in self.cases]
        return [case[0].path for case in self.cases]


def by_severity(findings: list[Finding]) -> list[Finding]:
    """Errors first, then warnings, then notes; otherwise in their order."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
