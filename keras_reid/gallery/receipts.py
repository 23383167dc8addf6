"""Signed receipts of erasures: what was erased when, without a name, a picture or an embedding.

Ed25519 signatures (RFC 8032) over the receipt's canonical JSON: keys sorted, no spaces, ASCII.
"""

from __future__ import annotations

import base64
import json
import os
import stat
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_reid.utils.errors import UserError
from keras_reid.utils.files import read_json, written_aside
from keras_reid.utils.optional import require
from keras_reid.utils.plain_files import open_plain

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KIND = "keras_reid erasure receipt"
VERSION = 1
_PRIVATE, _PUBLIC = ".receipt-key.pem", ".receipt-key.pub.pem"
_MOST_BYTES = 2**24  # of a receipt: 100 bytes a subject


def key_files(store: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Where the private and the public key of a store lie: beside its folder, so that no copy of the store holds them.

    Args:
        store: folder of the store.

    Example:
        >>> [file.name for file in key_files("data/gallery-store")]
        ['gallery-store.receipt-key.pem', 'gallery-store.receipt-key.pub.pem']
    """
    folder = Path(os.path.abspath(store))
    return folder.with_name(folder.name + _PRIVATE), folder.with_name(folder.name + _PUBLIC)


def signing_key(private: Path, public: Path) -> Ed25519PrivateKey:
    """Reads the key that signs receipts, or makes it at the first erasure.

    Args:
        private: the PEM file, which only its owner may read (0600).
        public: the PEM file that `verify-receipt` needs; it may be given away.

    Raises:
        UserError: others may read the private key, or it is damaged or not an Ed25519 key.

    Example:
        >>> key = signing_key(*key_files("gallery-store"))  # doctest: +SKIP
    """
    serialization, ed25519 = _cryptography()
    if not os.path.lexists(private):
        _make_key(private)
    with open_plain(private) as file:
        facts, content = os.fstat(file.fileno()), file.read(4096)
    if stat.S_IMODE(facts.st_mode) & 0o077:
        raise UserError(
            f"{private}: others can read this key, so they could sign receipts. `chmod 600 {private}`"
        )
    try:
        key = serialization.load_pem_private_key(content, None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise UserError(
            f"{private} must be an Ed25519 key in PEM, without a password. Put the key back from a copy; without it, "
            "remove the file: a new one is made, and earlier receipts are verified with the old public key"
        )
    words = _public_pem(key.public_key())
    if not public.exists() or public.read_bytes() != words:
        with written_aside(public) as aside:
            aside.write_bytes(words)
    return key


def signed(facts: dict[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    """A receipt: facts with their kind, version, a random number, the public key and the signature over all of it.

    Args:
        facts: JSON values.
        key: that of `signing_key`.

    Example:
        >>> from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        >>> key = Ed25519PrivateKey.generate()
        >>> check_receipt(signed({"subjects": []}, key), key.public_key())["subjects"]
        []
    """
    serialization, _ = _cryptography()
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    receipt = {"kind": KIND, "version": VERSION, "receipt": str(uuid.uuid4()), **facts}
    receipt["public_key"] = base64.b64encode(raw).decode()
    return {**receipt, "signature": base64.b64encode(key.sign(canonical(receipt))).decode()}


def check_receipt(receipt: Any, key: Ed25519PublicKey, name: str = "the receipt") -> dict[str, Any]:
    """Verifies a receipt's signature.

    Args:
        receipt: the parsed JSON.
        key: the public key of the store that is said to have issued it. The one in the receipt proves nothing: whoever
            forges a receipt writes his own into it.
        name: for the error.

    Returns:
        the receipt.

    Raises:
        UserError: it is not a receipt, of a newer version, signed by another key, or was changed.
    """
    from cryptography.exceptions import InvalidSignature

    if not isinstance(receipt, dict) or receipt.get("kind") != KIND:
        raise UserError(f"{name} must be a receipt that `keras-reid gallery forget --receipt` wrote")
    if receipt.get("version") != VERSION:
        raise UserError(
            f"{name} must have version {VERSION}. Received: {receipt.get('version')!r}. A newer keras_reid wrote it: "
            "verify it with that"
        )
    unsigned = {field: value for field, value in receipt.items() if field != "signature"}
    try:
        signature = base64.b64decode(receipt["signature"], validate=True)
        own = base64.b64decode(receipt["public_key"], validate=True)
    except (KeyError, ValueError, TypeError):
        raise UserError(f"{name} is damaged: it has no signature") from None
    if own != _raw(key):
        raise UserError(f"{name} was signed by another key than that of this store: it was issued elsewhere")
    try:
        key.verify(signature, canonical(unsigned))
    except InvalidSignature:
        raise UserError(
            f"{name} is not genuine: the signature does not fit, so it was changed or forged"
        ) from None
    return receipt


def read_receipt(path: str | os.PathLike[str], key: Ed25519PublicKey) -> dict[str, Any]:
    """Reads and verifies a receipt file; see `check_receipt`.

    Raises:
        UserError: also where the file is not JSON.
        OSError: it cannot be read.

    Example:
        >>> read_receipt("receipt.json", public_key("gallery-store.receipt-key.pub.pem"))  # doctest: +SKIP
    """
    return check_receipt(read_json(path, _MOST_BYTES), key, str(path))


def public_key(path: str | os.PathLike[str]) -> Ed25519PublicKey:
    """Reads a public key.

    Raises:
        UserError: there is none, or it is not an Ed25519 key in PEM.
    """
    serialization, ed25519 = _cryptography()
    try:
        with open(path, "rb") as file:
            content = file.read(4096)
    except FileNotFoundError:
        raise UserError(
            f"{path}: there is no public key. The first `forget` makes it; name another one with --public-key"
        ) from None
    try:
        key = serialization.load_pem_public_key(content)
    except ValueError:
        key = None
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise UserError(
            f"{path} must be an Ed25519 public key in PEM, which `forget` writes beside the store"
        )
    return key


def canonical(value: Any) -> bytes:
    """JSON whose bytes are the same for the same value: keys sorted, no spaces, ASCII.

    Example:
        >>> canonical({"b": 1, "a": "é"})
        b'{"a":"\\\\u00e9","b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _make_key(path):
    serialization, ed25519 = _cryptography()
    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with written_aside(path) as aside:
        os.chmod(aside, 0o600)  # before the key is in it
        aside.write_bytes(pem)


def _public_pem(key):
    serialization, _ = _cryptography()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _raw(key):
    serialization, _ = _cryptography()
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def _cryptography():
    return require(
        "gallery",
        "cryptography.hazmat.primitives.serialization",
        "cryptography.hazmat.primitives.asymmetric.ed25519",
    )
