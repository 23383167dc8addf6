"""`keras-reid gallery verify-receipt RECEIPT`: was this erasure confirmed by that store?"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from keras_reid.utils import command_line
from keras_reid.utils.counted import counted
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class VerifyReceipt:
    """Verify the signature of a receipt, and print what it confirms. Exits with 2 if it is not genuine.

    Needs the public key of the store alone, which `forget` writes beside it. The key in the receipt itself proves
    nothing.
    """

    receipt: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RECEIPT")]
    """the file"""
    store: Path = Path("gallery-store")
    """folder of the store; its public key lies beside it"""
    public_key: Path | None = None
    """the public key, where the store is elsewhere"""


def main(arguments: list[str]) -> None:
    options = command_line.parse(VerifyReceipt, arguments, prog="keras-reid gallery verify-receipt")
    from keras_reid.gallery.erasure_output import counts_in_words
    from keras_reid.gallery.receipts import key_files, public_key, read_receipt

    if not options.receipt.is_file():
        raise UserError(f"{options.receipt}: there is no such receipt")
    receipt = read_receipt(options.receipt, public_key(options.public_key or key_files(options.store)[1]))
    counts, scan = receipt["counts"], receipt["scan"]
    print(f"genuine: {options.receipt}")
    print(f"store {receipt['store']}, {receipt['action']}, finished {receipt['finished']}")
    print(counts_in_words(counts))
    for subject in receipt["subjects"]:
        print(f"subject {subject}")
    if scan is not None:
        files, traces = counted(scan["files"], "file"), counted(scan["traces"], "trace")
        print(f"scanned {files}, {scan['bytes']} bytes: {traces}")
    print(receipt["limits"])
