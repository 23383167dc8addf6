"""`keras-reid search QUERY… --gallery FOLDER`: where else was this one seen?"""

import dataclasses
import json
import re
import sys
from pathlib import Path
from typing import Annotated

import tyro

from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.fetch_options import AcceptLicence, Offline
from keras_reid.utils.trust_option import TrustCode
from keras_reid.zoo.resolving import resolved

_PICTURES = Path("search_results")


@dataclasses.dataclass(frozen=True)
class Search:
    """Find the images of a folder that show the same one as a query, or say of two images whether they do.

    Prints a ranked list for each query and draws it as a picture: the nearest images, each with the probability that it
    shows the same one and the verdict: same, different or unsure. Probability and verdict need a calibrated model
    (`keras-reid calibrate`). With two image files and no gallery, prints the verdict on them.

    The embeddings of the gallery are kept in an index, a hidden folder in the gallery. The next call embeds only new
    and changed images, and drops those that are gone; another model makes a new index. After a kill, the same command
    continues where it was. Time: for a new index, that of embedding the gallery; later, a look at each file, and
    reading the index once for each query. Disk: 4 bytes for each number of an embedding. Memory: about 1 kB for each
    image of the gallery, and 256 MiB.
    """

    queries: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="QUERY")]
    """image files, and folders of them: any number with a gallery, two files without one"""
    gallery: Path | None = None
    """folder of images to search in, with all its sub-folders. A query in it does not find itself"""
    model: str | None = None
    """a run directory (runs/NAME), a .keras file, or a published model: its name (`keras-reid zoo list`) or address; by
    default the model of the index, else the newest finished run in runs/"""
    top: int = 10
    """gallery images to show"""
    output: Path | None = None
    """folder for the pictures, one a query; by default search_results, and no pictures with --json"""
    json: bool = False
    """print JSON instead of tables"""
    prior: float | None = None
    """how likely it is, before looking, that two images show the same one, 0 to 1; by default that of the calibration's
    test set. For two files that are as often the same as not it is 0.5"""
    cameras: tuple[str, str] | None = None
    """the camera of the queries and that of the gallery (or of two files), named as in the data set of the calibration;
    as in verify"""
    index: Path | None = None
    """folder of the index; by default .keras_reid_index in the gallery. To keep the indexes of several models, give
    each its folder"""
    strict: bool = False
    """stop at an unreadable gallery image before anything is embedded, instead of leaving it out and naming it"""
    batch_size: int = 64
    """images in a batch"""
    trust_code: TrustCode = False
    offline: Offline = False
    accept_licence: AcceptLicence = False


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Search, arguments, prog="keras-reid search", config=(tyro.conf.FlagCreatePairsOff,)
    )
    command_line.check_counts(options, "top", "batch_size")
    if options.trust_code and not options.model:
        # The index names a model. It may be a stranger's, and must not choose what is executed.
        raise UserError("--trust-code is for a run that you name: add --model")
    # Every mistake is reported before the wait for TensorFlow.
    from keras_reid.evaluation.calibration.calibration import check_prior

    if options.prior is not None:
        check_prior(options.prior)
    if options.gallery is None:
        _compare(options)
    else:
        _search(options, arguments)


def _compare(options):
    """Two files, one verdict."""
    if len(options.queries) != 2 or any(Path(query).is_dir() for query in options.queries):
        raise UserError(
            "name a folder to search in with --gallery, or exactly two image files to compare. "
            f"Received: {' '.join(options.queries) or 'nothing'}"
        )
    for name in ("index", "output", "strict"):
        if getattr(options, name):
            raise UserError(f"--{name} is for a search in a folder: name it with --gallery")
    from keras_reid.embedding.named_images import find_images
    from keras_reid.gallery.model_choice import choose_model

    paths = find_images(options.queries)
    options = resolved(options, "model")
    named, why = choose_model(options.model)

    command_line.load_tensorflow()
    import numpy as np

    from keras_reid.data.unreadable import check_images
    from keras_reid.embedding import embed_paths
    from keras_reid.evaluation import Distances, Features, verify
    from keras_reid.evaluation.calibration.calibration import KEY
    from keras_reid.models import load_model

    _say_model(named, why)
    model = load_model(named, trust_code=options.trust_code)
    if model.metadata.get(KEY):
        verdict = verify(model, *paths, options.prior, options.cameras)
        print(json.dumps(verdict.to_dict()) if options.json else verdict)
        return
    check_images(paths, remedy=_REMEDY)
    features = Features(embed_paths(model, paths), [0, 1], None)
    distance = float(np.asarray(Distances(features[:1], features[1:]))[0, 0])
    if options.json:
        print(json.dumps({"verdict": None, "probability": None, "distance": distance, "metric": "cosine"}))
    else:
        print(f"distance {distance:.4f}, cosine similarity {1 - distance:.4f}")
    _say_uncalibrated(named)


def _search(options, arguments):
    if not options.queries:
        raise UserError("name at least one image to search for, before the options")
    if options.output and options.output.exists() and not options.output.is_dir():
        raise UserError(f"--output must be a folder. Received: {options.output}, which is a file")
    from keras_reid.embedding.named_images import find_images
    from keras_reid.gallery.index import index_folder
    from keras_reid.gallery.model_choice import choose_model
    from keras_reid.gallery.scan import scan
    from keras_reid.utils.model_file import find_model_file, fingerprint

    queries = find_images(options.queries)
    scanned = scan(options.gallery)
    index = index_folder(options.gallery, options.index)
    options = resolved(options, "model")
    named, why = choose_model(options.model, index)
    file = find_model_file(named)

    command_line.load_tensorflow()
    from keras_reid.data.unreadable import check_images
    from keras_reid.embedding import check_finite, embed_paths
    from keras_reid.evaluation import Calibration
    from keras_reid.evaluation.calibration.calibration import KEY
    from keras_reid.gallery import search_gallery, update_index
    from keras_reid.models import load_model

    _say_model(named, why)
    check_images(queries, remedy=_REMEDY)
    model = load_model(named, trust_code=options.trust_code)
    calibration = Calibration.from_metadata(model.metadata) if model.metadata.get(KEY) else None
    flip = bool(calibration and calibration.flip)
    command_line.continue_with("search", arguments)
    gallery = update_index(
        scanned,
        model,
        named,
        fingerprint(file),
        index,
        flip=flip,
        batch_size=options.batch_size,
        strict=options.strict,
    )
    embeddings = embed_paths(model, queries, options.batch_size, flip)
    check_finite(queries, embeddings)
    lists = search_gallery(
        queries,
        embeddings,
        gallery,
        options.top,
        calibration,
        options.prior,
        model.image_size,
        options.cameras,
    )
    _show(lists, options)
    if calibration is None:
        _say_uncalibrated(named)
    else:
        _say_drift(lists, calibration)


def _say_drift(lists, calibration):
    """Says whether the best matches have left the distribution of the calibration."""
    from keras_reid.evaluation import DriftAlarm

    best = [one.images[0].distance for one in lists if one.images]
    drift = DriftAlarm(calibration.best_matches).add(best) if calibration.best_matches else None
    if drift:
        nearer = "farther away" if drift.direction == "higher" else "nearer"
        print(
            f"drift: by query {drift.query}, the best matches are {nearer} than in the calibration. Is the gallery of "
            "another kind, or have cameras or light changed? If so, calibrate again.",
            file=sys.stderr,
        )


def _show(lists, options):
    from keras_reid.gallery.search_output import draw_search_result, print_search_result

    if options.json:
        print(json.dumps([one.to_dict() for one in lists], indent=2, ensure_ascii=False))
    else:
        for one in lists:
            print_search_result(one)
    if options.json and options.output is None:
        return
    folder, taken = options.output or _PICTURES, set()
    for one in lists:
        name = stem = re.sub(r"[^\w.-]+", "_", Path(one.query).stem)
        number = 1
        while name in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name)
        draw_search_result(one, folder / f"{name}.png")
    print(f"{len(lists)} pictures in {folder}" if len(lists) > 1 else folder / f"{name}.png", file=sys.stderr)


_REMEDY = "a query must be an image that can be read"


def _say_model(named, why):
    print(f"model {named} ({why})", file=sys.stderr)


def _say_uncalibrated(named):
    print(
        f"no verdict: the model is not calibrated. `keras-reid calibrate {named}` turns its distances into "
        "probabilities, on a test set of other identities than it was trained on.",
        file=sys.stderr,
    )


if __name__ == "__main__":
    command_line.run(main)
