"""`keras-reid gallery reembed --model M`: switch a store to another model."""

from __future__ import annotations

import dataclasses
import json

import tyro

from keras_reid.utils import command_line
from keras_reid.utils.counted import counted
from keras_reid.utils.fetch_options import AcceptLicence, Offline
from keras_reid.utils.trust_option import TrustCode
from keras_reid.zoo.resolving import resolved


@dataclasses.dataclass(frozen=True)
class Reembed:
    """Embed everything that is enrolled with another model, and switch the store to it.

    Until the switch, which is one transaction, the store answers with the old model. After a kill, the same command
    continues. Each sighting is embedded from its source file, if that is unchanged, or from the picture that the store
    keeps. At the end, the answers of both models are compared for up to 200 sightings.
    """

    model: str
    """the new run directory (runs/NAME), .keras file or published model (`keras-reid zoo list`)"""
    store: str = "gallery-store"
    """folder of the store, or postgresql://USER@HOST/DATABASE"""
    thumbnails: bool = False
    """embed kept thumbnails where nothing better is left"""
    leave_out: bool = False
    """switch even if no picture of some sightings is left; these are not found any more"""
    json: bool = False
    """print JSON"""
    batch_size: int = 64
    """images in a batch"""
    offline: Offline = False
    accept_licence: AcceptLicence = False
    trust_code: TrustCode = False


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Reembed, arguments, prog="keras-reid gallery reembed", config=(tyro.conf.FlagCreatePairsOff,)
    )
    command_line.check_counts(options, "batch_size")
    from keras_reid.gallery.opening import check_store
    from keras_reid.gallery.postgres.model_switch import reembed
    from keras_reid.gallery.postgres.store import PostgresStore
    from keras_reid.gallery.shown_names import shown_text
    from keras_reid.gallery.store_model import embedder_of
    from keras_reid.utils.model_file import find_model_file

    check_store(options.store, create=False)
    model = options.model
    options = resolved(options, "model")
    find_model_file(options.model)
    embedder, identity, _ = embedder_of(options.model, options.trust_code, options.batch_size)
    command_line.continue_with("gallery", ["reembed", *arguments])
    with PostgresStore(options.store, create=False) as store:
        done = reembed(
            store,
            identity,
            embedder,
            thumbnails=options.thumbnails,
            leave_out=options.leave_out,
            batch_size=options.batch_size,
        )
    if options.json:
        print(json.dumps(done.to_dict(), indent=2, ensure_ascii=False))
        return
    print(
        f"{counted(done.sightings, 'sighting')} embedded, {done.left_out} left out; the store's model is {model} now"
    )
    if done.queries:
        print(
            f"nearest other sighting of the same identity: {done.right_before} of {done.queries} before, "
            f"{done.right_after} now; {counted(len(done.changed), 'answer')} changed"
        )
    for one in done.changed:
        own, before, after = (shown_text(str(word)) for word in (one.own, one.before, one.after))
        print(f"  {shown_text(one.source)} ({own}): {before} before, {after} now")
