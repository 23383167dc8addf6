"""Copies of an image where they matter: under two identities, in training and test, as a query and its own match."""

import collections
import enum

import numpy as np

from keras_reid.data.doctor.finding import ERROR, NOTE, WARNING, Finding, Picture
from keras_reid.data.doctor.picture_hash import candidate_pairs, picture_hashes
from keras_reid.data.doctor.same_picture import SAME, unexplained
from keras_reid.data.doctor.small_pictures import SmallPictures
from keras_reid.data.doctor.subject import Place, Subject
from keras_reid.data.duplicates import same_contents
from keras_reid.data.protocols import CROSS_CAMERA
from keras_reid.utils.progress import progress

_NEAREST = 8  # others that an image is compared with where they matter
_BLOCK = 1024  # pairs that are compared between two signs of progress


class Relation(enum.IntEnum):
    """What two copies are to each other, the worst last."""

    APART = 0  # in two test sets, which have nothing to do with each other
    FRAMES = 1  # of one identity and camera: neighbours in a video
    CAMERAS = 2
    FOUND = 3
    TRAINED = 4
    IDENTITIES = 5


_TITLES = {
    Relation.IDENTITIES: "under two identities",
    Relation.TRAINED: "in training and test",
    Relation.FOUND: "of queries in the gallery",
    Relation.CAMERAS: "under two cameras",
}
_CONSEQUENCES = {
    Relation.IDENTITIES: "have two identities, such as {}: at least one of them is wrong",
    Relation.TRAINED: "are in training and test, such as {}: results on them say nothing about images that are new",
    Relation.FOUND: "are a query and an image of the gallery that counts as its match, such as {}: the query finds "
    "itself, and results are too good",
    Relation.CAMERAS: "have one identity and two cameras, such as {}: at least one camera is wrong",
}


def copy_findings(
    subject: Subject, small: SmallPictures, firsts: dict[str, str] | None = None
) -> list[Finding]:
    """Copies to the byte and near copies (compressed again, slightly cropped, brightened), where they matter.

    Neighbouring frames of a video are near copies, and normal: those of one identity and camera are counted, unless one
    is a query that counts the other as a match.

    Time: about 1 ms an image, which grows with n log n; up to 0.5 ms for each pair of images that look much alike.
    Memory: about 1 kB an image.

    Args:
        subject: what is examined.
        small: `SmallPictures` of its images.
        firsts: of `same_contents`; None to look for them.

    Returns:
        list of `Finding`s: for each relation the copies to the byte, then the near copies.

    Example:
        >>> [finding.title for finding in copy_findings(subject, small)]  # doctest: +SKIP
        ['Near copies under two identities']
    """
    places = {}
    for place in subject.places():
        places.setdefault(place.sample.path, []).append(place)
    firsts = same_contents(places) if firsts is None else firsts
    found = {}
    frames = set()
    for near, pairs in ((False, _exact(firsts)), (True, _near(small, places, firsts))):
        for one, other, relation in pairs if near else _related(pairs, places):
            if relation == Relation.FRAMES:
                frames.update((one, other))
            elif relation > Relation.FRAMES:
                found.setdefault((relation, near), []).append((one, other))
    findings = [
        _finding(relation, near, found[relation, near], places, subject)
        for relation in sorted(_TITLES, reverse=True)
        for near in (False, True)
        if (relation, near) in found
    ]
    if frames:
        findings.append(
            Finding(
                "Frames that hardly differ",
                NOTE,
                f"{len(frames)} of {len(places)} images have a copy or near copy of the same identity and camera, as "
                "neighbouring frames of a video: they add little to training and test",
            )
        )
    return findings


def relation_of(one: list[Place], other: list[Place]) -> Relation:
    """The worst relation between the places of an image and those of its copy.

    Args:
        one: the places of one image.
        other: those of the other.

    Returns:
        a `Relation`.
    """
    return max(_relation(here, there) for here in one for there in other)


def _relation(here, there):
    if here.tested != there.tested:
        return Relation.TRAINED
    if here.dataset is not there.dataset:
        return Relation.APART
    if here.identity != there.identity:
        return Relation.IDENTITIES
    cameras = here.camera is not None and there.camera is not None and here.camera != there.camera
    if here.part != there.part and (cameras or here.dataset.protocol != CROSS_CAMERA):
        return Relation.FOUND
    return Relation.CAMERAS if cameras else Relation.FRAMES


def _exact(firsts):
    groups = {}
    for path, first in firsts.items():
        groups.setdefault(first, [first]).append(path)
    return [
        (one, other)
        for group in groups.values()
        for place, other in enumerate(group)
        # Of many files of one content, such as a picture that says "no image", each stands beside a few.
        for one in dict.fromkeys([*group[: min(place, 3)], *group[max(place - 3, 0) : place]])
    ]


def _related(pairs, places):
    """The pairs with their relation, each file with one other of each relation."""
    seen = set()
    for one, other in pairs:
        relation = relation_of(places[one], places[other])
        if (other, relation) not in seen:
            seen.add((other, relation))
            yield one, other, relation


def _near(small, places, firsts):
    """`(one, other, relation)` of near copies."""
    distinct = [place for place, path in enumerate(small.paths) if path not in firsts]
    paths = [small.paths[place] for place in distinct]
    pictures = small.pictures[distinct]
    hashes = picture_hashes(pictures)
    pairs = candidate_pairs(hashes)
    relations = np.array([relation_of(places[paths[i]], places[paths[j]]) for i, j in pairs.tolist()], int)
    pairs, relations = _nearest_few(pairs, relations, hashes)
    same = np.zeros(len(pairs), bool)
    with progress("comparing pictures", total=len(pairs), unit="pairs") as advance:
        for start in range(0, len(pairs), _BLOCK):
            some = pairs[start : start + _BLOCK]
            same[start : start + _BLOCK] = unexplained(pictures[some[:, 0]], pictures[some[:, 1]]) < SAME
            advance(len(some))
    for (i, j), relation in zip(pairs[same].tolist(), relations[same].tolist(), strict=True):
        yield paths[i], paths[j], Relation(relation)


def _nearest_few(pairs, relations, hashes):
    """Leaves out most frames of long videos: of each relation, each image is compared with the few nearest others."""
    if not len(pairs):
        return pairs, relations
    different = (hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]).sum(axis=1)
    keep = np.zeros(len(pairs), bool)
    for relation in np.unique(relations):
        some = np.flatnonzero(relations == relation)
        for end in (0, 1):
            image = pairs[some, end]
            order = np.lexsort((different[some], image))
            starts = np.flatnonzero(np.diff(image[order], prepend=-1))
            ranks = np.arange(len(some)) - np.repeat(starts, np.diff([*starts, len(some)]))
            keep[some[order[ranks < (1 if relation <= Relation.FRAMES else _NEAREST)]]] = True
    return pairs[keep], relations[keep]


def _finding(relation, near, pairs, places, subject):
    one, other = pairs[0]
    example = f"{one} and {other}"
    if relation == Relation.IDENTITIES:
        example += f", identities {places[one][0].identity!r} and {places[other][0].identity!r}"
    what = f"{'pair' if len(pairs) == 1 else 'pairs'} of " + (
        "nearly the same picture" if near else "files of the same content"
    )
    severe = relation == Relation.IDENTITIES or (
        relation == Relation.FOUND and _most_queries(pairs, places, subject)
    )
    lists = ["duplicates", "near_duplicates" if near else "exact_duplicates"]
    return Finding(
        f"{'Near copies' if near else 'Copies'} {_TITLES[relation]}",
        ERROR if severe and not near else WARNING,
        f"{len(pairs)} {what} {_CONSEQUENCES[relation].format(example)}",
        tuple(tuple(Picture(path, _places(places[path])) for path in pair) for pair in pairs),
        tuple(lists + ["conflicting_labels"] * (relation == Relation.IDENTITIES)),
        whole=True,
    )


def _most_queries(pairs, places, subject):
    """Whether so many queries find themselves that `fit` and `evaluate` will refuse the test set."""
    queries = {path for pair in pairs for path in pair for place in places[path] if place.part == "query"}
    counts = collections.Counter(id(place.dataset) for path in queries for place in places[path][:1])
    return any(2 * counts[id(test)] > len(test.query) for test in subject.tests if test.query)


def _places(places):
    return "; ".join(map(str, places))
