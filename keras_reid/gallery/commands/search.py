"""`keras-reid gallery search IMAGE… --model M --store S`: who is this, where else was it seen?"""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Annotated

import tyro

from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.fetch_options import AcceptLicence, Offline
from keras_reid.utils.trust_option import TrustCode
from keras_reid.zoo.resolving import resolved


@dataclasses.dataclass(frozen=True)
class Search:
    """Find the sightings of a gallery that are nearest to an image: who it shows, where and when they were seen.

    With a calibrated model each sighting comes with the probability that it shows the same one, and a verdict: same,
    different or unsure. The search is exact; in a store of 250 000 sightings or more an index finds the candidates.
    """

    images: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="IMAGE")]
    """image files, and folders of them"""
    model: str
    """the run directory (runs/NAME), .keras file or published model that the store's embeddings come from"""
    store: str = "gallery-store"
    """folder of the store, or postgresql://USER@HOST/DATABASE"""
    camera: tuple[str, ...] = ()
    """only sightings of these cameras"""
    after: str | None = None
    """only sightings from this time on, in ISO 8601 with a zone: 2026-11-29T08:30:00+01:00"""
    before: str | None = None
    """only sightings before this time"""
    top: int = 10
    """sightings to show"""
    exact: bool = False
    """compare with every sighting, even if the store has an index"""
    prior: float | None = None
    """how likely it is, before looking, that two images show the same one, 0 to 1; by default that of the calibration's
    test set"""
    json: bool = False
    """print JSON instead of tables"""
    batch_size: int = 64
    """images in a batch"""
    offline: Offline = False
    accept_licence: AcceptLicence = False
    trust_code: TrustCode = False


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Search, arguments, prog="keras-reid gallery search", config=(tyro.conf.FlagCreatePairsOff,)
    )
    command_line.check_counts(options, "top", "batch_size")
    if not options.images:
        raise UserError("name at least one image to search for, before the options")
    from keras_reid.embedding.named_images import find_images
    from keras_reid.evaluation.calibration.calibration import check_prior
    from keras_reid.gallery.enrolment import parse_time
    from keras_reid.gallery.opening import check_store
    from keras_reid.gallery.protocol import Filters
    from keras_reid.gallery.sightings_output import print_found, with_verdicts
    from keras_reid.gallery.store_model import open_with_model

    if options.prior is not None:
        check_prior(options.prior)
    images = find_images(options.images)
    filters = Filters(
        options.camera,
        parse_time(options.after, "--after") if options.after else None,
        parse_time(options.before, "--before") if options.before else None,
    )
    check_store(options.store, create=False)
    options = resolved(options, "model")
    with open_with_model(
        options.store, options.model, options.trust_code, options.batch_size, create=False
    ) as opened:
        lists = opened.store.search(opened.embedder(images), filters, options.top, options.exact)
    answers = with_verdicts(images, lists, opened.calibration, options.prior, opened.embedder.image_size)
    if options.json:
        print(json.dumps([one.to_dict() for one in answers], indent=2, ensure_ascii=False))
    else:
        for one in answers:
            print_found(one)
    if opened.calibration is None:
        print(
            f"no verdict: the model is not calibrated. `keras-reid calibrate {options.model}` turns its distances into "
            "probabilities.",
            file=sys.stderr,
        )
    elif opened.calibration.metric != "cosine":
        print(
            f"no verdict: the model's calibration is for {opened.calibration.metric} distances, and a store compares "
            f"by cosine. `keras-reid calibrate {options.model} --metric cosine` makes one.",
            file=sys.stderr,
        )
