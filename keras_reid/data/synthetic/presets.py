"""Sizes of the synthetic data set."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """The number of identities, cameras and images, and the image sizes.

    Train and test share no identities, and query and gallery share no images.

    Args:
        train_identities, test_identities: number of identities.
        cameras: number of cameras. All of them see every identity; train and test have the same cameras.
        train_images, gallery_images, query_images: number of images for each identity and camera.
        person_size, vehicle_size: (height, width) of the images in pixels.

    Example:
        >>> Preset(train_identities=100, test_identities=100, cameras=6).count("train")
        1200
    """

    train_identities: int
    test_identities: int
    cameras: int
    train_images: int = 2
    gallery_images: int = 2
    query_images: int = 1
    person_size: tuple[int, int] = (128, 64)
    vehicle_size: tuple[int, int] = (96, 96)

    def identities(self, part: str) -> range:
        """Numbers of the identities of a part, from 1; the test identities follow the train identities."""
        if part == "train":
            return range(1, self.train_identities + 1)
        return range(self.train_identities + 1, self.train_identities + self.test_identities + 1)

    def images(self, part: str) -> int:
        """Number of images for each identity and camera in a part."""
        return {"train": self.train_images, "query": self.query_images, "gallery": self.gallery_images}[part]

    def count(self, part: str) -> int:
        """Number of images in a part, "train", "query" or "gallery"."""
        return len(self.identities(part)) * self.cameras * self.images(part)


PARTS = ("train", "query", "gallery")
PRESETS = {
    "tiny": Preset(
        train_identities=8, test_identities=8, cameras=3, person_size=(64, 32), vehicle_size=(48, 48)
    ),
    "small": Preset(train_identities=100, test_identities=100, cameras=6),
    "large": Preset(train_identities=500, test_identities=500, cameras=6, train_images=3),
}
