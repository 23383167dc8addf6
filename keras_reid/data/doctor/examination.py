"""All checks of the data that need no model."""

import dataclasses
from typing import Any

from keras_reid.data.doctor.appearance import appearance_findings
from keras_reid.data.doctor.copies import copy_findings
from keras_reid.data.doctor.counting import count
from keras_reid.data.doctor.finding import ERROR, NOTE, SEVERITIES, Finding, Picture, by_severity
from keras_reid.data.doctor.labels import label_findings
from keras_reid.data.doctor.passed_over import passed_over_files
from keras_reid.data.doctor.small_pictures import small_pictures
from keras_reid.data.doctor.subject import Subject
from keras_reid.data.duplicates import same_contents
from keras_reid.data.unreadable import unreadable_images

# Every list of the JSON file, so that each is there, if only empty.
LISTS = (
    "duplicates",
    "exact_duplicates",
    "near_duplicates",
    "conflicting_labels",
    "suspect_identities",
    "impostor_references",
    "unreadable",
    "passed_over",
    "tiny",
    "odd_shapes",
    "greyscale",
    "constant",
    "single_image_identities",
    "single_camera_identities",
    "queries_without_match",
    "similar_names",
    "large_identities",
)


@dataclasses.dataclass(frozen=True)
class Examination:
    """What was found in the data.

    Args:
        name: of what was examined.
        counts: of `keras_reid.data.doctor.counting.count`.
        findings: the worst first.
        paths: every image that can be read, once.
    """

    name: str
    counts: list[dict]
    findings: list[Finding]
    paths: list[str]

    @property
    def severity(self) -> str | None:
        """Of the worst finding; None where nothing was found."""
        present = {finding.severity for finding in self.findings}
        return next((severity for severity in SEVERITIES if severity in present), None)

    def is_clean(self) -> bool:
        """Whether nothing worse than a note was found."""
        return self.severity in (None, NOTE)

    def with_findings(self, more: list[Finding]) -> "Examination":
        """The same with other findings added."""
        return dataclasses.replace(self, findings=by_severity([*self.findings, *more]))

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON: `{"subject", "severity", "counts", "findings", "duplicates": [[path,
        path], …], "suspect_identities": [path, …], …}` with all of `LISTS`.
        """
        lists = {name: [] for name in LISTS}
        for finding in self.findings:
            for name in finding.lists:
                lists[name] += finding.paths()
        findings = [
            {
                "title": finding.title,
                "severity": finding.severity,
                "sentence": finding.sentence,
                "lists": list(finding.lists),
            }
            for finding in self.findings
        ]
        return {
            "subject": self.name,
            "severity": self.severity,
            "counts": self.counts,
            "findings": findings,
            **lists,
        }


def examine(subject: Subject, name: str) -> Examination:
    """Every check of labels and files that needs no model, with progress.

    Time: each image is decoded twice; 9000 images of 128 × 64 pixels take 20 seconds on two cores. Memory: about 4 kB
    an image.

    Args:
        subject: what is examined.
        name: of it.

    Returns:
        `Examination`.

    Example:
        >>> dataset = Folder().read("pictures")  # doctest: +SKIP
        >>> examine(Subject(dataset, (dataset,)), "pictures").severity  # doctest: +SKIP
        'warning'
    """
    paths = subject.paths()
    reasons = unreadable_images(paths)
    readable = [path for place, path in enumerate(paths) if place not in reasons]
    findings = [*_unreadable(paths, reasons), *label_findings(subject)]
    if readable:
        firsts = same_contents(readable)
        small = small_pictures(readable)
        findings += copy_findings(subject, small, firsts)
        findings += appearance_findings(small)
    findings += passed_over_files(subject)
    return Examination(name, count(subject), by_severity(findings), readable)


def _unreadable(paths, reasons):
    if reasons:
        place, reason = next(iter(reasons.items()))
        yield Finding(
            "Files that cannot be read",
            ERROR,
            f"{len(reasons)} of {len(paths)} images cannot be read, such as {paths[place]}: {reason}. Repair or remove "
            "them, or leave them out with --skip-unreadable",
            tuple((Picture(paths[place], reason),) for place, reason in reasons.items()),
            ("unreadable",),
            drawn=False,
        )
