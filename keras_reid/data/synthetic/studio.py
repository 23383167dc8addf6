"""Takes single images of the synthetic data set."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from keras_reid.data.synthetic.camera import PERSON_NUISANCE, VEHICLE_NUISANCE, Camera
from keras_reid.data.synthetic.domains import in_domain
from keras_reid.data.synthetic.person import Person
from keras_reid.data.synthetic.streams import stream
from keras_reid.data.synthetic.vehicle import Vehicle

if TYPE_CHECKING:
    from PIL import Image

KINDS = {"person": (Person, PERSON_NUISANCE), "vehicle": (Vehicle, VEHICLE_NUISANCE)}


class Studio:
    """Takes the images of one kind and seed.

    An image depends only on (kind, seed, domain, part, identity, camera, shot), its size and the view, not on images
    drawn before. Pose, direction, background, occluder and noise are drawn separately for each image, so that only the
    subject itself reveals its identity.

    Args:
        kind: "person" or "vehicle".
        seed: integer; another seed gives other identities and cameras.
        domain: a key of `DOMAINS`.
        queries: the view of the part "query", one of `VIEWS`. A partial image shows the same pixels as the whole one.

    Example:
        >>> Studio("person", seed=0).take("train", identity=1, camera=1, shot=0, size=(128, 64)).size
        (64, 128)
    """

    def __init__(self, kind: str, seed: int, domain: str = "day", queries: str = "whole") -> None:
        self.kind, self.seed, self.queries = kind, seed, queries
        self._build, nuisance = KINDS[kind]
        self._nuisance = in_domain(nuisance, domain)
        self._subject = functools.lru_cache(maxsize=4)(self._draw_subject)
        self._camera = functools.cache(self._draw_camera)

    def take(self, part: str, identity: int, camera: int, shot: int, size: tuple[int, int]) -> Image.Image:
        """One image as a `PIL.Image`; `size` is (height, width) in pixels, before cropping."""
        view = self.queries if part == "query" else "whole"
        moment = stream(self.seed, self.kind, "moment", part, identity, camera, shot)
        return self._camera(camera).take(self._subject(identity), moment, size, view=view)

    def jpeg_quality(self, camera: int) -> int:
        """JPEG quality of a camera's images, 1–95."""
        return self._camera(camera).jpeg_quality

    def _draw_subject(self, identity):
        return self._build(stream(self.seed, self.kind, "identity", identity))

    def _draw_camera(self, camera):
        return Camera(stream(self.seed, self.kind, "camera", camera), self._nuisance)
