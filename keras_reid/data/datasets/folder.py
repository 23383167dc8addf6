"""The user's own images in folders."""

import dataclasses
import os
import warnings
from pathlib import Path

from keras_reid.data.dataset import ALL, CROSS_CAMERA, ReIDDataset
from keras_reid.data.datasets.folder_labels import labels_by_layout, labels_by_pattern, warn_of_cameras
from keras_reid.data.datasets.layout import existing_folder, name_after
from keras_reid.data.image_files import image_files, list_images
from keras_reid.data.sample import Sample
from keras_reid.data.split import automatic_protocol, group_by_identity, split_dataset
from keras_reid.utils.errors import UserError

_PARTS = ("train", "query", "gallery")


@dataclasses.dataclass(frozen=True)
class Folder:
    """Images in folders: one folder an identity, or a pattern that reads identity and camera from the path.

    Without `pattern` the layout is `IDENTITY/CAMERA_anything.jpg`: the folder names the identity, the file
    name up to its first "_" the camera; a file name without "_" has no camera. Where the file names begin with the
    identity again, as Market-1501's `0002/0002_c1s1_000451_03.jpg`, the camera is the number after the "c" or "cam"
    that comes next. The table that `print_statistics` prints says how the first file was read.

    If there are sub-folders named `train`, `query` or `gallery`, each holds that part in this layout, and other
    sub-folders with images are refused, or, where there are query and gallery, named in a warning. Otherwise test
    identities are drawn with `seed` and split into query and gallery as `keras_reid.data.split` describes.

    Args:
        directory: folder below the root; empty: the root itself.
        pattern: regular expression with a group `identity` and, if there are cameras, a group `camera`. It
            must match the beginning of every image's path, relative to the folder (or part) and with "/"
            between folders, and must not end within a number, such as `c(?P<camera>\\d)` on `c12`.
        test_identities: share (0.0 … 1.0) or number of identities to hold out for testing.
        seed: seed of that draw, a non-negative integer.
        protocol: `"cross_camera"`, `"all"`, `"leave_one_out"`, or None for cross-camera where the test images allow
            it; a warning says where it does not although there are cameras, and where these look like dates or like
            numbers of images.
        name: of the data set, for tables and files; empty: the folder's name, or, if that is `train`, the name of the
            folder around it.

    Example:
        >>> pattern = r"(?P<identity>[a-z]+_\\d+)_cam(?P<camera>\\d+)"
        >>> dataset = Folder(pattern=pattern, test_identities=107).read("vehicles")  # bus_0001_cam1.jpg, …
        >>> len(dataset.query)
        107
    """

    directory: str = ""
    pattern: str | None = None
    test_identities: int | float = 0.5  # in this order for the command line: "50" is a number
    seed: int = 0
    protocol: str | None = None
    name: str = ""

    def read(self, root):
        """Reads the file names below `root`.

        Raises:
            UserError: if the folder is missing or empty, an image does not fit the layout or the pattern, other
                folders lie next to the parts, or these make no data set.
        """
        folder = existing_folder(Path(root) / self.directory, "the images of the data set are expected there")
        name = self.name or name_after(folder)
        parts = [part for part in _PARTS if (folder / part).is_dir()]
        if parts:
            _check_outside(folder, parts)
        samples, read_as = self._samples(folder, parts or [""])
        if parts:
            protocol = self.protocol
            if protocol is None and "query" in samples and "gallery" in samples:
                asked = {str(sample.identity) for sample in samples["query"]}
                both = group_by_identity(samples["query"] + samples["gallery"])
                without = any(sample.camera is None for sample in samples["gallery"])
                protocol = (
                    ALL
                    if without
                    else automatic_protocol(name, [both[identity] for identity in sorted(asked)])
                )
            dataset = ReIDDataset(name, **samples, protocol=protocol, split="as given by the sub-folders")
        else:
            dataset = split_dataset(name, samples[""], self.test_identities, self.seed, self.protocol)
        if (
            self.pattern is None
            and self.protocol is None
            and dataset.query
            and dataset.protocol == CROSS_CAMERA
        ):
            tested = dataset.query + dataset.gallery
            warn_of_cameras(name, [one.path for one in tested], [one.camera for one in tested])
        return dataclasses.replace(dataset, read_as=read_as)

    def _samples(self, folder, parts):
        """Part → its samples; and how they were read."""
        files = [(part, file) for part in parts for file in list_images(folder / part, recursive=True)]
        paths = [file for _, file in files]
        if self.pattern is None:
            labels, rule = labels_by_layout(paths)
        else:
            labels, rule = labels_by_pattern(self.pattern, paths)
        samples = {part: [] for part in parts}
        for (part, file), label in zip(files, labels, strict=True):
            if label is not None:
                samples[part].append(Sample(folder / part / file, *label))
        misfits = [
            os.path.join(part, file) for (part, file), label in zip(files, labels, strict=True) if not label
        ]
        if misfits:
            if self.pattern is None:
                rule = "the layout is IDENTITY/CAMERA_anything.jpg; for any other give a `pattern`"
            else:
                rule = f"the pattern {self.pattern!r} must match the beginning of each path"
            raise UserError(
                f"{len(misfits)} of {len(files)} images in {folder} do not fit: {misfits[0]}, …; {rule}"
            )
        (_, first), (identity, camera) = files[0], labels[0]
        return samples, f"{rule}; {first} is identity {identity!r}, camera {camera!r}"


def _check_outside(folder, parts):
    """Names the images that lie outside the parts: as an error, or, where there is a test part, as a warning."""
    beside = {
        place.name + "/": len(image_files(place, recursive=True))
        for place in sorted(folder.iterdir())
        if place.is_dir() and place.name not in parts and not place.name.startswith(".")
    }
    beside["the folder itself"] = len(image_files(folder))
    beside = ", ".join(f"{place} ({count} images)" for place, count in beside.items() if count)
    if not beside:
        return
    there = f"{folder} holds {' and '.join(f'{part}/' for part in parts)}, and next to it {beside}"
    if {"query", "gallery"} <= set(parts):
        warnings.warn(f"{there}, which is passed over: only {', '.join(_PARTS)} are parts", stacklevel=3)
    else:
        raise UserError(
            f"{there}. Only {', '.join(_PARTS)} are parts: divide test images into query/ and gallery/ and move the "
            "rest away, or, where these folders are identities, give a `pattern` and a folder of their own; training "
            "and test in two folders are two data sets, Folder(directory='train') and Folder(directory='test', "
            "test_identities=1.0) as test_datasets"
        )
