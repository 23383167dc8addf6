"""`keras-reid associate T.npz… --model M`: who is who across cameras?"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from keras_reid.utils import command_line
from keras_reid.utils.counted import counted
from keras_reid.utils.errors import UserError
from keras_reid.utils.fetch_options import AcceptLicence, Offline
from keras_reid.utils.model_file import find_model_file
from keras_reid.zoo.resolving import resolved

if TYPE_CHECKING:
    from keras_reid.evaluation.calibration.calibration import Calibration
    from keras_reid.gallery.model_identity import ModelIdentity
    from keras_reid.tracks.association import Association
    from keras_reid.tracks.records import Tracks


@dataclasses.dataclass(frozen=True)
class Associate:
    """Group the tracklets of several cameras into identities, and write the boxes with global ids.

    Tracklets are joined by the calibrated probability that they show the same one, best first, until none is left
    above one half. How many identities there are follows from that. Nobody is at two places at one time: tracklets that
    are in the same frames are not joined, nor those that overlap in time in two cameras, if both videos have a start
    time.

    Writes CAMERA.txt for each camera, in the format of the MOT Challenge, with all boxes, and identities.csv, a row for
    each tracklet. With --store, also enrols the tracklets in the store of a gallery: those of one identity under one
    identity. A tracklet that is enrolled already is passed over.
    """

    files: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="T.npz")]
    """files that `keras-reid tracks` wrote, one for each camera, or folders of them"""
    model: str
    """the run directory (runs/NAME), .keras file or published model that the tracks were made with, calibrated"""
    output: Path = Path("identities")
    """folder for the files; those of an earlier run with the same names are replaced"""
    travel: Path | None = None
    """CSV file with the columns from, to, seconds: the least time from one camera's view to another's. One direction
    stands for both where only one is listed"""
    overlapping: tuple[str, ...] = ()
    """cameras whose views overlap: any two of them may see the same one at the same time"""
    handover: float = 2.0
    """seconds for which two tracklets of one identity may both have boxes in a camera: while a tracker's new id begins,
    the old one may live on"""
    prior: float | None = None
    """share of same pairs, 0 to 1, among the pairs of tracklets that can be the same; by default estimated"""
    probability: float = 0.5
    """join tracklets down to this probability, 0 to 1; a higher one gives more identities and fewer mistakes in them"""
    store: str | None = None
    """enrol the tracklets in this store of a gallery: a folder, or postgresql://USER@HOST/DATABASE"""
    prefix: str | None = None
    """name the identities that are new to the store PREFIX1, PREFIX2 and so on; by default they have no names"""
    keep: Literal["images", "thumbnails", "nothing"] = "thumbnails"
    """what the store keeps of each tracklet's best picture"""
    json: bool = False
    """print JSON instead of a summary"""
    offline: Offline = False
    accept_licence: AcceptLicence = False


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Associate, arguments, prog="keras-reid associate", config=(tyro.conf.FlagCreatePairsOff,)
    )
    from keras_reid.tracks.association import (
        associate,
        impossible_pairs,
        read_travel_times,
        write_identities,
    )
    from keras_reid.tracks.clustering import calibration_of, check_count, check_options

    check_options(options.prior, options.probability)
    if options.prefix is not None and options.store is None:
        raise UserError("--prefix names identities in a store: name it with --store")
    if options.output.exists() and not options.output.is_dir():
        raise UserError(f"--output must be a folder. Received: {options.output}, which is a file")
    tracks = _read(options.files)
    check_count(sum(len(one.tracklets) for one in tracks))
    cameras = {one.camera for one in tracks}
    travel = None if options.travel is None else read_travel_times(options.travel, cameras)
    options = resolved(options, "model")
    calibration = calibration_of(options.model)
    model = _model(options.model, calibration)
    for file, one in zip(_files(options.files), tracks, strict=True):
        _check_model(one.model, model, file)
    cannot_link = impossible_pairs(tracks, options.overlapping, travel, options.handover)
    with contextlib.ExitStack() as stack:
        store = None
        if options.store is not None:
            store = stack.enter_context(_opened(options.store, tracks, calibration))
        association = associate(
            tracks,
            calibration,
            prior=options.prior,
            probability=options.probability,
            cannot_link=cannot_link,
        )
        enrolled = None
        if store is not None:
            from keras_reid.tracks.association.gallery_entries import enrol_tracklets

            enrolled = enrol_tracklets(store, tracks, association, options.prefix, options.keep)
            store.analyze()
    written = write_identities(options.output, tracks, association)
    _show(options, tracks, association, len(cannot_link), written, enrolled)


def _files(named):
    files = []
    for path in named:
        if not path.exists():
            raise UserError(f"{path}: there is no such file of tracks. `keras-reid tracks` writes them")
        found = sorted(path.glob("*.npz")) if path.is_dir() else [path]
        if not found:
            raise UserError(f"{path}: the folder holds no file of tracks (.npz)")
        files += found
    if not files:
        raise UserError(
            "name at least one file of tracks, before the options; `keras-reid tracks` writes them"
        )
    return files


def _read(named) -> list[Tracks]:
    from keras_reid.tracks.tracks_file import read_tracks

    files = _files(named)
    tracks = [read_tracks(file) for file in files]
    of: dict[str, Path] = {}
    for file, one in zip(files, tracks, strict=True):
        if one.camera in of:
            raise UserError(
                f"{file}: is of the camera {one.camera!r}, and so is {of[one.camera]}: each file must be of another "
                "one. Name them apart with `keras-reid tracks --camera`"
            )
        if "/" in one.camera or one.camera.startswith("."):
            raise UserError(
                f"{file}: the name of its camera cannot be that of a file. Received: {one.camera!r}"
            )
        of[one.camera] = file
    return tracks


def _model(run_or_model: str, calibration: Calibration) -> ModelIdentity:
    """The identity of the model, which need not be loaded."""
    from keras_reid.gallery.model_identity import PREPROCESSING, ModelIdentity
    from keras_reid.utils.model_file import fingerprint

    flip = ", flip" if calibration.flip else ""
    known = fingerprint(find_model_file(run_or_model))
    # Of the length of embeddings, which its file does not tell, the tracks have made sure.
    return ModelIdentity(run_or_model, known, 1, PREPROCESSING + flip)


def _check_model(theirs: ModelIdentity, ours: ModelIdentity, file: Path) -> None:
    if theirs.fingerprint != ours.fingerprint:
        raise UserError(
            f"{file}: its embeddings are of the model {theirs.name} ({theirs.fingerprint[:8]}), and --model names "
            f"{ours.name} ({ours.fingerprint[:8]}). All files must be of one model: make them again with `keras-reid "
            "tracks`, or name the other one"
        )
    if theirs.preprocessing != ours.preprocessing:
        raise UserError(
            f"{file}: its embeddings were made with preprocessing {theirs.preprocessing!r}, and the calibration is for "
            f"{ours.preprocessing!r}. Make them again with `keras-reid tracks`"
        )


def _opened(address, tracks, calibration):
    from keras_reid.gallery.opening import check_store
    from keras_reid.gallery.postgres.store import PostgresStore
    from keras_reid.tracks.association.gallery_entries import check_count

    check_count(tracks)
    check_store(address)
    return PostgresStore(
        address, dataclasses.replace(tracks[0].model, calibration=dataclasses.asdict(calibration))
    )


def _show(options, tracks, association: Association, impossible, written, enrolled):
    from keras_reid.tracks.association.identity_files import association_rows

    rows = association_rows(tracks, association)
    cameras: dict[int, set[str]] = {}
    for row in rows:
        cameras.setdefault(row["identity"], set()).add(row["camera"])
    several = sum(len(names) > 1 for names in cameras.values())
    if len(tracks) > 1 and (unknown := [one.camera for one in tracks if one.start is None]):
        print(
            f"no start time: {', '.join(unknown)}. Tracklets there are not compared with other cameras' by time; "
            "`keras-reid tracks --start` gives one",
            file=sys.stderr,
        )
    if options.json:
        about = {
            "identities": association.count,
            "in_several_cameras": several,
            "prior": association.prior,
            "impossible_pairs": impossible,
            "files": [str(file) for file in written],
            "enrolled": enrolled and dataclasses.asdict(enrolled),
            "tracklets": rows,
        }
        print(json.dumps(about, indent=2, ensure_ascii=False))
        return
    print(
        f"{counted(association.count, 'identity', 'identities')} of {counted(len(rows), 'tracklet')} in "
        f"{counted(len(tracks), 'camera')}; {several} of them in several "
        f"cameras. {association.prior:.2%} of the possible pairs are the same"
        f"{' (estimated)' if options.prior is None else ''}; {impossible} pairs are impossible"
    )
    print(f"written: {', '.join(map(str, written))}")
    if enrolled:
        from keras_reid.gallery.postgres.store import shown

        more = f"; {enrolled.known} were enrolled already" if enrolled.known else ""
        print(
            f"{counted(enrolled.tracklets, 'tracklet')} enrolled in {shown(options.store)}, "
            f"{counted(enrolled.identities, 'new identity', 'new identities')}{more}"
        )


if __name__ == "__main__":
    command_line.run(main)
