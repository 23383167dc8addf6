"""A gallery: who is this, where else was it seen? Light to import: TensorFlow loads with the first image,
psycopg with the first store.

- `opening`: `open(store, model)`; `protocol`: what every store can do, and its records; `model_identity`: whose
  embeddings a store holds.
- `postgres/`: a store in PostgreSQL, a private one in a folder or any server; `folder_store`: on a folder's index.
- `index`, `scan`, `gallery_search`, `search_output`, `model_choice`: search in a folder of images.
- `service/`: the gallery over REST, with tokens and roles.
- `commands/`: the subcommands of `keras-reid gallery`.
"""

from keras_reid.gallery.folder_store import FolderStore
from keras_reid.gallery.gallery_search import SearchHit, SearchResult, search_gallery
from keras_reid.gallery.index import Gallery, update_index
from keras_reid.gallery.model_identity import ModelIdentity
from keras_reid.gallery.opening import open
from keras_reid.gallery.postgres.store import PostgresStore
from keras_reid.gallery.protocol import (
    Counts,
    Filters,
    Found,
    Identity,
    KeptImage,
    NewIdentity,
    NewSighting,
    Sighting,
    Store,
)
from keras_reid.gallery.scan import Scan, scan

__all__ = [
    "Counts",
    "Filters",
    "FolderStore",
    "Found",
    "Gallery",
    "Identity",
    "KeptImage",
    "ModelIdentity",
    "NewIdentity",
    "NewSighting",
    "PostgresStore",
    "Scan",
    "SearchHit",
    "SearchResult",
    "Sighting",
    "Store",
    "open",
    "scan",
    "search_gallery",
    "update_index",
]
