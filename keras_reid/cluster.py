"""`keras-reid cluster FOLDER --model M`: which pictures of a folder show the same one?"""

from __future__ import annotations

import csv
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

TABLE, PAGE = "groups.csv", "index.html"
_NAMED = 5  # files that are named one by one; the rest is counted


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Group the pictures of a folder into identities, without being told how many there are.

    Writes a table (groups.csv: path, identity, probability) and a page to look at (index.html, which holds the
    thumbnails). The model must be calibrated (`keras-reid calibrate`). Pictures that cannot be read are left out and
    named. At most 20,000 pictures, for which memory of 5 GB is needed; those that a store holds count, too.

    With --store the pictures are enrolled there, each group as an identity without a name, and `keras-reid gallery
    serve` shows them: name, merge, split, undo. The next call groups only what people have not decided: names, merges,
    splits and answers stay, and what was undone is not done again. Pictures of the store that are not in the folder
    stay where they are, and new ones may join them. All that this command changes can be undone on that page.
    """

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FOLDER")]
    """folder of images, with all its sub-folders; their names do not matter"""
    model: str
    """a run directory (runs/NAME), a .keras file or a published model (`keras-reid zoo list`), calibrated"""
    output: Path = Path("cluster_results")
    """folder for the table and the page"""
    store: str | None = None
    """folder of a gallery's store, which is made if it is missing, or postgresql://USER@HOST/DATABASE"""
    keep: Literal["images", "thumbnails", "nothing"] = "thumbnails"
    """what the store keeps of the pictures, as in gallery enrol"""
    prior: float | None = None
    """share of same pairs among all pairs of pictures, 0 to 1; by default it is estimated from the pictures"""
    probability: float = 0.5
    """two groups are joined if their pictures are, on average, the same with more than this probability"""
    batch_size: int = 64
    """images in a batch"""
    offline: Offline = False
    accept_licence: AcceptLicence = False
    trust_code: TrustCode = False


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Cluster, arguments, prog="keras-reid cluster", config=(tyro.conf.FlagCreatePairsOff,)
    )
    command_line.check_counts(options, "batch_size")
    if not options.folder.is_dir():
        raise UserError(f"{options.folder} must be a folder of images. Received: a path that is none")
    if options.output.exists() and not options.output.is_dir():
        raise UserError(f"--output must be a folder. Received: {options.output}, which is a file")
    from keras_reid.embedding.named_images import find_images
    from keras_reid.gallery.opening import check_store
    from keras_reid.tracks.clustering import calibration_of, check_count, check_options

    check_options(options.prior, options.probability)
    paths = find_images([options.folder])
    check_count(len(paths))
    if options.store is not None:
        check_store(options.store)
    options = resolved(options, "model")
    calibration = calibration_of(options.model)

    from keras_reid.gallery.store_model import embedder_of

    embedder, identity, _ = embedder_of(options.model, options.trust_code, options.batch_size)
    if options.store is None:
        result = _without_store(options, paths, embedder, calibration)
    else:
        from keras_reid.gallery.postgres.store import PostgresStore

        command_line.continue_with("cluster", arguments)
        with PostgresStore(options.store, identity) as store:
            result = _with_store(options, paths, embedder, calibration, store)
    _write(options, result)


@dataclasses.dataclass(frozen=True)
class _Result:
    rows: list[tuple[str, str, float]]  # path, identity, probability
    prior: float
    last: str  # what to say at the end


def _without_store(options, paths, embedder, calibration):
    from keras_reid.tracks.albums import group
    from keras_reid.tracks.albums.album_pictures import embedded_pictures

    pictures = embedded_pictures(paths, embedder, batch_size=options.batch_size)
    _say("cannot be read", pictures.unreadable)
    groups = group(pictures.embeddings, calibration, options.prior, options.probability)
    rows = [
        (path, str(groups.label[item] + 1), float(groups.probability[item]))
        for path, item in zip(pictures.paths, pictures.item.tolist(), strict=True)
    ]
    return _Result(rows, groups.prior, "")


def _with_store(options, paths, embedder, calibration, store):
    import numpy as np

    from keras_reid.gallery.shown_names import shown_identity
    from keras_reid.tracks.albums import album_store, group
    from keras_reid.tracks.albums.album_pictures import embedded_pictures
    from keras_reid.tracks.albums.regrouping import plan
    from keras_reid.tracks.clustering import check_count

    before = album_store.read_enrolled(store)
    rows_of = {digest: row for row, digest in enumerate(before.digests) if digest is not None}
    known = {digest: before.embeddings[row] for digest, row in rows_of.items()}
    pictures = embedded_pictures(paths, embedder, known, options.batch_size)
    _say("cannot be read", pictures.unreadable)
    enrolled = [rows_of.get(digest) for digest in pictures.digests]
    new = [item for item, row in enumerate(enrolled) if row is None]
    stored = len(before.sightings)
    check_count(stored + len(new))
    here = set(enrolled)
    decided = before.decided([row in here for row in range(stored)])
    if decided.contradictory:
        print(
            f"{decided.contradictory} answers contradict names, merges or splits, and do not count",
            file=sys.stderr,
        )
    embeddings = np.concatenate([before.embeddings, pictures.embeddings[new]])
    groups = group(embeddings, calibration, options.prior, options.probability, decided.with_new(len(new)))

    planned = plan(groups.label[:stored], before.identities, decided.core)
    numbers = album_store.regroup(store, before, planned)
    homes = {label: numbers.get(home, home) for label, home in planned.homes.items()}
    certain = {int(one) for one in decided.core if one >= 0}
    path_of = dict(reversed(list(zip(pictures.item.tolist(), pictures.paths, strict=True))))
    members: dict[int, list[int]] = {}
    for place, item in enumerate(new):
        members.setdefault(int(groups.label[stored + place]), []).append(item)
    to_enrol = [
        album_store.NewGroup(
            tuple(path_of[item] for item in items),
            tuple(pictures.digests[item] for item in items),
            pictures.embeddings[items],
            homes.get(label),
            homes.get(label) in certain,
        )
        for label, items in sorted(members.items())
    ]
    left_out = album_store.enrol_groups(store, to_enrol, options.keep)
    _say("left out", left_out)
    if to_enrol:
        store.analyze()
        store.index_if_due()

    after = album_store.identities_of(store, pictures.digests)
    place_of = {item: stored + place for place, item in enumerate(new)}
    rows = []
    for path, item in zip(pictures.paths, pictures.item.tolist(), strict=True):
        if (found := after.get(pictures.digests[item])) is not None:
            row = place_of.get(item, enrolled[item])
            rows.append((path, shown_identity(*found), float(groups.probability[row])))
    changed = len(planned.splits) + len(planned.merges)
    last = (
        f"{store.name}: {counted(len(new) - len(left_out), 'picture')} enrolled, {counted(changed, 'change')} of "
        f"identities that were there. Name, merge and split: "
        f"keras-reid gallery serve --model {options.model} --store {store.name}"
    )
    return _Result(rows, groups.prior, last)


def _write(options, result):
    from keras_reid.embedding.named_images import displayed
    from keras_reid.gallery.postgres.transfer import guarded
    from keras_reid.utils.files import written_aside
    from keras_reid.visualization.album_page import AlbumGroup, AlbumPicture, write_album_page

    by_identity: dict[str, list[AlbumPicture]] = {}
    for path, identity, probability in result.rows:
        by_identity.setdefault(identity, []).append(AlbumPicture(path, probability))
    groups = [
        AlbumGroup(identity, tuple(some))
        for identity, some in sorted(by_identity.items(), key=lambda item: -len(item[1]))
    ]
    alone = sum(len(one.pictures) == 1 for one in groups)
    options.output.mkdir(parents=True, exist_ok=True)
    with (
        written_aside(options.output / TABLE) as aside,
        open(aside, "w", encoding="utf-8", newline="") as stream,
    ):
        table = csv.writer(stream)
        table.writerow(("path", "identity", "probability"))
        for path, identity, probability in result.rows:
            table.writerow((guarded(displayed(path)), guarded(identity), f"{probability:.4f}"))
    facts = [
        ("Pictures", f"{len(result.rows):,}"),
        ("Identities", f"{len(groups):,}, of which {alone:,} with one picture"),
        ("Share of same pairs", f"{result.prior:.2g}"),
        ("Model", options.model),
    ]
    write_album_page(
        options.output / PAGE,
        f"Album: {displayed(options.folder.resolve().name)}",
        groups,
        facts,
        "Groups of pictures that show the same one, as far as the model can tell.",
    )
    print(
        f"{counted(len(result.rows), 'picture')}, {counted(len(groups), 'identity', 'identities')}, {alone} of them "
        f"with one picture: {options.output / TABLE}, {options.output / PAGE}"
    )
    if result.last:
        print(result.last)


def _say(what, reasons):
    if not reasons:
        return
    print(f"{counted(len(reasons), 'picture')} {what}:", file=sys.stderr)
    for path, reason in list(reasons.items())[:_NAMED]:
        print(f"  {path}: {reason}", file=sys.stderr)
    if len(reasons) > _NAMED:
        print(f"  and {len(reasons) - _NAMED} more", file=sys.stderr)


if __name__ == "__main__":
    command_line.run(main)
