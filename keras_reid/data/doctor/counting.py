"""How many images there are of each identity and camera."""

import collections
import re
import statistics

from keras_reid.data.doctor.subject import Subject


def count(subject: Subject) -> list[dict]:
    """Counts of each part that is used, as plain numbers for JSON.

    Args:
        subject: what is examined.

    Returns:
        of each part `{"dataset", "part", "images", "identities", "images_of_identity": {"min", "median", "max"},
        "cameras": {camera: {"images", "identities"}}}`; images without a camera are left out of the last.
    """
    return [_count(dataset.name, part, samples) for dataset, part, samples in subject.parts()]


def _count(name, part, samples):
    of_identity = collections.Counter(str(sample.identity) for sample in samples)
    of_camera = {}
    for sample in samples:
        if sample.camera is not None:
            of_camera.setdefault(str(sample.camera), []).append(str(sample.identity))
    return {
        "dataset": name,
        "part": part,
        "images": len(samples),
        "identities": len(of_identity),
        "images_of_identity": {
            "min": min(of_identity.values()),
            "median": statistics.median(of_identity.values()),
            "max": max(of_identity.values()),
        },
        "cameras": {
            camera: {"images": len(of_camera[camera]), "identities": len(set(of_camera[camera]))}
            for camera in sorted(of_camera, key=in_order)
        },
    }


def in_order(name: str) -> list[tuple[int, str]]:
    """A key that sorts "2" before "10"."""
    return [(int(part or 0), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]
