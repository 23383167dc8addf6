"""`keras-reid gallery SUBCOMMAND …`: a gallery of identities. Only the module of the given subcommand is imported."""

import dataclasses
import difflib
import importlib
from typing import Literal

import tyro

from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError

# Name → its module and what it does, in the order in which one uses them.
SUBCOMMANDS = {
    "enrol": ("keras_reid.gallery.commands.enrol", "add images to a store, with identity, camera and time"),
    "search": (
        "keras_reid.gallery.commands.search",
        "find who an image shows, and where else they were seen",
    ),
    "serve": ("keras_reid.gallery.commands.serve", "serve a gallery: a page for people, REST for programs"),
    "token": ("keras_reid.gallery.commands.token", "make, list and revoke the tokens of the service"),
    "check": ("keras_reid.gallery.commands.check", "name the pictures that spoil the gallery"),
    "forget": ("keras_reid.gallery.commands.forget", "erase identities, with a signed receipt"),
    "expire": ("keras_reid.gallery.commands.expire", "erase sightings that are older than a given age"),
    "reembed": ("keras_reid.gallery.commands.reembed", "switch a store to another model"),
    "export": ("keras_reid.gallery.commands.export", "write everything into a folder that others can read"),
    "import": ("keras_reid.gallery.commands.import_", "enrol what another store has exported"),
    "backup": ("keras_reid.gallery.commands.backup", "write a store into one file"),
    "restore": ("keras_reid.gallery.commands.restore", "make a new store of a backup"),
    "audit": ("keras_reid.gallery.commands.audit", "print what was done to a store, and verify the record"),
    "verify-receipt": ("keras_reid.gallery.commands.verify_receipt", "verify the receipt of an erasure"),
}
_NAMES = "\n".join(f"  {name:<15} {what}" for name, (_, what) in SUBCOMMANDS.items())
HELP = f"""usage: keras-reid gallery SUBCOMMAND …

A gallery keeps identities: the images that show them, with camera and time, and their embeddings. It lies in a store,
which is a folder with a private PostgreSQL, or any PostgreSQL server with pgvector.

{_NAMES}

`keras-reid gallery SUBCOMMAND --help` lists the options of a subcommand."""


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Keep a gallery of identities, and search it."""

    subcommand: tyro.conf.Positional[Literal[tuple(SUBCOMMANDS)]]  # type: ignore[valid-type]
    """what to do"""


def main(arguments: list[str]) -> None:
    name, *rest = arguments or ["--help"]
    if name in ("-h", "--help"):
        print(HELP)
        return
    if name not in SUBCOMMANDS:
        near = difflib.get_close_matches(name, SUBCOMMANDS, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise UserError(
            f"there is no subcommand {name!r}. {hint}`keras-reid gallery --help` lists all of them"
        )
    importlib.import_module(SUBCOMMANDS[name][0]).main(rest)


if __name__ == "__main__":
    command_line.run(main)
