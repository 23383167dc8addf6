"""Files that lie next to the images of a data set and are not in it."""

import collections
import os

from keras_reid.data.doctor.finding import NOTE, Finding, Picture
from keras_reid.data.doctor.subject import Subject
from keras_reid.data.image_files import is_image


def passed_over_files(subject: Subject) -> list[Finding]:
    """Images and other files in the folders of the images that no part of a data set holds; hidden files do not count.

    Time: a listing of each folder, and for files without a known suffix about 20 µs each.

    Args:
        subject: what is examined.

    Returns:
        list of up to two `Finding`s: images, and other files.
    """
    paths = [
        sample.path
        for dataset in subject.datasets
        for sample in (*dataset.train, *dataset.validation, *dataset.query, *dataset.gallery)
        if ".tfrecord#" not in sample.path
    ]
    used, folders = (
        {os.path.abspath(path) for path in paths},
        {os.path.dirname(path) or "." for path in paths},
    )
    images, others = [], []
    for folder in sorted(folders):
        if not os.path.isdir(folder):
            continue
        with os.scandir(folder) as entries:
            names = sorted(
                entry.name for entry in entries if not entry.name.startswith(".") and entry.is_file()
            )
        for name in names:
            path = os.path.join(folder, name)
            if os.path.abspath(path) not in used:
                (images if is_image(folder, name) else others).append(path)
    return [
        *_finding("image files", images, "Images that no part holds"),
        *_finding("other files", others, "Other files"),
    ]


def _finding(what, paths, title):
    if paths:
        kinds = collections.Counter(os.path.splitext(path)[1].lower() or "no suffix" for path in paths)
        listed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(5))
        yield Finding(
            title,
            NOTE,
            f"passed over next to the images: {len(paths)} {what} ({listed}), the first is {paths[0]}",
            tuple((Picture(path),) for path in paths),
            ("passed_over",),
            drawn=False,
        )
