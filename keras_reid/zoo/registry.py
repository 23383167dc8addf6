"""The registry of published models: `rows.toml`, read and checked."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
import importlib.resources
import json
import tomllib
from collections.abc import Mapping
from typing import Any

from keras_reid.utils.errors import UserError

TASKS = ("person", "vehicle", "animal", "general")
# Pixel mean and deviation, of RGB values from 0 to 255.
PIXELS = {
    "imagenet": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "half": ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
}
# Whoever builds a model of a file; see `building`. A row with another builder says what it needs.
BUILDERS = ("fastreid", "torchreid", "transreid", "backbone")


@dataclasses.dataclass(frozen=True)
class Row:
    """A published model.

    Args:
        name: "SOURCE/MODEL", such as "fastreid/market-sbs-r50-ibn".
        task: one of `TASKS`; "general" is a backbone to start training from.
        network: its architecture in words.
        builder: who makes a Keras model of the file; one of `BUILDERS` unless the row `needs` something.
        trained_on: data sets.
        source: address of the page that publishes it.
        base_url, file: where the file is, `base_url + file`, and its name in the cache.
        drive: its id in Google Drive, instead of an address.
        published: key of `keras_reid.checkpoints.PUBLISHED`, which has address, hash and licence.
        hub: organisation/repository of the Hugging Face Hub that has the file.
        page: where to look for the file, if no address is known.
        preset: name of KerasHub's.
        size, sha256: of the file, in bytes and as 64 hexadecimal digits, where the publisher gives them.
        copies: files that others keep under this name: `{"at": address, "size": bytes, "sha256": digits}`.
        image_size: `(height, width)` in pixels.
        pixels: key of `PIXELS`, None where it is not known.
        config: what the weights do not tell: options as `weights.build_fastreid` takes them, or arguments of
            `weights.build_transreid`.
        licence: as stated, else "none stated".
        restricted: why it is not for commercial use, if somebody says so.
        accept: whether the licence itself forbids commercial use, so that it must be accepted first.
        claimed, measured: results in percent, `{"on": data set, "rank1": …, "mAP": …}`.
        golden: embeddings of the shipped images, `{"sha256": of the file, "by": origin, "values": [[…], …]}`.
        needs: what is missing to build it.
        checked_by: what shows that the conversion is right.
    """

    name: str
    task: str
    network: str
    builder: str
    trained_on: tuple[str, ...]
    source: str = ""
    base_url: str = ""
    file: str = ""
    drive: str | None = None
    published: str | None = None
    hub: str | None = None
    page: str | None = None
    preset: str | None = None
    size: int | None = None
    sha256: str | None = None
    copies: tuple[Mapping[str, Any], ...] = ()
    image_size: tuple[int, int] | None = None
    pixels: str | None = None
    config: Mapping[str, Any] | None = None
    licence: str = "none stated"
    restricted: str | None = None
    accept: bool = False
    claimed: tuple[Mapping[str, Any], ...] = ()
    measured: tuple[Mapping[str, Any], ...] = ()
    golden: Mapping[str, Any] | None = None
    needs: str | None = None
    checked_by: str = "nothing here"

    @property
    def url(self) -> str | None:
        """Where the file is fetched from."""
        if self.drive:
            return f"https://drive.usercontent.google.com/download?id={self.drive}&export=download&confirm=t"
        if self.base_url:
            return self.base_url + self.file
        return f"hf://{self.hub}/{self.file}".rstrip("/") if self.hub else None

    @property
    def where(self) -> str | None:
        """Where a person finds the file: the page in Google Drive, else its address."""
        return f"https://drive.google.com/file/d/{self.drive}/view" if self.drive else self.url or self.page

    @property
    def withdrawn(self) -> tuple[str, ...]:
        """The sets that it was trained on and that their authors withdrew."""
        return tuple(name for name in self.trained_on if name in _content()["withdrawn"])

    @property
    def recipe(self) -> str:
        """A digest of what decides how the file becomes a model."""
        decides = [self.builder, self.config, self.image_size, self.pixels]
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]

    def complete(self) -> Row:
        """With what `checkpoints.PUBLISHED` says, for a row that refers to it; loads Keras then."""
        if self.published is None:
            return self
        from keras_reid.checkpoints.published import PUBLISHED

        entry = PUBLISHED[self.published]
        base_url = entry.url.removesuffix(entry.file)
        drive = None
        if base_url == entry.url:  # an address of Google Drive, which does not name the file
            base_url, drive = "", entry.url.partition("?id=")[2].partition("&")[0]
        return dataclasses.replace(
            self, base_url=base_url, drive=drive, file=entry.file, licence=entry.licence, source=entry.source
        )

    def to_dict(self) -> dict[str, Any]:
        """What is known, as plain values; for JSON."""
        plain = {key: value for key, value in dataclasses.asdict(self).items() if value not in (None, "", ())}
        plain["measured"] = self.measured or "not measured"
        return plain | {"url": self.url, "withdrawn": self.withdrawn}


def rows(task: str | None = None) -> dict[str, Row]:
    """All published models by name, or those of one task.

    Raises:
        UserError: there is no such task.

    Example:
        >>> rows("vehicle")["fastreid/veri-sbs-r50-ibn"].image_size
        (256, 256)
    """
    if task is not None and task not in TASKS:
        raise UserError(f"the task must be one of {', '.join(TASKS)}. Received: {task}")
    return {name: row for name, row in _rows().items() if task in (None, row.task)}


def find_row(name: str) -> Row:
    """The row of a name.

    Raises:
        UserError: there is no such name; the nearest ones are told.

    Example:
        >>> find_row("fastreid/market-sbs-r50-ibn").file
        'market_sbs_R50-ibn.pth'
    """
    if name in _rows():
        return _rows()[name]
    near = nearest(name)
    hint = f"The nearest are {', '.join(near)}. " if near else ""
    raise UserError(f"{name}: no published model has this name. {hint}`keras-reid zoo list` lists all")


def nearest(name: str, count: int = 3) -> list[str]:
    """The names that are most like another, none where none is."""
    return difflib.get_close_matches(name, _rows(), n=count, cutoff=0.75)


@functools.cache
def _content() -> Mapping[str, Any]:
    text = (importlib.resources.files("keras_reid") / "zoo" / "rows.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@functools.cache
def _rows() -> dict[str, Row]:
    content = _content()
    return {name: _row(name, own, content["families"]) for name, own in content["models"].items()}


def _row(name, own, families):
    values: dict[str, Any] = {}
    layer = own
    while layer:
        values = {**layer, **values}
        layer = families[layer["family"]] if "family" in layer else None
    values.pop("family", None)
    for key in ("trained_on", "image_size", "copies", "claimed", "measured"):
        if key in values:
            values[key] = tuple(values[key])
    return Row(name=name, **values)
