"""`keras-reid gallery enrol PATH… --model M --store S`: adds images to a store."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro

from keras_reid.utils import command_line
from keras_reid.utils.counted import counted
from keras_reid.utils.errors import UserError
from keras_reid.utils.fetch_options import AcceptLicence, Offline
from keras_reid.utils.trust_option import TrustCode
from keras_reid.zoo.resolving import resolved

_NAMED = 5  # files that are named one by one; the rest is counted


@dataclasses.dataclass(frozen=True)
class Enrol:
    """Add images to the store of a gallery, with identity, camera and time.

    Files, folders and CSV files may be mixed. A folder without --identity may be laid out as training reads it:
    IDENTITY/CAMERA_anything.jpg, or file names as those of Market-1501; other images get an identity without a name
    each. A file that is enrolled already, whatever its name, is passed over, and so the same command continues after
    a kill. Files that cannot be read are left out and named.
    """

    paths: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="PATH")]
    """image files, and folders of them"""
    model: str
    """a run directory (runs/NAME), a .keras file or a published model (`keras-reid zoo list`). A new store becomes that
    of this model; another model than the store's is refused"""
    store: str = "gallery-store"
    """folder of the store, which is made if it is missing, or postgresql://USER@HOST/DATABASE"""
    csv: Path | None = None
    """a CSV file with a column path, and optionally identity, camera, time, quality (0 to 1) and note. The paths are
    relative to its folder and stay below it"""
    identity: str | None = None
    """name of the identity that all these images show; one that is there gets more sightings"""
    camera: str | None = None
    """camera of all these images, where nothing else says it"""
    time: str | None = None
    """when they were taken, in ISO 8601 with a zone: 2026-11-29T08:30:00+01:00"""
    keep: Literal["images", "thumbnails", "nothing"] = "thumbnails"
    """what to keep of the images: whole ones, thumbnails of at most 128 pixels, or embeddings alone. Metadata such as
    places is never kept"""
    batch_size: int = 64
    """images in a batch"""
    offline: Offline = False
    accept_licence: AcceptLicence = False
    trust_code: TrustCode = False


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Enrol, arguments, prog="keras-reid gallery enrol", config=(tyro.conf.FlagCreatePairsOff,)
    )
    command_line.check_counts(options, "batch_size")
    if not options.paths and options.csv is None:
        raise UserError("name images or folders before the options, or a table with --csv")
    from keras_reid.gallery.enrolment import enrol, parse_time, pictures_of, pictures_of_csv
    from keras_reid.gallery.opening import check_store
    from keras_reid.gallery.store_model import open_with_model

    time = parse_time(options.time, "--time") if options.time else None
    labels = (options.identity, options.camera, time)
    pictures = pictures_of(options.paths, *labels)
    if options.csv is not None:
        pictures += pictures_of_csv(options.csv, *labels)
    check_store(options.store)
    options = resolved(options, "model")

    command_line.continue_with("gallery enrol", arguments)
    with open_with_model(options.store, options.model, options.trust_code, options.batch_size) as opened:
        done = enrol(opened.store, opened.embedder, pictures, options.keep, options.batch_size)
        if done.sightings:
            opened.store.analyze()
            recall = opened.store.index_if_due()
            if recall is not None:
                print(f"the index finds {recall:.1%} of the ten nearest", file=sys.stderr)
        counts = opened.store.count()
    _say("passed over", done.duplicates)
    _say("cannot be read", done.unreadable)
    if done.unreadable and not done.sightings and not done.duplicates:
        raise UserError(f"none of {counted(len(pictures), 'image')} can be read")
    print(
        f"{counted(done.sightings, 'image')} enrolled in {opened.store.name}, which holds "
        f"{counted(counts.sightings, 'sighting')} of {counted(counts.identities, 'identity', 'identities')}"
    )


def _say(what, reasons):
    if not reasons:
        return
    print(f"{counted(len(reasons), 'image')} {what}:", file=sys.stderr)
    for path, reason in list(reasons.items())[:_NAMED]:
        print(f"  {path}: {reason}", file=sys.stderr)
    if len(reasons) > _NAMED:
        print(f"  and {len(reasons) - _NAMED} more", file=sys.stderr)
