"""The user's own images in folders."""

import dataclasses
import os
import re
from pathlib import Path

from keras_reid.data.dataset import ReIDDataset
from keras_reid.data.datasets.files import existing_folder, list_images
from keras_reid.data.sample import Sample
from keras_reid.data.split import automatic_protocol, group_by_identity, split_dataset
from keras_reid.errors import UserError

_PARTS = ("train", "query", "gallery")


@dataclasses.dataclass(frozen=True)
class Folder:
    """Images in folders: one folder an identity, or a pattern that reads identity and camera from the path.

    Without `pattern` the layout is `IDENTITY/CAMERA_anything.jpg`: the folder names the identity, the file
    name up to its first "_" the camera; a file name without "_" has no camera.

    If there are sub-folders named `train`, `query` or `gallery`, each holds that part in this layout.
    Otherwise test identities are drawn with `seed` and split into query and gallery as
    `keras_reid.data.split` describes.

    Args:
        directory: folder below the root; empty: the root itself.
        pattern: regular expression with a group `identity` and, if there are cameras, a group `camera`. It
            must match the beginning of every image's path, relative to the folder (or part) and with "/"
            between folders.
        test_identities: share (0.0 … 1.0) or number of identities to hold out for testing.
        seed: seed of that draw, a non-negative integer.
        protocol: `"cross_camera"`, `"all"`, `"leave_one_out"`, or None for cross-camera where the test images allow
            it.
        name: of the data set, for tables and files; empty: the folder's name.

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
            UserError: if the folder is missing or empty, an image does not fit the layout or the pattern, or
                the parts make no data set.
        """
        folder = existing_folder(Path(root) / self.directory, "the images of the data set are expected there")
        name = self.name or folder.resolve().name
        parts = [part for part in _PARTS if (folder / part).is_dir()]
        if not parts:
            samples = self._samples(folder)
            return split_dataset(name, samples, self.test_identities, self.seed, self.protocol)
        samples = {part: self._samples(folder / part) for part in parts}
        protocol = self.protocol
        if protocol is None and "query" in samples and "gallery" in samples:
            asked = {str(sample.identity) for sample in samples["query"]}
            both = group_by_identity(samples["query"] + samples["gallery"])
            without = any(sample.camera is None for sample in samples["gallery"])
            protocol = "all" if without else automatic_protocol([both[identity] for identity in asked])
        return ReIDDataset(name, **samples, protocol=protocol, split="as given by the sub-folders")

    def _samples(self, folder):
        files = list_images(folder, recursive=True)
        read = self._read_pattern() if self.pattern is not None else _read_layout
        samples, misfits = [], []
        for file in files:
            if (found := read(file)) is None:
                misfits.append(file)
            else:
                samples.append(Sample(folder / file, *found))
        if misfits:
            if self.pattern is None:
                rule = "the layout is IDENTITY/CAMERA_anything.jpg; for any other give a `pattern`"
            else:
                rule = f"the pattern {self.pattern!r} must match the beginning of each path"
            raise UserError(
                f"{len(misfits)} of {len(files)} images in {folder} do not fit: {misfits[0]}, …; {rule}"
            )
        return samples

    def _read_pattern(self):
        try:
            pattern = re.compile(self.pattern)
        except re.error as error:
            raise UserError(
                f"`pattern` is not a regular expression: {error}. Received: {self.pattern!r}"
            ) from None
        if "identity" not in pattern.groupindex:
            raise UserError(f"`pattern` needs a group (?P<identity>…). Received: {self.pattern!r}")

        def read(file):
            match = pattern.match(file)
            return match and match["identity"] and (match["identity"], match.groupdict().get("camera"))

        return read


def _read_layout(file):
    """(identity, camera) of IDENTITY/CAMERA_anything.jpg; None for a file that lies higher or deeper."""
    folder, _, name = file.rpartition("/")
    if not folder or "/" in folder:
        return None
    camera, underscore, _ = os.path.splitext(name)[0].partition("_")
    return folder, camera if underscore and camera else None
