"""Parts for data that comes without: identities to test on, then their query and gallery images."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_reid.data.dataset import ALL, CROSS_CAMERA, LEAVE_ONE_OUT, PROTOCOLS, ReIDDataset
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.data.sample import Sample

_RULES = {
    CROSS_CAMERA: "the first image of each camera is a query while another camera keeps one in the gallery",
    ALL: "the first image of each identity is the query, the others are gallery",
    LEAVE_ONE_OUT: "every image of theirs is a query, and gallery for the others",
}


def split_dataset(
    name: str, samples: Sequence[Sample], test_identities: float | int, seed: int, protocol: str | None
) -> ReIDDataset:
    """Splits samples by identity into a training and a test part, and the test part into query and gallery.

    1. Test identities are drawn at random with `seed`: all their images are test images, all others training
       images.
    2. Protocol, where it is not given: cross-camera if every test image has a camera and every test identity
       with more than one image was seen by at least two cameras; else all, with a warning if there are cameras.
    3. Cross-camera: camera by camera, the first image of an identity becomes a query if, with it gone, every
       query so far still finds the identity in the gallery under another camera. With 2 cameras × 1 image,
       the first camera's image is the query and the second's is gallery.
       All: the first image of an identity is the query, if it has another.
    4. All other images are gallery. So no image is in both, every query has a match, and a test identity
       that cannot be searched for is a distractor. "First" is by camera name, then by path.

    Args:
        name: of the data set.
        samples: list of `Sample`.
        test_identities: share (float, 0.0 … 1.0) or number (int) of identities to test on.
        seed: non-negative integer.
        protocol: `"cross_camera"`, `"all"`, `"leave_one_out"` (then every test image is query and gallery) or None.

    Returns:
        a `ReIDDataset`; its `split` says all this in words.

    Raises:
        UserError: if the number does not fit the identities there are, or nothing can be found under the
            protocol.
    """
    if protocol is not None and protocol not in PROTOCOLS:
        names = ", ".join(map(repr, PROTOCOLS))
        raise UserError(f"`protocol` must be one of {names}, or None. Received: {protocol!r}")
    groups = group_by_identity(samples)
    held_out = _draw_test_identities(name, list(groups), test_identities, seed)
    train = [sample for sample in samples if str(sample.identity) not in held_out]
    if not held_out:
        return ReIDDataset(name, train, protocol=protocol, split="all identities for training")
    test = [groups[identity] for identity in sorted(held_out)]
    protocol = protocol or automatic_protocol(name, test)
    query, gallery = [], []
    for group in test:
        if protocol == LEAVE_ONE_OUT:
            query, gallery = query + group, gallery + group
            continue
        chosen = _cross_camera_queries(group) if protocol == CROSS_CAMERA else group[: len(group) > 1]
        query += chosen
        gallery += [sample for sample in group if sample not in chosen]
    if not query:
        wanted = "two images"
        if protocol == CROSS_CAMERA:
            wanted = "images from two cameras, as the protocol 'cross_camera' asks (or set protocol='all')"
        raise UserError(f"none of the {len(held_out)} test identities of data set {name!r} has {wanted}")
    split = f"{len(held_out)} of {len(groups)} identities for testing (seed {seed}); {_RULES[protocol]}"
    return ReIDDataset(name, train, query, gallery, protocol, split)


def automatic_protocol(name: str, groups: Sequence[Sequence[Sample]]) -> str:
    """Cross-camera where it can be; warns where every image has a camera, and it still cannot.

    Args:
        name: of the data set.
        groups: lists of one identity's samples each.

    Returns:
        the name of the protocol.
    """
    if any(sample.camera is None for group in groups for sample in group):
        return ALL
    single = [group for group in groups if len(group) > 1 and len({sample.camera for sample in group}) == 1]
    if not single:
        return CROSS_CAMERA
    first = single[0][0]
    warnings.warn(
        f"{len(single)} of {len(groups)} test identities of data set {name!r} were seen by one camera only, the first "
        f"is {first.identity!r} by camera {first.camera!r} ({first.path}). So the protocol is 'all': every gallery "
        "image counts, and results are better than across cameras. If that is not a camera, say how to read it "
        "(`pattern` of Folder, column camera of CSV); if it is, set protocol='cross_camera', or protocol='all' to mean "
        "this",
        stacklevel=2,
    )
    return ALL


def group_by_identity(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """Identity as a string → its samples by camera and path, in the order of the identities' strings."""
    groups = {}
    for sample in sorted(samples, key=lambda sample: (str(sample.identity), str(sample.camera), sample.path)):
        groups.setdefault(str(sample.identity), []).append(sample)
    return groups


def _draw_test_identities(name, identities, wanted, seed):
    if isinstance(wanted, bool) or not isinstance(wanted, (int, float)) or wanted < 0:
        raise UserError(f"`test_identities` must be a share 0.0 … 1.0 or a number. Received: {wanted!r}")
    if isinstance(wanted, float) and wanted > 1:
        raise UserError(
            f"`test_identities` as a share must be at most 1.0. Received: {wanted!r}; "
            "write a number of identities without the point"
        )
    count = round(wanted * len(identities)) if isinstance(wanted, float) else wanted
    if count > len(identities):
        raise UserError(
            f"`test_identities` asks for {count} identities, but data set {name!r} has only {len(identities)}"
        )
    if count == 0 and wanted > 0:
        raise UserError(
            f"`test_identities` of {wanted} is less than one of the {len(identities)} identities of {name!r}"
        )
    order = np.random.default_rng(seed).permutation(len(identities))
    return {identities[place] for place in order[:count]}


def _cross_camera_queries(group):
    """Queries of one identity; `group` is sorted by camera and path."""
    chosen = []
    first = {sample.camera: sample for sample in reversed(group)}
    for camera in sorted(first, key=str):
        tried = [*chosen, first[camera]]
        left = {sample.camera for sample in group if sample not in tried}
        if all(left - {query.camera} for query in tried):
            chosen = tried
    return chosen
