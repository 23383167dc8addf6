"""`keras-reid calibrate RUN_OR_MODEL`: from distances to probabilities, kept in the model."""

import dataclasses
import shutil
import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro

from keras_reid.experiment.requested_data import requested_data, requested_experiment
from keras_reid.experiment.run_directory import find_run
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.fetch_options import AcceptLicence, Offline
from keras_reid.utils.model_file import find_model_file
from keras_reid.utils.trust_option import TrustCode
from keras_reid.zoo.resolving import file_name, is_published, resolved

_FEW = 50  # identities
_MOST_LOOKED_AT = 5000  # images whose looks are described


@dataclasses.dataclass(frozen=True)
class Calibrate:
    """Fit a model's answer to "is it the same one or not?" on held-out pairs, and keep it in the model.

    The pairs are those that evaluation counts, each query with each gallery image. The model must not have been trained
    on their identities. Prints the error rates, the threshold, and how reliable the probabilities are for identities
    that were not used for fitting. What the images look like is kept, too: verify and search are unsure of others.
    Writes everything into the metadata of the model file, which keeps its weights and
    optimizer; every later export has it too. Writes calibration.json and calibration.png next to the file. Of a run,
    model.keras is calibrated, and its report written again; to calibrate best.keras, name it.
    """

    run_or_model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_OR_MODEL")]
    """a run directory (runs/NAME), a .keras file, or a published model: its name (`keras-reid zoo list`) or address"""
    dataset: str | None = None
    """a benchmark, such as market1501, msmt17 or vehicleid_small (a wrong name lists all), or an experiment file, whose
    first test set is used; by default the run's first one"""
    root: Path | None = None
    """folder that holds the data set; by default that of the run or experiment file"""
    metric: Literal["cosine", "euclidean"] | None = None
    """distance between embeddings; by default that of the run or experiment file, else cosine. Use cosine for exports,
    whose embeddings have unit length"""
    flip: bool = False
    """average the embeddings of each image and its mirror image, here and in verify"""
    protocol: Literal["cross_camera", "all"] | None = None
    """which pairs count: cross_camera leaves out pairs of one identity and one camera, all counts every pair; by
    default the protocol of the data set"""
    false_positive_rate: float = 1e-3
    """share of different pairs that the threshold may accept"""
    prior: float | None = None
    """share of same pairs, 0 to 1, among the pairs that will be asked about, for which the probabilities hold; by
    default that of the test set, often below one in a hundred. 0.5 is for pairs that are as often the same as not. Each
    question can set another one"""
    same_above: float = 0.9
    """probability from which the verdict is "same" """
    different_below: float = 0.1
    """probability up to which the verdict is "different"; between the two it is "unsure" """
    memory: str | None = None
    """memory to use in addition to the embeddings, such as 1GB; by default 256MiB"""
    batch_size: int = 128
    """images in a batch"""
    skip_unreadable: bool = False
    """leave unreadable images out and list them, instead of stopping"""
    trust_code: TrustCode = False
    offline: Offline = False
    accept_licence: AcceptLicence = False


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Calibrate, arguments, prog="keras-reid calibrate", config=(tyro.conf.FlagCreatePairsOff,)
    )
    named = options.run_or_model
    # The cache stays as it is: a published model is calibrated as a file of one's own.
    own = file_name(named, ".keras") if is_published(named) else None
    if own and own.exists():
        raise UserError(f"{own}: exists already. Calibrate it by that path, or move it away")
    options = resolved(options)
    file = find_model_file(options.run_or_model)
    from keras_reid.evaluation import parse_memory
    from keras_reid.evaluation.calibration.fitting import check_options

    wanted = {
        name: getattr(options, name)
        for name in ("prior", "false_positive_rate", "same_above", "different_below")
    }
    check_options(**wanted)
    memory = None if options.memory is None else parse_memory(options.memory)
    experiment = requested_experiment(options.dataset, find_run(options.run_or_model), options.trust_code)
    data = requested_data(options.dataset, experiment, options.root, options.skip_unreadable)
    data = dataclasses.replace(data, test_datasets=tuple(data.test_datasets)[:1])
    settings = _settings(options, experiment)

    command_line.load_tensorflow()
    import numpy as np

    from keras_reid.evaluation import Evaluator, calibrate
    from keras_reid.evaluation.calibration.calibration_tables import print_calibration
    from keras_reid.evaluation.calibration.domain import appearances, fit_domain
    from keras_reid.models import load_model
    from keras_reid.run.data import read_datasets
    from keras_reid.utils.files import write_json, written_aside
    from keras_reid.utils.model_metadata import update_metadata
    from keras_reid.visualization import draw_reliability
    from keras_reid.visualization.findings import camera_names

    model = load_model(options.run_or_model, trust_code=options.trust_code)
    _, (dataset,) = read_datasets(data, train=False, protocol=options.protocol)
    features = Evaluator(model, settings).features(dataset)
    calibration = calibrate(
        *features,
        settings.metric,
        protocol=dataset.protocol,  # type: ignore[arg-type]
        flip=settings.flip,
        dataset=dataset.name,
        memory=memory,
        camera_names=camera_names(dataset),
        **wanted,
    )
    samples = _some([*dataset.query, *dataset.gallery])
    looks = appearances([sample.path for sample in samples], model.image_size, options.batch_size)
    identities = np.unique([str(sample.identity) for sample in samples], return_inverse=True)[1]
    calibration = dataclasses.replace(calibration, domain=fit_domain(looks, identities))
    print_calibration(calibration)
    if calibration.fitted_on["identities"] < _FEW:
        print(f"fewer than {_FEW} identities: on others the rates may be very different")
    folder = Path(options.run_or_model)
    if own:
        with written_aside(own) as aside:
            shutil.copyfile(file, aside)
        file = own
    beside = folder / "calibration.json" if folder.is_dir() else file.with_suffix(".calibration.json")
    entries = calibration.to_metadata()
    update_metadata(file, entries)
    write_json(beside, entries)
    draw_reliability(calibration, beside.with_suffix(".png"))
    print(f"written into {file}; also {beside} and {beside.with_suffix('.png').name}")
    model.metadata.update(entries)
    # The report needs the run's own test sets, of which this is the first, unless an option changed it.
    changed = options.dataset or options.root or options.protocol or options.skip_unreadable
    known = [] if changed else [dataset]
    same = known and experiment is not None and settings.flip == experiment.evaluation.flip
    of_run = None if options.dataset else experiment
    _renew_report(options, file, model, of_run, known, {dataset.name: features} if same else {})


def _some(samples):
    """At most `_MOST_LOOKED_AT` of the images of a test set, spread evenly."""
    return samples[:: -(-len(samples) // _MOST_LOOKED_AT)]


def _renew_report(options, file, model, experiment, known, features):
    """Writes the report of a calibrated run again, which shows threshold and reliability.

    `experiment` is that of the run, or None where it was not needed so far; `known` are the first of its test sets, if
    they were read already.
    """
    run = find_run(options.run_or_model)
    if run is None or file.name != "model.keras" or not (run / "report" / "index.html").is_file():
        return
    from keras_reid.run.data import read_datasets
    from keras_reid.run.report_again import report_again

    try:
        experiment = experiment or run.experiment(options.trust_code)
        data = experiment.data
        rest = list(data.test_datasets or [data.dataset])[len(known) :]
        tests = (
            [*known, *read_datasets(dataclasses.replace(data, test_datasets=rest), train=False)[1]]
            if rest
            else known
        )
        report_again(run, experiment, model, tests, features=features)
    except UserError as error:
        print(
            f"{run / 'report' / 'index.html'} still shows what was before: `keras-reid report {run.path}` "
            f"writes it again. Now it could not be written: {error}",
            file=sys.stderr,
        )


def _settings(options, experiment):
    from keras_reid.evaluation import EvaluationSettings

    metric = options.metric or (experiment.evaluation.metric if experiment else "cosine")
    if metric not in ("cosine", "euclidean"):
        raise UserError(
            f"a calibration needs distances between embeddings, not {metric}: "
            "add --metric cosine or --metric euclidean"
        )
    flip = options.flip or bool(experiment and experiment.evaluation.flip)
    return EvaluationSettings(
        metric=metric,
        flip=flip,
        batch_size=options.batch_size,
        named=lambda field: f"--{field.replace('_', '-')}",
    )


if __name__ == "__main__":
    command_line.run(main)
