"""What a model says of a data set's identities, as findings of the doctor."""

from typing import Any

import numpy as np

from keras_reid.data.doctor.examination import Examination
from keras_reid.data.doctor.finding import NOTE, WARNING, Finding, Picture
from keras_reid.data.doctor.subject import Subject
from keras_reid.embedding import check_finite, embed_paths
from keras_reid.evaluation.analysis.impostor_ceiling import impostor_ceiling
from keras_reid.evaluation.analysis.suspect_identities import suspect_identities


def model_findings(
    subject: Subject, model: Any, examination: Examination, batch_size: int = 64
) -> list[Finding]:
    """Images whose identity is likely wrong, and references that raise the impostor ceiling.

    Training images and the images of each test set are judged apart, as their identities may be named alike. Copies
    under two identities are left out: each would find the other. So are suspects when the ceiling is looked for.

    Time: embedding every image once, and see `suspect_identities` and `impostor_ceiling`. Memory: the embeddings.

    Args:
        subject: what is examined.
        model: a `ReIDModel`.
        examination: what was found without a model.
        batch_size: images.

    Returns:
        list of `Finding`s.

    Raises:
        UserError: an embedding is not finite; the message names the first image.

    Example:
        >>> examination.with_findings(model_findings(subject, model, examination))  # doctest: +SKIP
    """
    if not examination.paths:
        return []
    embeddings = embed_paths(model, examination.paths, batch_size)
    check_finite(examination.paths, embeddings)
    row_of = {path: row for row, path in enumerate(examination.paths)}
    left_out = set(_conflicting(examination))
    findings = []
    for what, samples in _groups(subject):
        some = {sample.path: sample for sample in samples}
        paths = [path for path in some if path in row_of and path not in left_out]
        names, identities = np.unique([str(some[path].identity) for path in paths], return_inverse=True)
        if len(names) < 2:
            continue
        rows = embeddings[[row_of[path] for path in paths]]
        cameras = np.unique([str(some[path].camera) for path in paths], return_inverse=True)[1]
        suspects = suspect_identities(rows, identities, cameras)
        findings += _suspects(what, suspects, paths, names, identities, rows)
        kept = np.setdiff1d(np.arange(len(paths)), suspects.rows)
        if len(np.unique(identities[kept])) > 1:
            ceiling = impostor_ceiling(rows[kept], identities[kept])
            findings += _impostors(what, ceiling, [paths[row] for row in kept], names[identities[kept]])
    return findings


def _groups(subject):
    if subject.train is not None and subject.train.train:
        yield f"training images of {subject.train.name}", subject.train.train
    for test in subject.tests:
        if test.query:
            yield f"test images of {test.name}", test.query + test.gallery


def _conflicting(examination):
    for finding in examination.findings:
        if "conflicting_labels" in finding.lists:
            for case in finding.cases:
                yield from (picture.path for picture in case)


def _suspects(what, suspects, paths, names, identities, embeddings):
    if not len(suspects):
        return
    cases = []
    for row, own, other, identity in zip(
        suspects.rows, suspects.own, suspects.other, suspects.other_identity, strict=True
    ):
        of_own = _most_typical(embeddings, identities, identities[row], row)
        of_other = _most_typical(embeddings, identities, identity, row)
        cases.append(
            (
                Picture(paths[row], f"labelled {names[identities[row]]}"),
                Picture(paths[of_own], f"{names[identities[row]]}: similarity {own:.2f}"),
                Picture(paths[of_other], f"{names[identity]}: similarity {other:.2f}"),
            )
        )
    row = suspects.rows[0]
    yield Finding(
        f"Likely wrong identities: {what}",
        WARNING,
        f"{len(suspects)} of {len(paths)} {what} look like another identity and not like their own, such as "
        f"{paths[row]}, labelled {str(names[identities[row]])!r}, which looks like "
        f"{str(names[suspects.other_identity[0]])!r}. Look at them, and correct the identity or leave them out",
        tuple(cases),
        ("suspect_identities",),
    )


def _most_typical(embeddings, identities, identity, but):
    """The image of an identity that is nearest to their mean."""
    rows = np.flatnonzero(identities == identity)
    rows = rows[rows != but]
    return rows[(embeddings[rows] @ embeddings[rows].mean(axis=0)).argmax()]


def _impostors(what, ceiling, paths, names):
    if not len(ceiling.rows):
        return
    cases = tuple(
        (
            Picture(paths[row], f"{names[row]}: near to {count} other identities"),
            Picture(paths[near], f"{names[near]}, the nearest"),
        )
        for row, count, near in zip(ceiling.rows, ceiling.impostors, ceiling.nearest, strict=True)
    )
    yield Finding(
        f"References that raise the impostor ceiling: {what}",
        NOTE,
        f"{len(ceiling.rows)} of {len(paths)} {what} look like many other identities, such as "
        f"{paths[ceiling.rows[0]]} like {ceiling.impostors[0]}. Without them, the similarity that one of a thousand "
        f"pairs of different identities reaches falls from {ceiling.level:.2f} to {ceiling.level_without:.2f}. As "
        "references (gallery), leave them out",
        cases,
        ("impostor_references",),
    )
