"""Who is this, and where else were they seen?"""

from __future__ import annotations

import dataclasses
from concurrent.futures import Future
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from keras_reid.gallery.postgres import vectors
from keras_reid.gallery.postgres.store import active_model
from keras_reid.gallery.protocol import Filters
from keras_reid.gallery.service.callers import Caller
from keras_reid.gallery.service.operations.open_gallery import (
    OpenGallery,
    check_count,
    visible_sighting,
)
from keras_reid.gallery.service.records import Hit, SearchAnswer
from keras_reid.gallery.service.service_error import ServiceError

if TYPE_CHECKING:
    from keras_reid.gallery.protocol import Found


def search_image(
    gallery: OpenGallery, caller: Caller, content: bytes, filters: Filters | None = None, top: int = 24
) -> SearchAnswer:
    """Finds who an image shows. Role: view.

    Args:
        gallery: the gallery.
        caller: who asks.
        content: bytes of a JPEG, PNG or BMP file from anybody. It is not kept.
        filters: which sightings to look at; None: all that the caller may see.
        top: most sightings, 1 … 200.

    Raises:
        ServiceError: 413 or 415 for an image that must not be decoded; 400 for one that cannot be.
    """
    caller.require("view")
    check_count(top)
    with gallery.decoding(content):
        vector, unlike = gallery.examined(content)
    return _search(gallery, caller, vector, filters, top, unlike)


def search_vector(
    gallery: OpenGallery, caller: Caller, vector: ArrayLike, filters: Filters | None = None, top: int = 24
) -> SearchAnswer:
    """Finds the sightings that are nearest to an embedding. Role: view.

    Args:
        gallery, caller, filters, top: as in `search_image`.
        vector: `(dim,)` numbers of unit length, of the store's model.
    """
    caller.require("view")
    check_count(top)
    return _search(gallery, caller, np.asarray(vector, np.float32), filters, top)


def search_sighting(
    gallery: OpenGallery, caller: Caller, sighting: int, filters: Filters | None = None, top: int = 24
) -> SearchAnswer:
    """Finds the sightings that are nearest to one that is enrolled, without itself. Role: view.

    Args:
        gallery, caller, filters, top: as in `search_image`.
        sighting: its number.
    """
    caller.require("view")
    check_count(top)

    def embedding(connection):
        identity = visible_sighting(connection, caller, sighting)
        model = active_model(connection)
        row = (
            model
            and connection.execute(
                f"SELECT embedding::text FROM {vectors.table(model[0])} WHERE identity = %s AND sighting = %s",
                [identity, sighting],
            ).fetchone()
        )
        if not row:
            raise ServiceError(404, f"the sighting {sighting} has no embedding of the present model")
        return np.array(row[0][1:-1].split(","), np.float32)

    found = _search(gallery, caller, gallery.store.database.run(embedding), filters, top + 1)
    others = [hit for hit in found.hits if hit.sighting != sighting]
    return dataclasses.replace(found, hits=tuple(others[:top]))


def _search(gallery, caller, vector, filters, top, unlike: Future[bool] | None = None):
    filters = filters or Filters()
    if caller.cameras is not None:
        seen = tuple(one for one in caller.cameras if not filters.cameras or one in filters.cameras)
        if not seen:
            return SearchAnswer((), _why_no_verdicts(gallery), vector)
        filters = dataclasses.replace(filters, cameras=seen)
    (found,) = gallery.store.search(vector[None], filters, top)
    why = _why_no_verdicts(gallery)
    calibration = None if why else gallery.calibration
    outside = ("the query",) if unlike is not None and unlike.result() else ()
    return SearchAnswer(tuple(_hit(one, calibration, outside) for one in found), why, vector)


def _hit(found: Found, calibration, outside):
    verdict = calibration and calibration.verdict(found.distance, None, None, outside)
    return Hit(
        found.sighting,
        int(found.identity),
        found.name,
        found.camera,
        found.time,
        found.source,
        found.quality,
        found.distance,
        verdict and verdict.probability,
        verdict and verdict.verdict,
        verdict and verdict.reason,
        None if found.image is None else found.image.hex(),
    )


def _why_no_verdicts(gallery):
    if gallery.calibration is None:
        return "the model is not calibrated: `keras-reid calibrate` turns its distances into probabilities"
    if gallery.calibration.metric != "cosine":
        return (
            f"the model's calibration is for {gallery.calibration.metric} distances, and a store compares by cosine: "
            "`keras-reid calibrate --metric cosine` makes another"
        )
    return None
