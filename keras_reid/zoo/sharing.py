"""What is shared of a run: model, card, settings, metrics and verified exports, with the hash of each file."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile

from keras_reid.export.hashes import PARITY, copy_checked, known_hashes
from keras_reid.export.placing import check_target, put_in_place
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import read_json, to_disk, write_json
from keras_reid.utils.manifest import MANIFEST, write_manifest
from keras_reid.utils.model_file import fingerprint
from keras_reid.utils.plain_paths import without_folders
from keras_reid.zoo.hub import MODEL, PREFIX, send

CARD = "README.md"


def find_exports(
    folder: str | os.PathLike[str] | None, run: str | os.PathLike[str]
) -> dict[str, dict[str, str] | None]:
    """The artefacts in a folder of `keras-reid export`.

    Args:
        folder: the folder, or None.
        run: run directory of the model that they must be made of.

    Returns:
        `{path within it: hashes of its files}`; see `keras_reid.export.hashes.known_hashes`.

    Raises:
        UserError: there are none, or one of them was not verified, or was made of another model. Older exports do
            not say of which.
    """
    if folder is None:
        return {}
    folder = pathlib.Path(folder)
    found = {
        file.parent.relative_to(folder).as_posix(): known_hashes(file.parent) for file in folder.rglob(PARITY)
    }
    if not found:
        raise UserError(
            f"{folder}: contains no artefact with a {PARITY}. Pass the folder given to keras-reid export"
        )
    ours = fingerprint(pathlib.Path(run) / MODEL)
    for name in found:
        if read_json(folder / name / PARITY).get("model", ours) != ours:
            raise UserError(
                f"{folder / name} was made of another model than {run}. Export this one: keras-reid export"
            )
    return dict(sorted(found.items()))


def share(
    run: str | os.PathLike[str],
    target: str | os.PathLike[str],
    card: str,
    exports: str | os.PathLike[str] | None = None,
    private: bool = False,
) -> tuple[str, dict[str, str]]:
    """Puts a finished run where others get it, all of it or nothing: on the Hub, or in a folder of the same layout.

    `README.md`, `model.keras`, `metrics.json`, `experiment.json` without the folders of this machine, `exports/` and
    `SHA256SUMS`. Images, embeddings and code are not shared.

    Args:
        run: run directory.
        target: `hf://organisation/repository[@branch]`, or a folder; an earlier one with a `SHA256SUMS` is replaced.
        card: the README.md.
        exports: folder that `keras-reid export` wrote, or None.
        private: create a private repository.

    Returns:
        Where it is, and `{name: SHA-256}`.

    Raises:
        UserError: an export was not verified or has changed; the folder holds something else; as `hub.send`.
    """
    run, artefacts = pathlib.Path(run), find_exports(exports, run)
    if str(target).startswith(PREFIX):
        with tempfile.TemporaryDirectory(prefix="keras_reid") as folder:
            hashes = _gather(run, pathlib.Path(folder), card, exports, artefacts)
            return send(folder, str(target), private), hashes
    with put_in_place(target, MANIFEST) as folder:
        folder.mkdir()
        hashes = _gather(run, folder, card, exports, artefacts)
        to_disk(folder)
    return str(target), hashes


def check_share_target(target: str | os.PathLike[str]) -> None:
    """Raises the error that `share` would raise for a folder, before anything is done."""
    check_target(target, MANIFEST)


def _gather(run, folder, card, exports, artefacts):
    """Copies what is shared of a run into a new folder; returns the hashes."""
    (folder / CARD).write_text(card, encoding="utf-8")
    shutil.copyfile(run / MODEL, folder / MODEL)
    for name in ("experiment.json", "metrics.json"):
        write_json(folder / name, without_folders(read_json(run / name)))
    for name, known in artefacts.items():
        copy_checked(pathlib.Path(exports) / name, folder / "exports" / name, known)
    return write_manifest(folder)
