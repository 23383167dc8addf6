"""The store that is served, with its model; and what callers may see and change of it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_reid.data.image_limits import extent, objection
from keras_reid.embedding.image_inputs import UnreadableImage
from keras_reid.gallery.images import Keep
from keras_reid.gallery.service.callers import Caller
from keras_reid.gallery.service.pixels import PixelRoom
from keras_reid.gallery.service.service_error import ServiceError

if TYPE_CHECKING:
    from psycopg import Connection

    from keras_reid.evaluation import Calibration
    from keras_reid.gallery.postgres.store import PostgresStore

_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM")
_BESIDE = ThreadPoolExecutor(2, thread_name_prefix="gallery-look")
MOST = 200  # results, and lines of a list


@dataclasses.dataclass(frozen=True)
class OpenGallery:
    """A store that is served, and the model of its embeddings.

    Args:
        store: opened with the model.
        embed: the embeddings of image files: `(n, dim)` float32 of unit length.
        pixels: an image file as the network gets it, `(1, height, width, 3)` uint8, which `embed` takes too, so that it
            is decoded once; None where a model server decodes.
        calibration: of the model, or None.
        image_size: (height, width) of the model.
        keep: what to keep of images that are enrolled.
        max_bytes: of an image file.
        max_megapixels: of an image.
        room: for the pixels that are decoded at once.
        key: file of the key that signs receipts; None: beside the store.
        counts: cameras of a caller → how many identities and sightings there were, and until when that counts.
    """

    store: PostgresStore
    embed: Callable[[Any], NDArray[np.float32]]
    calibration: Calibration | None
    image_size: tuple[int, int]
    keep: Keep = "thumbnails"
    max_bytes: int = 20 << 20
    max_megapixels: float = 25.0
    room: PixelRoom = dataclasses.field(default_factory=lambda: PixelRoom(100e6))
    key: Path | None = None
    pixels: Callable[[bytes], NDArray[np.uint8]] | None = None
    counts: dict[Any, tuple[tuple[int, int], float]] = dataclasses.field(default_factory=dict)

    @contextlib.contextmanager
    def decoding(self, content: bytes) -> Iterator[None]:
        """Inside the block, an image from anybody may be decoded. It may have to wait for others.

        Raises:
            ServiceError: 413 for too many bytes or pixels, 415 for another kind of file.
        """
        self.check_image(content)
        with self.room.taken(extent(content).pixels):
            yield

    def embedded(self, content: bytes) -> NDArray[np.float32]:
        """The embedding of an image that may be decoded, `(dim,)`.

        Raises:
            ServiceError: 400 for a damaged one.
        """
        with _readable():
            return self.embed([content])[0]

    def examined(self, content: bytes) -> tuple[NDArray[np.float32], Future[bool] | None]:
        """As `embedded`; and whether the image looks unlike those of the calibration, so that distances say nothing.

        The second is found out while the database searches. None: the calibration does not know.
        """
        calibration = self.calibration
        if calibration is None or calibration.domain is None:
            return self.embedded(content), None
        from keras_reid.embedding.pillow_reader import PillowReader
        from keras_reid.evaluation.calibration import appearance

        with _readable():
            if self.pixels is None:
                embedding, pixels = self.embed([content])[0], PillowReader(self.image_size)(content)[None]
            else:
                pixels = self.pixels(content)
                embedding = self.embed(pixels)[0]
        return embedding, _BESIDE.submit(lambda: bool(calibration.outside(appearance(pixels))[0]))

    def check_image(self, content: bytes) -> None:
        """Refuses what must not be decoded, by its first bytes and its headers alone."""
        if len(content) > self.max_bytes:
            raise ServiceError(
                413,
                f"an image must have at most {self.max_bytes} bytes. Received: {len(content)}. Send a smaller file",
            )
        if not content.startswith(_MAGIC):
            raise ServiceError(
                415,
                f"an image must be a JPEG, PNG or BMP file. Received: {len(content)} bytes that are none of them",
            )
        if why := objection(content, self.max_megapixels):
            raise ServiceError(413, f"the image must not be decoded: {why}")


@contextlib.contextmanager
def _readable():
    try:
        yield
    except UnreadableImage as error:
        raise ServiceError(
            400, f"the image cannot be read: {str(error).removeprefix('images[0]: ')}"
        ) from None


def check_count(count: int) -> None:
    """Refuses a number of results that is below 1 or above 200."""
    if not 1 <= count <= MOST:
        raise ServiceError(400, f"the number of results must be 1 to {MOST}. Received: {count}")


def visible(connection: Connection, caller: Caller, identity: int) -> None:
    """Refuses an identity that is not there, or that the caller may not see.

    Raises:
        ServiceError: 404.
    """
    row = connection.execute(
        "SELECT 1 FROM identities i WHERE id = %(id)s AND (%(cameras)s::text[] IS NULL OR EXISTS (SELECT FROM "
        "sightings s JOIN cameras c ON c.id = s.camera WHERE s.identity = i.id AND c.name = ANY(%(cameras)s)))",
        {"id": identity, "cameras": camera_list(caller)},
    ).fetchone()
    if row is None:
        raise no_identity(identity)


def changeable(connection: Connection, caller: Caller, identities: Sequence[int]) -> None:
    """Refuses identities that are not there, or that the caller may not change as a whole.

    Raises:
        ServiceError: 404, or 403 if one has sightings of cameras that the caller may not see.
    """
    if caller.cameras is not None:  # what another camera enrols meanwhile waits
        connection.execute(
            "SELECT 1 FROM identities WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [list(identities)]
        )
    for number in identities:
        visible(connection, caller, number)
    if caller.cameras is None:
        return
    row = connection.execute(
        "SELECT s.identity FROM sightings s LEFT JOIN cameras c ON c.id = s.camera WHERE s.identity = ANY(%s) "
        "AND (c.name IS NULL OR c.name <> ALL(%s)) LIMIT 1",
        [list(identities), camera_list(caller)],
    ).fetchone()
    if row:
        raise ServiceError(
            403,
            f"the identity {row[0]} also has sightings of cameras that this token may not see: it cannot be changed "
            "with it",
        )


def visible_sighting(connection: Connection, caller: Caller, sighting: int) -> int:
    """The identity of a sighting.

    Raises:
        ServiceError: 404 if it is not there, or the caller may not see it.
    """
    row: Any = connection.execute(
        "SELECT s.identity, c.name FROM sightings s LEFT JOIN cameras c ON c.id = s.camera WHERE s.id = %s",
        [sighting],
    ).fetchone()
    if row is None or not caller.sees(row[1]):
        raise ServiceError(404, f"there is no sighting {sighting}")
    return row[0]


def camera_list(caller: Caller) -> list[str] | None:
    """The caller's cameras for a query; None: all."""
    return None if caller.cameras is None else list(caller.cameras)


def no_identity(key: int | str) -> ServiceError:
    return ServiceError(404, f"there is no identity {key!r}")
