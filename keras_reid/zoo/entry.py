"""What the cache has of a published model: its file, the converted model, and what is known of both."""

from __future__ import annotations

import contextlib
import datetime
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from keras_reid.utils.errors import UserError
from keras_reid.utils.fetching import cache_folder
from keras_reid.utils.files import read_json, sha256_of, write_json
from keras_reid.utils.locks import Lock


class Entry:
    """A folder of the cache with a published file, `model.keras`, and `zoo.json`, which says what they are.

    Args:
        name: relative path of the folder: the model's name, or what stands for an address.
    """

    def __init__(self, name: str) -> None:
        self.folder = cache_folder() / "zoo" / name

    @property
    def model(self) -> Path:
        """The converted model, which need not be there."""
        return self.folder / "model.keras"

    def record(self) -> dict[str, Any]:
        """What is known: SHA-256 of the file, the recipe that converted it, embeddings of the shipped images."""
        file = self.folder / "zoo.json"
        if not file.exists():
            return {}
        record = read_json(file)
        if not isinstance(record, dict):
            raise UserError(f"{file}: is damaged. Remove it")
        return record

    def note(self, **facts: Any) -> None:
        """Adds to what is known."""
        write_json(self.folder / "zoo.json", {**self.record(), **facts})

    def is_converted(self, made_by: Mapping[str, Any]) -> bool:
        """Whether the converted model is there, and was made as it would be now."""
        return self.model.is_file() and self.record().get("made_by") == dict(made_by)

    def note_hash(self, file: Path, expected: str | None, copies: Mapping[str, str]) -> str:
        """Notes the SHA-256 of the file at its first use, and later compares with it.

        Args:
            file: the published file, in the cache.
            expected: the publisher's hash, which it was compared with already.
            copies: `{SHA-256: where else that file is}`.

        Returns:
            the SHA-256.

        Raises:
            UserError: it is another file than the first time.
        """
        received = sha256_of(file)
        before = self.record().get("sha256")
        if before not in (None, received):
            raise UserError(
                f"{file} is not the file of {self.record().get('date')}: its SHA-256 begins with {received[:8]} and "
                f"began with {before[:8]}. Put that file there again; if the new one is right, remove {self.folder}"
            )
        if before is None:
            if expected:
                state = "as published"
            elif received in copies:
                state = f"equal to the file at {copies[received]}"
            else:
                state = "not verified: its publisher gives no hash"
            print(f"{file.name}: SHA-256 {received}, {state}", file=sys.stderr)
            date = datetime.datetime.now(datetime.UTC).date().isoformat()
            self.note(file=file.name, sha256=received, hash=state, date=date)
        return received

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Inside the block, no other process fetches or converts this model."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = Lock(
            self.folder / ".lock",
            waiting=lambda who: print(f"waiting for {who}, which fetches or converts it", file=sys.stderr),
        )
        try:
            yield
        finally:
            lock.release(remove=True)
