"""RUN_OR_MODEL: a path, the name of a published model, or an address, as a path on this machine."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
import urllib.parse
from pathlib import Path
from typing import Any, TypeVar

from keras_reid.utils.errors import UserError
from keras_reid.zoo.registry import Row, find_row, nearest, rows

ACCEPTED = "KERAS_REID_ACCEPT_LICENCES"
HUB, WEB = "hf://", ("https://", "http://")
# What holds weights, of which a model is made.
_WEIGHTS = (".pth", ".pt", ".safetensors", ".bin", ".tar")
_Options = TypeVar("_Options")


def resolve(run_or_model: str | os.PathLike[str], offline: bool = False, accept_licence: bool = False) -> str:
    """The path of a model, which is fetched and converted the first time.

    What is fetched is told on standard error, and so is what is known of its licence.

    Args:
        run_or_model: in this order: a path that exists, which is returned as it is; a name of the registry, such as
            "fastreid/market-sbs-r50-ibn"; `hf://ORGANISATION/REPOSITORY[@REVISION][/FILE]`; an address
            `https://…#sha256=…` of a `.keras` or weights file.
        offline: fetch nothing; a model must be in the cache.
        accept_licence: accept a licence that forbids commercial use.

    Returns:
        a run directory or the path of a `.keras` file, as `models.load_model` takes it.

    Raises:
        UserError: there is no such path or name, the file cannot be fetched, is not the published one, or cannot be
            converted, or its licence must be accepted first.

    Example:
        >>> resolve("fastreid/market-sbs-r50-ibn")  # doctest: +SKIP
        '/home/me/.keras/keras_reid/zoo/fastreid/market-sbs-r50-ibn/model.keras'
    """
    given = os.fspath(run_or_model)
    if not is_published(given):
        return _path(given)
    if given in rows():
        row = find_row(given)
        _check_use(row)
        return _model_of_row(row, offline, accept_licence)
    file = _fetched(given, offline)
    if file.suffix == ".keras":
        return os.fspath(file)
    from keras_reid.utils.files import sha256_of
    from keras_reid.zoo.entry import Entry

    entry = Entry(f"files/{sha256_of(file)[:16]}")
    with entry.held():
        return _converted(entry, Row(given, "general", "", "file", ()), file)


def resolved(options: _Options, field: str = "run_or_model") -> _Options:
    """The options of a command with the model that they name as a path.

    Args:
        options: a dataclass with `offline`, `accept_licence` and
        field: the option that names a model, None for none.
    """
    given: Any = options
    if getattr(given, field) is None:
        return options
    path = resolve(getattr(given, field), given.offline, given.accept_licence)
    return dataclasses.replace(given, **{field: path})


def is_published(given: Any) -> bool:
    """Whether a text names a published model, and is no path that exists."""
    if not isinstance(given, (str, os.PathLike)) or os.path.exists(given):
        return False
    text = os.fspath(given)
    return text.startswith((HUB, *WEB)) or text in rows()


def file_name(given: str | os.PathLike[str], suffix: str) -> Path:
    """A file in the working directory that is called after a published model.

    Example:
        >>> file_name("fastreid/market-bot-r50", ".json")
        PosixPath('fastreid-market-bot-r50.json')
    """
    text = os.fspath(given).partition("#")[0].rpartition("://")[2]
    return Path(re.sub(r"[^\w.]+", "-", text).removesuffix(".keras") + suffix)


def weights_file(given: str | os.PathLike[str], offline: bool = False, accept_licence: bool = False) -> Path:
    """The published file itself, fetched the first time, not converted; arguments as of `resolve`.

    Raises:
        UserError: as `resolve`.
    """
    text = os.fspath(given)
    if text in rows():
        return _file_of_row(find_row(text), offline, accept_licence)
    return _fetched(text, offline)


def _path(given):
    """Raises the error for a path that is not there, with the names that it may have meant."""
    from keras_reid.utils.model_file import find_model_file

    if not os.path.exists(given) and (near := nearest(given)):
        try:
            find_model_file(given)
        except UserError as error:
            raise UserError(
                f"{error} The nearest names in `keras-reid zoo list` are {', '.join(near)}."
            ) from None
    return given


def _check_use(row):
    if row.needs:
        where = f". It is at {row.where}" if row.where else ""
        raise UserError(f"{row.name} is listed, but cannot be used by name: it needs {row.needs}{where}")
    if row.builder == "backbone":
        raise UserError(
            f"{row.name} is a backbone without a head, which gives no embeddings yet: start training from it with "
            f'pretrained="{row.name}" (--model.backbone.pretrained {row.name})'
        )


def _model_of_row(row, offline, accept_licence):
    from keras_reid.zoo.entry import Entry

    entry = Entry(row.name)
    if entry.is_converted(_made_by(row)):
        _check_licence(row, accept_licence)
        return os.fspath(entry.model)
    with entry.held():
        return _converted(entry, row, _file_of_row(row, offline, accept_licence))


def _file_of_row(row, offline, accept_licence):
    from keras_reid.utils.fetching import fetch_file, is_offline, problem_of
    from keras_reid.zoo.entry import Entry

    _check_licence(row, accept_licence)
    row = row.complete()
    if row.url is None:
        raise UserError(f"{row.name}: no address of its file is known. Look at {row.where or row.source}")
    entry = Entry(row.name)
    file = entry.folder / row.file
    may_have = file.exists() or not is_offline(offline)
    if may_have and not entry.record().get("terms_told"):
        print(_terms(row), file=sys.stderr)
        entry.note(terms_told=True)
    if row.published:
        from keras_reid.checkpoints import fetch

        return fetch(row.published, offline=offline)
    if row.hub:
        return _fetched(row.url, offline)
    check = None if row.sha256 else _why_no_torch_file
    otherwise = f"put the file at {file}"
    if row.drive:
        otherwise = f"open {row.where} in a browser, which Google may want you to confirm, and {otherwise}"
    if file.exists():
        if problem := problem_of(file, row.size, row.sha256, check):
            raise UserError(
                f"{file} is not the file published at {row.where}: {problem}. Move it away to have it fetched again"
            )
    else:
        fetch_file(
            row.url,
            file,
            size=row.size,
            sha256=row.sha256,
            check=check,
            otherwise=otherwise,
            offline=offline,
        )
    entry.note_hash(file, row.sha256, {copy["sha256"]: copy["at"] for copy in row.copies})
    return file


def _fetched(given, offline):
    """The file at an address."""
    from keras_reid.utils.fetching import cache_folder, fetch_file, is_offline

    if given.startswith(HUB):
        from keras_reid.zoo import hub

        return Path(hub.fetch(given, is_offline(offline)))
    url, _, fragment = given.partition("#")
    sha256 = fragment.removeprefix("sha256=").lower()
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise UserError(
            f"{given}: an address must say which file it means: URL#sha256=HEX, the 64 digits that `sha256sum FILE` "
            "prints"
        )
    name = os.path.basename(urllib.parse.unquote(urllib.parse.urlsplit(url).path))
    if not re.fullmatch(r"[\w.+-]+", name) or not name.endswith((".keras", *_WEIGHTS)):
        raise UserError(
            f"{given}: the address must end in the name of a .keras file or of weights "
            f"({', '.join(_WEIGHTS)}). Received: {name or 'no name'}"
        )
    file = cache_folder() / "zoo" / "web" / sha256[:16] / name
    fetch_file(url, file, sha256=sha256, offline=offline)
    return file


def _converted(entry, row, file):
    """The converted model of a file, from the cache if it is there; the entry is held."""
    made_by = _made_by(row)
    if entry.is_converted(made_by):  # by another process
        return os.fspath(entry.model)
    print(f"converting {file.name} to Keras; later calls use {entry.model}", file=sys.stderr)
    from keras_reid.utils.command_line import load_tensorflow
    from keras_reid.utils.files import sha256_of, written_aside

    load_tensorflow()
    from keras_reid.zoo.building import build

    model = build(row, file)
    model.metadata.setdefault("provenance", {})["zoo"] = {
        "name": row.name,
        "sha256": sha256_of(file),
        "licence": row.licence,
        "restricted": row.restricted,
        "trained_on": list(row.trained_on),
    }
    with written_aside(entry.model) as aside:
        model.save(aside)
    entry.note(made_by=made_by)
    return os.fspath(entry.model)


def _made_by(row):
    """What a converted model is made by: with another version it is made again."""
    from keras_reid import __version__

    return {"keras_reid": __version__, "recipe": row.recipe}


def _check_licence(row, accept_licence):
    accepted = os.environ.get(ACCEPTED, "").replace(",", " ").split()
    if row.accept and not accept_licence and row.name not in accepted:
        raise UserError(
            f"{row.name}: its licence is {row.licence}: {row.restricted}. If it allows what you do, pass "
            f"--accept-licence (in Python, accept_licence=True), or set {ACCEPTED}={row.name}"
        )


def _terms(row):
    """On what terms a model is to be had, which is told once, before it is fetched."""
    terms = [f"licence: {row.licence}"]
    if row.restricted:
        terms.append(row.restricted)
    if row.withdrawn:
        terms.append(f"trained on {' and '.join(row.withdrawn)}, which its authors withdrew")
    return f"{row.name}: {'; '.join(terms)}"


def _why_no_torch_file(path):
    from keras_reid.checkpoints.torch_file import why_no_torch_file

    return why_no_torch_file(path)
