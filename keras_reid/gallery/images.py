"""What the store keeps of a picture: the picture, a thumbnail, or nothing; never its metadata."""

from __future__ import annotations

import hashlib
from typing import Literal

import numpy as np

from keras_reid.data.image_limits import objection
from keras_reid.embedding.image_inputs import UnreadableImage
from keras_reid.gallery.protocol import KeptImage
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import encoded

Keep = Literal["images", "thumbnails", "nothing"]
KEEP: tuple[Keep, ...] = ("images", "thumbnails", "nothing")
THUMBNAIL = 128  # pixels of the longer side
_QUALITY = {"image": 95, "thumbnail": 85}  # of the JPEG


def kept_image(contents: bytes, keep: Keep = "thumbnails") -> KeptImage | None:
    """Encodes a picture anew, as the store keeps it.

    The file is decoded as in training (`data.decoding`), turned upright, and written as a new JPEG, so that neither
    its metadata (place, time, device, an embedded preview) nor bytes hidden behind it are kept.

    Args:
        contents: bytes of a JPEG, PNG or BMP file.
        keep: "images": at full size, JPEG quality 95 without subsampling of colours; "thumbnails": at most 128 pixels
            wide and high, quality 85; "nothing". Default: "thumbnails".

    Returns:
        a `KeptImage`; None for "nothing".

    Raises:
        UserError: `keep` is something else, or the file cannot be decoded or is too large to be decoded.

    Example:
        >>> from keras_reid.gallery.images import kept_image
        >>> with open("0002_c1s1_000451_03.jpg", "rb") as file:  # doctest: +SKIP
        ...     kept_image(file.read(), "thumbnails").kind
        'thumbnail'
    """
    if keep not in KEEP:
        raise UserError(f"`keep` must be one of {', '.join(KEEP)}. Received: {keep!r}")
    if keep == "nothing":
        return None
    picture = _decoded(contents)
    kind = "image" if keep == "images" else "thumbnail"
    if kind == "thumbnail":
        picture.thumbnail((THUMBNAIL, THUMBNAIL))
    # Colours are not subsampled, so that a picture that is embedded again changes as little as possible.
    content = encoded(picture, ".jpg", quality=_QUALITY[kind], subsampling=0)
    return KeptImage(content_hash(content), content, kind)


def content_hash(content: bytes) -> bytes:
    """SHA-256 of the bytes of a kept picture, 32 bytes: its name in the store.

    Example:
        >>> content_hash(b"").hex()[:8]
        'e3b0c442'
    """
    return hashlib.sha256(content).digest()


def sound_image(hash: bytes, content: bytes) -> bytes:
    """The bytes of a kept picture, if they are still those that were kept.

    Args:
        hash: its name in the store.
        content: what the store holds under it.

    Raises:
        UserError: the bytes have changed: the disk or the database is damaged.

    Example:
        >>> sound_image(content_hash(b"abc"), b"abc")
        b'abc'
    """
    if content_hash(content) != hash:
        raise UserError(
            f"the kept picture {hash.hex()[:12]} is damaged: its bytes do not have the hash under which they were "
            "stored. Restore a backup"
        )
    return content


def _decoded(contents):
    # By Pillow, so that a service whose model is elsewhere needs no TensorFlow.
    from PIL import Image

    from keras_reid.embedding.pillow_reader import decoded

    why = objection(contents)
    if why:
        raise UserError(f"the picture cannot be kept: {why}")
    try:
        return Image.fromarray(np.asarray(decoded(contents)))  # pixels alone: Pillow hands comments on
    except UnreadableImage as error:
        raise UserError(f"the picture cannot be kept: {error}") from None
