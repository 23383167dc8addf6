"""Fetches files from the web: once, checked, and from where an interrupted fetch ended."""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from keras_reid.utils.errors import UserError
from keras_reid.utils.files import sha256_of
from keras_reid.utils.full_disk import free_bytes, is_full, megabytes
from keras_reid.utils.locks import Lock
from keras_reid.utils.progress import progress

OFFLINE = "KERAS_REID_OFFLINE"
_SECONDS = 30  # without a byte, until a connection counts as lost
_CHUNK = 2**18
_TRIES = 5  # of a transfer that breaks off, as long as each brings something


def is_offline(offline: bool = False) -> bool:
    """Whether nothing may be fetched: as an option says, or the environment variable `KERAS_REID_OFFLINE`."""
    return offline or os.environ.get(OFFLINE, "").lower() not in ("", "0", "false", "no")


def cache_folder() -> Path:
    """Where fetched files are kept: `keras_reid` in Keras' own folder (`KERAS_HOME`, else `~/.keras`)."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home).expanduser() if home else Path.home() / ".keras") / "keras_reid"


def fetch_file(
    url: str,
    path: str | os.PathLike[str],
    *,
    size: int | None = None,
    sha256: str | None = None,
    check: Callable[[Path], str | None] | None = None,
    otherwise: str | None = None,
    offline: bool = False,
) -> None:
    """Fetches a file, unless it is there; a file at `path` is complete and checked.

    Says in a line on standard error what it fetches. A transfer that breaks off is continued from where it was, now or
    by the next call; what came so far is kept in a hidden file next to `path`. Of several processes, one fetches and
    the others wait. Proxies are those of the environment (`https_proxy`).

    Args:
        url: address, `https://` or `http://`.
        path: where to put it.
        size: its bytes, if they are known.
        sha256: its SHA-256 in hexadecimal, or the first digits of it.
        check: function of a path that tells in words what is wrong with a file, or None.
        otherwise: what to do where it cannot be fetched, for the error. Defaults to putting the file at `path`.
        offline: fetch nothing.

    Raises:
        UserError: it cannot be fetched, is not what it should be, or nothing may be fetched.
        OSError: the disk is full.

    Example:
        >>> fetch_file("https://example.org/weights.pth", "weights.pth", sha256="0a1b2c3d")  # doctest: +SKIP
    """
    path = Path(path)
    otherwise = otherwise or f"put the file at {path}"
    if path.exists():
        return
    if is_offline(offline):
        raise UserError(
            f"{path.name} is not in the cache, and nothing is fetched (--offline or {OFFLINE}). Fetch {url} elsewhere "
            f"and {otherwise}"
        )
    cannot = f"Cannot fetch {path.name} from {url}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = Lock(path.with_name(f".{path.name}.lock"), waiting=lambda who: _say(f"waiting for {who}"))
    except OSError as error:
        raise UserError(f"{cannot} ({error.filename}: {error.strerror}). Make room for it there") from error
    try:
        if path.exists():  # another process has fetched it
            return
        part = _Part(path)
        try:
            part.fill(url, size)
        except OSError as error:
            if is_full(error):
                part.remove()
                raise
            kept = " The same command continues from there." if part.size() else ""
            raise UserError(
                f"{cannot} ({_reason(error)}).{kept} Or download it elsewhere and {otherwise}"
            ) from error
        except http.client.HTTPException as error:
            raise UserError(
                f"{cannot} ({type(error).__name__}). Download it elsewhere and {otherwise}"
            ) from error
        problem = problem_of(part.path, size, sha256, check)
        if problem:
            part.remove()
            raise UserError(f"What came from {url} is not {path.name}: {problem}. Try again, or {otherwise}")
        part.path.replace(path)
        part.remove()
    finally:
        lock.release(remove=True)


def problem_of(
    path: str | os.PathLike[str],
    size: int | None = None,
    sha256: str | None = None,
    check: Callable[[Path], str | None] | None = None,
) -> str | None:
    """What tells a file from the one that is wanted, or None; arguments as of `fetch_file`."""
    path = Path(path)
    problem = check(path) if check else None
    if problem:
        return problem.removeprefix(f"{path} ").rstrip(".")
    if size is not None and path.stat().st_size != size:
        return f"it should have {size:,} bytes and has {path.stat().st_size:,}"
    if sha256 is not None and not (received := sha256_of(path)).startswith(sha256):
        return f"its SHA-256 should begin with {sha256[:8]} and begins with {received[:8]}"
    return None


class _Part:
    """What has come so far of a file, and by what the server tells whether the file is still the same."""

    def __init__(self, path: Path) -> None:
        self._target = path
        self.path = path.with_name(f".{path.name}.part")
        self._validator = path.with_name(f".{path.name}.part.tag")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def remove(self) -> None:
        for file in (self.path, self._validator):
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)

    def fill(self, url: str, size: int | None) -> None:
        """Receives what is missing."""
        for left in reversed(range(_TRIES)):
            before = self.size()
            try:
                return self._receive(url, size)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE or not before:
                    raise
                self.remove()  # more has come than there is: it was another file
            except (OSError, http.client.HTTPException) as error:
                if not left or self.size() <= before or is_full(error):
                    raise

    def _receive(self, url, size):
        have = self.size()
        request = urllib.request.Request(
            url, headers={"User-Agent": "keras_reid", "Accept-Encoding": "identity"}
        )
        if have and self._validator.exists():
            request.add_header("Range", f"bytes={have}-")
            request.add_header("If-Range", self._validator.read_text(encoding="utf-8"))
        with _opener().open(request, timeout=_SECONDS) as answer:
            if answer.status != http.client.PARTIAL_CONTENT:
                self.remove()
                have = 0
            expected = answer.headers.get("Content-Length")
            total = have + int(expected) if expected and expected.isdigit() else None
            if size is not None and total not in (None, size):
                raise OSError(f"it should have {size:,} bytes, and the server has {total:,}")
            self._note_validator(answer.headers)
            self._make_sure_of_room(total and total - have)
            self._copy(answer, url, have, total)
        if total is not None and self.size() < total:
            raise ConnectionError(f"the connection ended after {self.size():,} of {total:,} bytes")

    def _note_validator(self, headers):
        etag = headers.get("ETag", "")
        validator = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")
        if validator:
            self._validator.write_text(validator, encoding="utf-8")

    def _make_sure_of_room(self, needed):
        if needed and needed > free_bytes(self.path.parent):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(self._target))

    def _copy(self, answer, url, have, total):
        size = f" ({megabytes(total)})" if total else ""
        _say(f"fetching {self._target.name}{size} from {url}" + (f", from byte {have:,} on" if have else ""))
        steps = (total or 0) // 10**6
        with (
            open(self.path, "ab") as file,
            progress(f"fetching {self._target.name}", steps, "MB") if steps else _silent() as advance,
        ):
            while chunk := answer.read(_CHUNK):
                before = file.tell() // 10**6
                file.write(chunk)
                advance(file.tell() // 10**6 - before)
            file.flush()
            os.fsync(file.fileno())


@contextlib.contextmanager
def _silent():
    yield lambda n: None


class _Secure(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from https to http."""

    def redirect_request(self, request, file, code, message, headers, url):
        if request.full_url.startswith("https:") and not url.startswith("https:"):
            raise OSError(f"it redirects to {url}, which is not encrypted")
        return super().redirect_request(request, file, code, message, headers, url)


def _opener():
    return urllib.request.build_opener(_Secure)


def _reason(error):
    """What went wrong, in a few words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"status {error.code}: {error.reason}"
    cause = getattr(error, "reason", error)
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause) or type(cause).__name__


def _say(line):
    print(line, file=sys.stderr, flush=True)
