"""Images in two roles: queries that are also in the gallery, files with two identities, test images trained on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_reid.data.duplicates import same_contents
from keras_reid.data.protocols import CROSS_CAMERA, LEAVE_ONE_OUT
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.data.dataset import ReIDDataset


def check_paths(dataset: ReIDDataset) -> None:
    """Refuses a data set in which one file has two identities, or a query lies in the gallery under another camera.

    A file may be in query and gallery under the same camera, where it does not count, and in training and test.

    Args:
        dataset: a `ReIDDataset`.

    Raises:
        UserError: naming the first file.
    """
    for samples in ([*dataset.train, *dataset.validation], [*dataset.query, *dataset.gallery]):
        if pairs := _contradictions(samples):
            one, other = pairs[0]
            raise UserError(
                f"{len(pairs)} images of data set {dataset.name!r} have two identities, the first is {one.path}: "
                f"{one.identity!r} and {other.identity!r}; leave one of them out"
            )
    if dataset.protocol == CROSS_CAMERA and (pairs := _found_again(dataset)):
        one, other = pairs[0]
        raise UserError(
            f"{len(pairs)} queries of data set {dataset.name!r} are in the gallery under another camera, the first is "
            f"{one.path}: cameras {one.camera!r} and {other.camera!r}. Each would find itself; leave one of them out"
        )


def check_contents(
    tests: Sequence[ReIDDataset], trained: ReIDDataset | None = None, identities: bool = True
) -> None:
    """Looks for files of the same content in two roles, whatever they are called.

    A query whose copy counts in the gallery finds itself, which makes results too good. Published benchmarks have a few
    such queries, so a few give a warning; more than half of a test set are an error. There are also warnings for copies
    with two identities, and for test images that are trained on.

    Time and memory: see `keras_reid.data.duplicates`.

    Args:
        tests: `ReIDDataset`s with a test part.
        trained: `ReIDDataset` that is trained on; None for the training part of each test set.
        identities: whether its identities are used.

    Raises:
        UserError: if more than half of the queries of a set have a copy in its gallery that counts.
    """
    trains = [(trained or test).train for test in tests]
    parts = [*(test.query for test in tests), *(test.gallery for test in tests), *trains]
    firsts = same_contents(sample.path for part in parts for sample in part)

    def content(sample):
        return firsts.get(sample.path, sample.path)

    if trained and identities:
        _warn_of_identities("training", trained, trained.train, content)
    for test, train in zip(tests, trains, strict=True):
        _check_queries(test, content)
        tested = dict.fromkeys([*test.query, *test.gallery])
        _warn_of_identities("test", test, tested, content)
        of_training = {content(sample): sample for sample in train}
        both = [(sample, of_training[content(sample)]) for sample in tested if content(sample) in of_training]
        if both:
            _warn(
                f"{len(both)} of {len(tested)} test images of data set {test.name!r} are also trained on, such as "
                f"{_named(*both[0])}: results on them say nothing about images that are new"
            )


def _check_queries(test, content):
    pairs = _found_again(test, content)
    if not pairs:
        return
    what = (
        f"{len(pairs)} of {len(test.query)} queries of data set {test.name!r} have a copy of themselves in the gallery "
        f"that counts as a match, such as {_named(*pairs[0])}"
    )
    if 2 * len(pairs) > len(test.query):
        raise UserError(f"{what}: they would find themselves. Leave the copies out")
    _warn(f"{what}: results are too good by that much")


def _warn_of_identities(what, dataset, samples, content):
    if pairs := _contradictions(samples, content):
        one, other = pairs[0]
        _warn(
            f"{len(pairs)} {what} images of data set {dataset.name!r} are copies of one of another identity, such as "
            f"{_named(one, other)}, identities {one.identity!r} and {other.identity!r}"
        )


def _named(one, other):
    return one.path if one.path == other.path else f"{one.path} and {other.path}"


def _warn(message):
    warnings.warn(message, stacklevel=3)


def _path(sample):
    return sample.path


def _contradictions(samples, key=_path):
    """Pairs of samples of one key and two identities, the first of the key with each other."""
    firsts = {}
    pairs = ((firsts.setdefault(key(sample), sample), sample) for sample in samples)
    return [(one, other) for one, other in pairs if str(one.identity) != str(other.identity)]


def _found_again(dataset, key=_path):
    """Queries with an item of the same key and identity in the gallery that counts under the protocol, as pairs."""
    items = {}
    for sample in dataset.gallery:
        items.setdefault((key(sample), str(sample.identity)), []).append(sample)
    pairs = []
    for query in dataset.query:
        found = items.get((key(query), str(query.identity)), ())
        if dataset.protocol == CROSS_CAMERA:
            found = [item for item in found if str(item.camera) != str(query.camera)]
        elif dataset.protocol == LEAVE_ONE_OUT:
            found = [item for item in found if item.path != query.path]
        if found:
            pairs.append((query, found[0]))
    return pairs
