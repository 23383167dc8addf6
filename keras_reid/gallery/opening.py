"""Opens a store, whatever kind it is."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

from keras_reid.gallery.folder_store import FolderStore
from keras_reid.gallery.model_identity import ModelIdentity
from keras_reid.gallery.postgres.programs import programs
from keras_reid.gallery.postgres.store import PostgresStore, is_url
from keras_reid.gallery.postgres.store_folder import check_folder
from keras_reid.utils.errors import UserError

if TYPE_CHECKING:
    from keras_reid.embedding import Embedder
    from keras_reid.gallery.protocol import Store


def open(
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


def check_store(store: str, create: bool = True) -> None:
    """Checks what can be known of a store before a model is loaded: for commands, which name it with --store.

    Args:
        store: a folder or a URL.
        create: whether the store may be new.

    Raises:
        UserError: see `open`; or it is a folder index, of which commands need more than it has.
    """
    packages = ("psycopg", "psycopg_pool", "cryptography")
    if missing := [name for name in packages if importlib.util.find_spec(name) is None]:
        raise UserError(
            f"a gallery store needs {', '.join(missing)}, which is not installed: pip install 'keras_reid[gallery]'"
        )
    if is_url(store):
        return
    if "://" in store:
        raise UserError(f"--store must be a folder or postgresql://USER@HOST/DATABASE. Received: {store}")
    programs()
    if FolderStore.is_index(Path(store)):
        raise UserError(
            f"{store}: a folder index keeps no identities, cameras or times; `keras-reid search --gallery` searches "
            "it. Name another folder with --store for a store in PostgreSQL."
        )
    check_folder(Path(store).absolute(), create)
