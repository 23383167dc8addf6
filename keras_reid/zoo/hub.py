"""`hf://organisation/repository[@revision][/file]`: files of the Hugging Face Hub, read and committed.

The endpoint is that of `HF_ENDPOINT`, the cache that of `HF_HOME`, and a token comes from `HF_TOKEN` or from the file
that `hf auth login` wrote: from nowhere else, and none is ever part of a message.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import pathlib
import re
import sys
from collections.abc import Iterator
from typing import Any, Self

from keras_reid.utils.errors import UserError
from keras_reid.utils.files import sha256_of
from keras_reid.utils.manifest import MANIFEST, check_hash, read_manifest
from keras_reid.utils.optional import require

PREFIX = "hf://"
MODEL = "model.keras"
# What a repository of others keeps its weights in.
_WEIGHTS = (".keras", ".safetensors", ".pth", ".pt", ".bin")


@dataclasses.dataclass(frozen=True)
class HubPath:
    """What an `hf://` address names.

    Args:
        repository: "organisation/repository".
        revision: branch, tag or commit; None is the repository's main branch.
        file: name within the repository; None is its model.
    """

    repository: str
    revision: str | None = None
    file: str | None = None

    @classmethod
    def parse(cls, spec: str) -> Self:
        """Reads an address.

        Raises:
            UserError: it has another form.

        Example:
            >>> HubPath.parse("hf://me/market-r50@v1/model.keras")
            HubPath(repository='me/market-r50', revision='v1', file='model.keras')
        """
        found = re.fullmatch(r"hf://([\w.-]+/[\w.-]+)(?:@([\w.-]+))?(?:/([^@]+))?", str(spec))
        parts = found[3].split("/") if found and found[3] else []
        if not found or any(part in ("", ".", "..") for part in parts):
            raise UserError(
                "an address of the Hub must be hf://ORGANISATION/REPOSITORY[@REVISION][/FILE]. "
                f"Received: {ascii(str(spec))[1:-1][:200]}"
            )
        return cls(*found.groups())

    def __str__(self):
        revision = f"@{self.revision}" if self.revision else ""
        return f"{PREFIX}{self.repository}{revision}" + (f"/{self.file}" if self.file else "")


def fetch(spec: str, offline: bool = False) -> pathlib.Path:
    """The path of a file of the Hub, fetched if it is not in the Hub's own cache yet.

    It is compared with the hash that the Hub gives, and with `SHA256SUMS` of its repository if there is one.

    Args:
        spec: `hf://organisation/repository[@revision][/file]`. Without a file, the repository's `model.keras`; where
            there is none, its only weights file.
        offline: take it from the cache, without any network.

    Returns:
        The path in the cache.

    Raises:
        UserError: huggingface_hub is not installed; there is no such file, or it cannot be reached or is not yours
            to read; a byte of it has changed.

    Example:
        >>> fetch("hf://me/market-r50@v1")  # doctest: +SKIP
        PosixPath('/home/me/.cache/huggingface/hub/models--me--market-r50/snapshots/8c1f…/model.keras')
    """
    place = HubPath.parse(spec)
    hub = _Hub(place, offline)
    with hub.errors():
        hashes = hub.hashes()
        file = place.file or hub.choose(hashes)
        place = dataclasses.replace(place, file=file)
        if hashes is not None and file not in hashes:
            raise UserError(
                f"{place} is not named by the repository's {MANIFEST}, which names {_listed(hashes)}"
            )
        path = hub.download(file)
    _check_blob(path, place)
    check_hash(path, (hashes or {}).get(file))
    return path


def send(folder: str | os.PathLike[str], spec: str, private: bool = False) -> str:
    """Commits the files of a folder to a repository of the Hub, all of them or none; creates the repository.

    Files that the repository's `SHA256SUMS` names and the new one does not are removed in the same commit. Others stay.

    Args:
        folder: has a `SHA256SUMS`, and what that names is sent.
        spec: `hf://organisation/repository[@branch]`.
        private: create a private repository. One that is there and public is refused.

    Returns:
        The address of the commit.

    Raises:
        UserError: huggingface_hub is not installed; the repository cannot be reached, written or made private.
    """
    place = HubPath.parse(spec)
    if place.file:
        raise UserError(
            f"a repository is written as a whole: pass hf://{place.repository}. Received: {place}"
        )
    folder = pathlib.Path(folder)
    hub = _Hub(place)
    library = hub.library
    with hub.errors(writing=True):
        hub.api.create_repo(place.repository, private=private or None, exist_ok=True)
        if private and not hub.api.repo_info(place.repository).private:
            raise UserError(
                f"{place} is there and public, and --private was asked for; nothing was sent. Make it private in "
                "its settings, or choose another name"
            )
        names = [*read_manifest(folder / MANIFEST), MANIFEST]
        gone = sorted(set(hub.hashes() or ()) - set(names))
        operations = [library.CommitOperationAdd(name, folder / name) for name in names]
        operations += [library.CommitOperationDelete(name) for name in gone]
        commit = hub.api.create_commit(
            place.repository, operations, commit_message="Model and card", revision=place.revision
        )
    return str(commit.commit_url)


class _Hub:
    """A repository of the Hub, with errors in one line."""

    def __init__(self, place, offline=False):
        self.library = _library()
        self._place, self._offline = place, offline
        self._revision = place.revision
        endpoint = os.environ.get("HF_ENDPOINT") or None
        self._endpoint = endpoint and endpoint.rstrip("/")
        self.api = self.library.HfApi(endpoint=self._endpoint)
        if not sys.stderr.isatty():  # bars would fill log files
            self.library.utils.disable_progress_bars()

    def download(self, name):
        return pathlib.Path(
            self.library.hf_hub_download(
                self._place.repository,
                name,
                revision=self._revision,
                endpoint=self._endpoint,
                local_files_only=self._offline,
            )
        )

    def hashes(self):
        """What the repository's manifest says, or None; from then on all files are those of the same commit."""
        errors = self.library.errors
        try:
            path = self.download(MANIFEST)
        except (errors.RemoteEntryNotFoundError, errors.LocalEntryNotFoundError) as error:
            if isinstance(error, errors.LocalEntryNotFoundError) and not self._offline:
                raise  # the Hub cannot be reached
            return None
        self._revision = path.parent.name
        _check_blob(path, dataclasses.replace(self._place, file=MANIFEST))
        return read_manifest(path)

    def choose(self, hashes):
        """The model of a repository."""
        if hashes is not None or self._offline:
            return MODEL
        info = self.api.repo_info(self._place.repository, revision=self._revision)
        self._revision = info.sha
        names = [one.rfilename for one in info.siblings or ()]
        weights = [name for name in names if name.endswith(_WEIGHTS)]
        if MODEL in names:
            return MODEL
        if len(weights) != 1:
            found = _listed(weights) if weights else "none"
            raise UserError(
                f"{self._place} has no {MODEL}, and not exactly one weights file. Received: {found}. Name the file: "
                f"{self._place}/FILE"
            )
        return weights[0]

    @contextlib.contextmanager
    def errors(self, writing: bool = False) -> Iterator[None]:
        """Raises what the Hub says as a `UserError`. No text of the Hub's is quoted: it may hold a token."""
        known = self.library.errors
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            reason = self._reason(error, known, writing)
            if reason is None:
                raise
            raise UserError(f"{self._place}: {reason}") from None

    def _reason(self, error, known, writing):
        elsewhere = "Download it elsewhere, and pass its path"
        nothing = "; nothing was changed there" if writing else ""
        if isinstance(error, known.GatedRepoError):
            return f"its terms must be accepted on its page first, by the account of HF_TOKEN{nothing}"
        if isinstance(error, known.RepositoryNotFoundError):
            return (
                "there is no such repository, or it is not yours to read. Check the name; for a private one log in "
                f"with `hf auth login`, or set HF_TOKEN{nothing}"
            )
        if isinstance(error, known.RevisionNotFoundError):
            return f"the repository has no such revision{nothing}"
        if isinstance(error, known.RemoteEntryNotFoundError):
            return f"the repository has no file {self._place.file or MODEL}"
        if isinstance(error, known.LocalEntryNotFoundError) and self._offline:
            return f"it is not in the cache, and --offline fetches nothing. {elsewhere}"
        if isinstance(error, known.OfflineModeIsEnabled) or self.library.constants.is_offline_mode():
            return f"HF_HUB_OFFLINE is set, and it is not in the cache{nothing}. {elsewhere}"
        if isinstance(error, known.HFValidationError):
            return "must be named as the Hub names repositories: letters, digits, -, _ and ."
        status = _status(error)
        if status in (401, 403):
            return (
                f"the Hub refused it (status {status}){nothing}. Log in with `hf auth login` or set HF_TOKEN to a "
                f"token that may {'write' if writing else 'read'}"
            )
        if status:
            return f"the Hub answered with status {status}{nothing}. Try again later. {'' if writing else elsewhere}"
        if isinstance(error, (known.LocalEntryNotFoundError, ConnectionError)) or _is_http(error):
            where = self._endpoint or self.library.constants.ENDPOINT
            return f"{where} cannot be reached{nothing}. Check the network. {'' if writing else elsewhere}"
        return None


def _library() -> Any:
    parts = ("errors", "utils", "constants")  # which it loads only when they are asked for
    modules = ["huggingface_hub", *(f"huggingface_hub.{part}" for part in parts)]
    return require("hub", *modules, what=f"an address that begins with {PREFIX}")[0]


def _status(error):
    """The HTTP status that an error, or what caused it, has."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status:
            return status
        error = error.__cause__ or error.__context__
    return None


def _is_http(error):
    """Whether an error, or what caused it, comes from the HTTP client."""
    while error is not None:
        if type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "httpcore", "hf_xet"):
            return True
        error = error.__cause__ or error.__context__
    return False


def _check_blob(path, place):
    """The Hub's cache names a file by its SHA-256, or by the SHA-1 that git gives it."""
    name = path.resolve().name
    if re.fullmatch(r"[0-9a-f]{64}", name):
        received = sha256_of(path)
    elif re.fullmatch(r"[0-9a-f]{40}", name):
        content = path.read_bytes()  # git keeps small files itself
        received = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    else:
        return
    if received != name:
        raise UserError(
            f"{place} is not what the Hub has: its hash should begin with {name[:8]} and begins with {received[:8]}. "
            f"Remove {path.resolve()}, and fetch it again"
        )


def _listed(names):
    names = sorted(names)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
