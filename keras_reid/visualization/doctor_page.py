"""The page of the doctor: what is wrong with a data set, with the pictures."""

import os
import pathlib

from markupsafe import Markup

from keras_reid.data.doctor.examination import Examination
from keras_reid.data.doctor.finding import Finding, Picture
from keras_reid.visualization.figure import figure
from keras_reid.visualization.page import (
    Section,
    notes,
    page_header,
    render,
    table,
    write_page,
)
from keras_reid.visualization.thumbnails import thumbnail

_FRAME = (110, 128)  # pixels, width and height that a picture has to fit into
_FINER = 2.5  # than shown: a click shows a picture large
_MOST_SHOWN, _MOST_NAMED = 40, 1000  # cases of a finding
_VERDICTS = {
    None: "Nothing found",
    "note": "Only notes",
    "warning": "There are warnings",
    "error": "There are errors",
}


def write_doctor_page(path: str | os.PathLike, examination: Examination) -> None:
    """Writes a page with everything that was found, the worst first, and the counts by camera.

    Of a finding the first 40 cases are drawn, and the first 1000 named. Time: that of decoding them.

    Args:
        path: HTML file to write.
        examination: an `Examination`.

    Example:
        >>> write_doctor_page("doctor.html", examine(subject, "mine"))  # doctest: +SKIP
    """
    counts = examination.counts
    facts = [(f"{one['dataset']}, {one['part']}", _in_short(one)) for one in counts]
    header = page_header(
        f"Doctor: {examination.name}",
        f"{_VERDICTS[examination.severity]}. {len(examination.paths)} images were read.",
        facts=facts,
    )
    sections = []
    if examination.findings:
        rows = [
            (finding.title, finding.severity, len(finding.cases) or "–") for finding in examination.findings
        ]
        sections.append(Section("Overview", table(("Finding", "Severity", "Cases"), rows)))
    for number, finding in enumerate(examination.findings):
        sections.append(Section(finding.title, _cases(finding), f"finding-{number}"))
    for number, one in enumerate(counts):
        if one["cameras"]:
            title = f"Cameras: {one['dataset']}, {one['part']}"
            sections.append(Section(title, _cameras(one), f"cameras-{number}"))
    write_page(path, f"Doctor: {examination.name}", header, sections)


def _in_short(one):
    of_identity = one["images_of_identity"]
    return (
        f"{one['images']} images, {one['identities']} identities with {of_identity['min']} to {of_identity['max']} "
        f"images (median {of_identity['median']:g}), {len(one['cameras']) or 'unknown'} cameras"
    )


def _cases(finding: Finding) -> Markup:
    shown = finding.cases[:_MOST_SHOWN] if finding.drawn else ()
    rows = [[_figure(picture) for picture in case] for case in shown]
    files = [
        " · ".join(
            f"{picture.path} ({picture.caption})" if picture.caption else picture.path for picture in case
        )
        for case in finding.cases[:_MOST_NAMED]
    ]
    return render(
        "cases",
        severity=finding.severity,
        sentence=finding.sentence,
        rows=rows,
        more=len(finding.cases) - len(shown) if shown else 0,
        files=files,
    )


def _figure(picture: Picture):
    image = thumbnail(picture.path, _FRAME, _FINER)
    return figure(image, _FRAME, f"{pathlib.Path(picture.path).name}: {picture.caption}", picture.caption)


def _cameras(one):
    rows = [(camera, each["images"], each["identities"]) for camera, each in one["cameras"].items()]
    return table(("Camera", "Images", "Identities"), rows) + notes(
        f"{one['images']} images of {one['identities']} identities in all."
    )
