"""A model from disk together with the store of its embeddings."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

from keras_reid.gallery.model_identity import ModelIdentity
from keras_reid.gallery.postgres.store import PostgresStore
from keras_reid.utils import command_line
from keras_reid.utils.model_file import find_model_file, fingerprint

if TYPE_CHECKING:
    from keras_reid.embedding import Embedder
    from keras_reid.evaluation import Calibration


@dataclasses.dataclass(frozen=True)
class Opened:
    """A store and the embedder of its model.

    Args:
        store: a `PostgresStore`.
        embedder: an `Embedder`.
        calibration: the model's `Calibration`, or None.
    """

    store: PostgresStore
    embedder: Embedder
    calibration: Calibration | None


@contextlib.contextmanager
def open_with_model(
    store: str,
    run_or_model: str,
    trust_code: bool = False,
    batch_size: int = 64,
    create: bool = True,
) -> Iterator[Opened]:
    """Loads a model and opens a store with it, for commands. The store is closed at the end of the block.

    Args:
        store: folder or URL.
        run_or_model: a run directory or a `.keras` file.
        trust_code: as for `load_model`.
        batch_size: of the embedder.
        create: whether to make a store where there is none.

    Raises:
        UserError: see `find_model_file`, `load_model` and `PostgresStore`.
    """
    embedder, identity, calibration = embedder_of(run_or_model, trust_code, batch_size)
    with PostgresStore(store, identity, create) as opened:
        yield Opened(opened, embedder, calibration)


def embedder_of(
    run_or_model: str, trust_code: bool = False, batch_size: int = 64
) -> tuple[Embedder, ModelIdentity, Calibration | None]:
    """Loads a model from disk: its embedder, what a store knows of it, and its calibration.

    Args:
        run_or_model, trust_code, batch_size: as for `open_with_model`.

    Raises:
        UserError: see `find_model_file` and `load_model`.
    """
    file = find_model_file(run_or_model)
    command_line.load_tensorflow()
    from keras_reid.embedding import Embedder
    from keras_reid.evaluation import Calibration
    from keras_reid.evaluation.calibration.calibration import KEY
    from keras_reid.models import load_model

    model = load_model(run_or_model, trust_code=trust_code)
    calibration = Calibration.from_metadata(model.metadata) if model.metadata.get(KEY) else None
    flip = bool(calibration and calibration.flip)
    embedder = Embedder(model, flip=flip, batch_size=batch_size, fingerprint=fingerprint(file))
    return embedder, ModelIdentity.of(embedder, run_or_model, flip), calibration
