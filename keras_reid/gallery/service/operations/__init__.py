"""What the API and the page can do. Each function checks the rights of the caller, and blocks: call it in a thread.

Errors are `ServiceError`s with the status of HTTP, or `UserError`s of the store (400), or its `StoreAway` (503).
A caller who is limited to cameras sees and finds only sightings of these; an identity that has none of them does not
exist for them (404), and what would change one that also has others is refused (403).
"""

from keras_reid.gallery.service.operations.editing import (
    answer,
    enrol,
    forget,
    merge,
    rename,
    split,
    undo,
)
from keras_reid.gallery.service.operations.looking import (
    answers,
    cameras,
    changes,
    check,
    identities,
    identity,
    image,
    sighting,
    state,
)
from keras_reid.gallery.service.operations.open_gallery import OpenGallery
from keras_reid.gallery.service.operations.searching import search_image, search_sighting, search_vector
from keras_reid.gallery.service.operations.watching import events, latest_events, unwatch, watch, watches

__all__ = [
    "OpenGallery",
    "answer",
    "answers",
    "cameras",
    "changes",
    "check",
    "enrol",
    "events",
    "forget",
    "identities",
    "identity",
    "image",
    "latest_events",
    "merge",
    "rename",
    "search_image",
    "search_sighting",
    "search_vector",
    "sighting",
    "split",
    "state",
    "undo",
    "unwatch",
    "watch",
    "watches",
]
