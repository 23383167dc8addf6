"""Cameras with their position, light, colours and defects; they take the images.

The differences between cameras determine how hard the data set is. `Nuisance` sets all of them in one place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keras_reid.data.synthetic.backgrounds import crop_scene, draw_occluder, paint_scene
from keras_reid.data.synthetic.body import rotation
from keras_reid.data.synthetic.renderer import rasterise
from keras_reid.data.synthetic.streams import between
from keras_reid.data.synthetic.views import cut, hide

if TYPE_CHECKING:
    from keras_reid.data.synthetic.person import Person
    from keras_reid.data.synthetic.vehicle import Vehicle

DISTANCE = 4.0  # of the camera, in heights (or lengths) of the subject; gives the perspective of a long lens
SUPERSAMPLING = 2  # render this many times larger in each direction, then reduce


@dataclass(frozen=True)
class Nuisance:
    """How much cameras differ, and how much the images of one camera differ.

    Ranges are uniform, spreads are standard deviations. The first group is drawn once per camera, the second once per
    image.
    """

    elevation: tuple[float, float] = (0.05, 0.3)  # radians above the horizontal
    yaw: tuple[float, float] = (-0.8, 0.8)  # radians; the direction from which a camera mostly sees people
    ambient: tuple[float, float] = (0.66, 0.74)  # light from all directions; 1 shows a colour unchanged
    sun: tuple[float, float] = (0.35, 0.45)  # light from one direction
    warmth: float = 0.03  # white balance, red against blue
    tint: float = 0.01  # white balance, green
    gain: tuple[float, float] = (0.96, 1.04)
    gamma: tuple[float, float] = (0.93, 1.06)
    saturation: tuple[float, float] = (0.9, 1.1)
    haze: tuple[float, float] = (0.0, 0.03)  # share of light grey over the image
    blur: tuple[float, float] = (1.0, 1.4)  # how many times coarser the sensor is than the image
    noise: tuple[float, float] = (0.004, 0.012)
    jpeg_quality: tuple[int, int] = (75, 92)

    yaw_spread: float = 0.4  # radians
    behind: float = 0.15  # share of subjects that walk away
    exposure: tuple[float, float] = (0.97, 1.03)
    margin: tuple[float, float] = (1.03, 1.14)  # height of the box over that of the subject
    shift: float = 0.015  # of the box, in heights
    badly_cut: float = 0.04  # share of boxes that lose the legs
    occluded: float = 0.06  # share of images with an object in front of the subject


PERSON_NUISANCE = Nuisance()
VEHICLE_NUISANCE = Nuisance(
    elevation=(0.12, 0.45), yaw=(0.1, 1.4), yaw_spread=0.35, badly_cut=0.0, occluded=0.05
)


class Camera:
    """One camera of the data set.

    Args:
        rng: the generator that draws the camera; the camera depends on nothing else.
        nuisance: how much cameras differ.

    Attributes:
        jpeg_quality: JPEG quality of its images.
    """

    def __init__(self, rng: np.random.Generator, nuisance: Nuisance) -> None:
        self.nuisance = nuisance
        self.elevation = between(rng, nuisance.elevation)
        self.yaw = between(rng, nuisance.yaw)
        azimuth, height = between(rng, (-2.0, 2.0)), between(rng, (0.5, 1.1))
        self.light = np.array(
            [np.sin(azimuth) * np.cos(height), np.sin(height), np.cos(azimuth) * np.cos(height)], "float32"
        )
        self.ambient, self.sun = between(rng, nuisance.ambient), between(rng, nuisance.sun)
        warmth, tint = np.clip(rng.normal(0, 1, 2), -2, 2) * (nuisance.warmth, nuisance.tint)
        self.white_balance = np.array([1 + warmth, 1 + tint, 1 - warmth], "float32") * between(
            rng, nuisance.gain
        )
        self.gamma, self.saturation = between(rng, nuisance.gamma), between(rng, nuisance.saturation)
        self.haze, self.blur = between(rng, nuisance.haze), between(rng, nuisance.blur)
        self.noise = between(rng, nuisance.noise)
        self.jpeg_quality = int(between(rng, nuisance.jpeg_quality))
        self.scene = paint_scene(rng)

    def take(
        self,
        subject: Person | Vehicle,
        rng: np.random.Generator,
        size: tuple[int, int],
        yaw: float | None = None,
        view: str = "whole",
    ) -> Image.Image:
        """Takes an image.

        Args:
            subject: a `Person` or a `Vehicle`.
            rng: draws everything that varies from image to image: pose, direction, box, background, occluder, noise.
            size: (height, width) in pixels.
            yaw: direction from which the subject is seen, in radians; 0 is from the front; None draws it.
            view: one of `VIEWS`.

        Returns:
            a `PIL.Image` of mode RGB; smaller than `size` if the view is "partial".
        """
        subject_light, covered, feet = self.draw_subject(subject, rng, size, yaw)
        picture: Any = crop_scene(rng, self.scene, *size) * (self.ambient + 0.6 * self.sun)
        cast_shadow(picture, feet)
        picture = picture * (1 - covered) + subject_light
        if rng.random() < self.nuisance.occluded:
            draw_occluder(rng, picture, self.ambient + 0.5 * self.sun)
        if view == "occluded":
            hide(rng, picture, self.ambient + 0.5 * self.sun)
        image = self.develop(picture, rng)
        return cut(rng, image) if view == "partial" else image

    def draw_subject(
        self,
        subject: Person | Vehicle,
        rng: np.random.Generator,
        size: tuple[int, int],
        yaw: float | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], tuple[float, float]]:
        """Renders the subject; the arguments are those of `take`.

        Returns:
            its light in each pixel `(height, width, 3)`, the share of the pixel that it covers `(height, width, 1)`,
            and the position of its feet, `(x, y)` as shares of the image.
        """
        nuisance = self.nuisance
        height, width = (SUPERSAMPLING * side for side in size)
        if yaw is None:
            yaw = self.yaw + rng.normal(0, nuisance.yaw_spread) + np.pi * (rng.random() < nuisance.behind)
        vertices, normals = subject.pose(rng)
        view = rotation("x", self.elevation + rng.normal(0, 0.02)) @ rotation("y", yaw)
        vertices, normals = (np.einsum("nj,ij->ni", values, view) for values in (vertices, normals))
        inverse_depth = 1 / (DISTANCE - vertices[:, 2])
        flat = vertices[:, :2] * inverse_depth[:, None]
        low, high = flat.min(0), flat.max(0)
        extent = high - low
        scale = min(height / extent[1], width / extent[0]) / between(rng, nuisance.margin)
        centre = (low + high) / 2 + rng.normal(0, nuisance.shift, 2) * extent[1]
        if rng.random() < nuisance.badly_cut:
            scale *= between(rng, (1.15, 1.4))
            centre[1] = high[1] - 0.47 * height / scale
        screen = (flat - centre) * (scale, -scale) + (width / 2, height / 2)
        feet = (
            ((low + high)[0] / 2 - centre[0]) * scale / width + 0.5,
            (centre[1] - low[1]) * scale / height + 0.5,
        )

        return *self.render(subject, normals, screen, inverse_depth, size), feet

    def render(
        self,
        subject: Person | Vehicle,
        normals: NDArray[np.float32],
        screen: NDArray[Any],
        inverse_depth: NDArray[np.float32],
        size: tuple[int, int],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Renders a subject that is already in place.

        Args:
            subject: a `Person` or a `Vehicle`.
            normals: `(vertices, 3)`, turned to the camera.
            screen: `(vertices, 2)`, x to the right and y down, in 1 / `SUPERSAMPLING` pixels.
            inverse_depth: `(vertices,)`, 1 / distance from the camera.
            size: (height, width) of the result in pixels.

        Returns:
            the subject's light in each pixel `(height, width, 3)`, and the share of the pixel that it covers
            `(height, width, 1)`.
        """
        height, width = (SUPERSAMPLING * side for side in size)
        shade = self.ambient * (0.85 + 0.15 * normals[:, 1])
        shade += self.sun * np.clip(np.einsum("nk,k->n", normals, self.light), 0, 1)
        seen = rasterise(screen.astype("float32"), inverse_depth, subject.faces, height, width)
        given: Any = [*subject.attributes, shade]  # of each vertex
        values = seen.interpolate(given, subject.faces)
        fine = np.zeros((height * width, 4), "float32")
        fine[seen.pixel, :3] = subject.albedo(values[:-1], seen.face) * values[-1][:, None]
        fine[seen.pixel, 3] = 1
        fine = fine.reshape(height, width, 4)
        steps = range(SUPERSAMPLING)
        coarse: Any = (
            sum(fine[i::SUPERSAMPLING, j::SUPERSAMPLING] for i in steps for j in steps) / SUPERSAMPLING**2
        )
        return coarse[..., :3], coarse[..., 3:]

    def develop(self, light: NDArray[np.float32], rng: np.random.Generator) -> Image.Image:
        """Turns light `(height, width, 3)` into an image: white balance, saturation, haze, gamma, resolution, noise."""
        height, width = light.shape[:2]
        picture = light * (self.white_balance * np.float32(between(rng, self.nuisance.exposure)))
        grey = (picture[..., :1] + picture[..., 1:2] + picture[..., 2:]) * np.float32(1 / 3)
        picture = (grey + (picture - grey) * np.float32(self.saturation)) * np.float32(1 - self.haze)
        picture = np.clip(picture + np.float32(0.7 * self.haze), 0, 1) ** np.float32(self.gamma)
        blur = self.blur * between(rng, (0.9, 1.15))
        image = Image.fromarray((picture * 255).astype("uint8"))
        if blur > 1:
            coarse = max(8, round(width / blur)), max(8, round(height / blur))
            image = image.resize(coarse, Image.Resampling.BOX).resize(
                (width, height), Image.Resampling.BICUBIC
            )
        noise = np.float32(255 * self.noise) * rng.standard_normal((height, width, 1), "float32")
        return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype("uint8"))


def cast_shadow(picture: NDArray[np.float32], feet: tuple[float, float]) -> None:
    """Darkens the ground of `picture` `(height, width, 3)` at the feet, `(x, y)` as shares of the image, in place."""
    height, width = picture.shape[:2]
    top = int(np.clip(feet[1] - 0.1, 0, 1) * height)
    rows, columns = np.ogrid[top:height, :width]
    distance = ((columns / width - feet[0]) / 0.24) ** 2 + ((rows / height - feet[1]) / 0.03) ** 2
    picture[top:] *= (1 - 0.4 * np.exp(-distance))[..., None].astype("float32")
