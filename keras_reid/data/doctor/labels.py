"""What identities and cameras tell by themselves: no file is opened."""

import collections
import statistics

from keras_reid.data.doctor.finding import ERROR, NOTE, WARNING, Finding, Picture
from keras_reid.data.doctor.subject import TRAIN, Subject
from keras_reid.data.protocols import CROSS_CAMERA, LEAVE_ONE_OUT
from keras_reid.data.split import group_by_identity

_SHARE = 0.1  # of the images: an identity with more, and with so many times the median, may be several
_TIMES = 20


def label_findings(subject: Subject) -> list[Finding]:
    """Identities with one image or one camera, a camera that is constant within identities, names that differ only in
    writing, queries with nothing to find, and an identity that may be several.

    Time: about 10 µs an image. Memory: about 200 bytes an image.

    Args:
        subject: what is examined.

    Returns:
        list of `Finding`s, empty where nothing is wrong.
    """
    found = []
    if subject.train is not None and subject.train.train:
        groups = group_by_identity(subject.train.train)
        found += _one_image(subject.train.name, groups)
        found += _one_camera(f"training identities of {subject.train.name}", groups, tested=False)
        found += _names(f"training identities of {subject.train.name}", groups)
        found += _large(f"training identities of {subject.train.name}", groups)
    for test in subject.tests:
        if not test.query:
            continue
        groups = group_by_identity(dict.fromkeys([*test.query, *test.gallery]))
        found += _nothing_to_find(test)
        found += _one_camera(f"test identities of {test.name}", groups, tested=True)
        found += _names(f"test identities of {test.name}", groups)
        found += _large(f"test identities of {test.name}", groups)
    return found


def _one_image(name, groups):
    alone = [samples[0] for samples in groups.values() if len({sample.path for sample in samples}) == 1]
    if not alone:
        return
    yield Finding(
        "Identities with one image",
        WARNING,
        f"{len(alone)} of {len(groups)} training identities of {name} have one image, such as "
        f"{alone[0].identity!r}: no other image of theirs can be learned from. Add images, or leave them out",
        tuple((Picture(sample.path, f"{TRAIN}, {sample.identity}"),) for sample in alone),
        ("single_image_identities",),
    )


def _one_camera(who, groups, tested):
    """Of those with several images, where there are several cameras at all."""
    several = [samples for samples in groups.values() if len({sample.path for sample in samples}) > 1]
    if any(sample.camera is None for samples in several for sample in samples):
        return
    cameras = {str(sample.camera) for samples in groups.values() for sample in samples}
    single = [samples for samples in several if len({str(sample.camera) for sample in samples}) == 1]
    if len(cameras) < 2 or not single:
        return
    first = single[0][0]
    example = f"such as {first.identity!r} by camera {first.camera!r} ({first.path})"
    cases = tuple(
        (Picture(samples[0].path, f"{samples[0].identity}, camera {samples[0].camera}"),)
        for samples in single
    )
    if len(single) < len(several):
        sentence = (
            f"{len(single)} of {len(several)} {who} with several images were seen by one camera only, {example}: "
            + ("across cameras there is nothing to find" if tested else "they teach nothing across cameras")
        )
        yield Finding("Identities of one camera", NOTE, sentence, cases, ("single_camera_identities",))
        return
    consequence = (
        "an evaluation across cameras is impossible" if tested else "nothing can be learned across cameras"
    )
    yield Finding(
        "The camera is constant within identities",
        ERROR if tested else WARNING,
        f"each of the {len(several)} {who} with several images was seen by one camera only, {example}: {consequence}. "
        "If that is not a camera, say how to read it (`pattern` of Folder, column camera of CSV)",
        cases,
        ("single_camera_identities",),
    )


def _nothing_to_find(test):
    """Queries without a match that counts."""
    cameras, images = {}, collections.Counter()
    for sample in test.gallery:
        cameras.setdefault(str(sample.identity), set()).add(str(sample.camera))
        images[str(sample.identity)] += 1

    def can_find(sample):
        identity = str(sample.identity)
        if test.protocol == CROSS_CAMERA:
            return bool(cameras.get(identity, set()) - {str(sample.camera)})
        return images[identity] > (test.protocol == LEAVE_ONE_OUT)

    vain = [sample for sample in test.query if not can_find(sample)]
    if vain:
        where = "under another camera" if test.protocol == CROSS_CAMERA else "in the gallery"
        yield Finding(
            "Queries with nothing to find",
            WARNING,
            f"{len(vain)} of {len(test.query)} queries of {test.name} have no match {where}, such as {vain[0].path}: "
            "they are left out of the metrics",
            tuple((Picture(sample.path, f"query, {sample.identity}"),) for sample in vain),
            ("queries_without_match",),
        )


def _names(who, groups):
    """Names that a hand would write for one identity: 7 and 07, anna and Anna."""
    alike = {}
    for name in groups:
        alike.setdefault(_plain(name), []).append(name)
    alike = [names for names in alike.values() if len(names) > 1]
    if alike:
        yield Finding(
            "Names that differ only in writing",
            WARNING,
            f"{len(alike)} names of {who} are written in several ways, such as "
            f"{' and '.join(map(repr, alike[0]))}, and count as different identities. Give each identity one name",
            tuple(
                tuple(Picture(groups[name][0].path, f"identity {name}") for name in names) for names in alike
            ),
            ("similar_names",),
            whole=True,
        )


def _plain(name):
    name = name.casefold().strip()
    return name.lstrip("0") or "0" if name.isdecimal() else name


def _large(who, groups):
    sizes = {name: len(samples) for name, samples in groups.items()}
    total, median = sum(sizes.values()), statistics.median(sizes.values())
    for name, size in sizes.items():
        if len(sizes) > 2 and size > _SHARE * total and size > _TIMES * median:
            yield Finding(
                "One identity with very many images",
                NOTE,
                f"{name!r} of the {who} has {size} of {total} images, the median is {median:g}. If it collects several "
                "(distractors, unknown), leave it out of the training",
                ((Picture(groups[name][0].path, name),),),
                ("large_identities",),
            )
