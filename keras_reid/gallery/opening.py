"""Opens a store, whatever kind it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from keras_reid.gallery.folder_store import FolderStore
from keras_reid.gallery.model_identity import ModelIdentity
from keras_reid.gallery.postgres.store import PostgresStore, is_url

if TYPE_CHECKING:
    from keras_reid.embedding import Embedder
    from keras_reid.gallery.protocol import Store


def open(  # noqa: A001
    store: str | os.PathLike[str],
    model: Embedder | ModelIdentity | None = None,
    create: bool = True,
) -> Store:
    """Opens the store of a gallery.

    Args:
        store: a folder, which holds a private PostgreSQL; the `postgresql://` URL of a server, which needs pgvector; or
            the folder index of a folder of images (`FolderStore`), as `keras-reid search` makes it.
        model: the `Embedder` or `ModelIdentity` whose embeddings are added and searched. It becomes the model of a new
            store. None opens a store for everything else.
        create: whether to make a store where there is none. Defaults to True.

    Returns:
        a `Store`. Close it, or use it in a `with` block.

    Raises:
        UserError: the store's embeddings are of another model; the folder is no store; the server does not answer or
            lacks pgvector; a package is missing.

    Example:
        >>> embedder = Embedder(load_model("runs/quickstart"))  # doctest: +SKIP
        >>> with keras_reid.gallery.open("gallery-store", embedder) as store:  # doctest: +SKIP
        ...     store.add([NewSighting(embedder("anna.jpg")[0], "Anna", camera="door")])
        ...     store.search(embedder("who.jpg"))[0][0].name
        'Anna'
    """
    if model is not None and not isinstance(model, ModelIdentity):
        model = ModelIdentity.of(model)
    if not is_url(store) and FolderStore.is_index(Path(store)):
        return FolderStore(store, model)
    return PostgresStore(store, model, create)
