"""Partial queries, cut out of the queries of any data set."""

import dataclasses
import hashlib
import json
import os
import pathlib
from typing import Any

import numpy as np

from keras_reid.data.dataset import LEAVE_ONE_OUT, ReIDDataset
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import save_picture


@dataclasses.dataclass(frozen=True)
class PartialQueries:
    """The test part of a data set, with a band cut out of each query image, as wide as the image.

    Height and place of the bands are drawn from the seed and the file's name, evenly, so that some show the head, some
    the legs. They are written below the root once, as PNG files, and found again. For choosing the share of DSR on
    images that are not those of the test, and for testing partial queries on own data.

    Args:
        dataset: reader of the data set; its training part is left out.
        height: (low, high) share of the image's height.
        identities: how many of the identities with a query to keep, drawn from the seed, with their queries and
            gallery images; None keeps the data set's whole test part. Comparing local features takes a megabyte of disk
            for each image.
        seed: 0 or larger.

    Raises:
        UserError: if an argument is out of its range; if the data set has no queries apart from its gallery, or fewer
            identities.

    Example:
        >>> validation = PartialQueries(Market1501(), identities=100)
    """

    dataset: Any
    height: tuple[float, float] = (0.45, 0.75)
    identities: int | None = None
    seed: int = 0

    def __post_init__(self):
        if not callable(getattr(self.dataset, "read", None)):
            raise UserError(
                "`dataset` of PartialQueries must be a reader, such as Market1501(). "
                f"Received: {self.dataset!r}"
            )
        if len(self.height) != 2 or not 0 < self.height[0] <= self.height[1] <= 1:
            raise UserError(
                "`height` of PartialQueries must be (low, high), shares of the image's height above 0 and up to 1. "
                f"Received: {self.height!r}"
            )
        for name, least in (("identities", 1), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UserError(f"`{name}` of PartialQueries must be {least} or more. Received: {value!r}")

    def read(self, root: str | os.PathLike[str]) -> ReIDDataset:
        """Reads the data set below `root` and cuts its queries, unless they are there; returns a `ReIDDataset`."""
        whole = self.dataset.read(root)
        if not whole.query or whole.protocol == LEAVE_ONE_OUT:
            raise UserError(
                f"PartialQueries needs query images apart from a gallery, and data set {whole.name!r} has none"
            )
        query, gallery = self._chosen(whole)
        digest = hashlib.sha256(json.dumps([self.height, self.seed]).encode()).hexdigest()[:8]
        folder = pathlib.Path(root) / "partial_queries" / f"{whole.name}-{digest}"
        cut = [dataclasses.replace(sample, path=str(self._cut(sample.path, folder))) for sample in query]
        return dataclasses.replace(whole, name=f"{whole.name}-partial", train=[], query=cut, gallery=gallery)

    def _chosen(self, whole):
        if self.identities is None:
            return whole.query, whole.gallery
        names = sorted({sample.identity for sample in whole.query}, key=str)
        if len(names) < self.identities:
            raise UserError(
                f"PartialQueries is to keep {self.identities} identities, and data set {whole.name!r} has queries of "
                f"{len(names)}"
            )
        drawn = np.random.default_rng(self.seed).choice(len(names), self.identities, replace=False)
        kept = {names[number] for number in drawn}
        return tuple([one for one in part if one.identity in kept] for part in (whole.query, whole.gallery))

    def _cut(self, path, folder):
        """The file with the band of an image."""
        path = pathlib.Path(path)
        digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
        file = folder / f"{path.stem}-{digest}.png"
        if file.exists():
            return file
        from PIL import Image, ImageOps

        number = int(hashlib.sha256(path.name.encode()).hexdigest()[:16], 16)
        share, place = np.random.default_rng((self.seed, number)).random(2)
        low, high = self.height
        try:
            with Image.open(path) as stored:
                image = ImageOps.exif_transpose(stored).convert("RGB")
            band = max(1, round(image.height * (low + share * (high - low))))
            top = round(place * (image.height - band))
            part = image.crop((0, top, image.width, top + band))
        except OSError as error:
            raise UserError(f"cannot read {path}: {error}") from error
        save_picture(part, file)
        return file
