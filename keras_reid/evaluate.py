"""`keras-reid evaluate RUN_OR_MODEL`: retrieval metrics of a trained model."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from keras_reid.experiment.evaluation_settings import Evaluation
from keras_reid.experiment.requested_data import requested_data, requested_experiment
from keras_reid.experiment.run_directory import find_run
from keras_reid.run.stages.partial import share_of_dsr, validation_data
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.fetch_options import AcceptLicence, Offline
from keras_reid.utils.model_file import find_model_file
from keras_reid.utils.trust_option import TrustCode
from keras_reid.zoo.resolving import file_name, is_published, resolved


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Evaluate a trained model: Rank-1, Rank-5, Rank-10, mAP and mINP, as a table and as JSON.

    A run, or a model file in it (best.keras), is tested on the run's own test sets unless --dataset names others.
    """

    run_or_model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_OR_MODEL")]
    """a run directory (runs/NAME), a .keras file, or a published model: its name (`keras-reid zoo list`) or address"""
    dataset: str | None = None
    """a benchmark, such as market1501, msmt17 or vehicleid_small (a wrong name lists all), or an experiment file, whose
    test sets are used (with its folder or CSV options)"""
    root: Path | None = None
    """folder that holds the data set; by default that of the run or experiment file"""
    metric: Literal["cosine", "euclidean", "dsr"] | None = None
    """distance between embeddings; by default that of the run or experiment file, else cosine. dsr is for partial
    images: it adds how well the parts of a query can be reconstructed from each of the 100 nearest gallery images"""
    dsr_lambda: float | None = None
    """share of dsr in the sum with cosine, 0 to 1; by default the one that was chosen when the model was trained, else
    0.5"""
    dsr_validation: str | None = None
    """choose that share on this data: a benchmark, or an experiment file with one test set. Its images and identities
    must differ from those of the test, and its queries must be as partial"""
    flip: bool = False
    """average the embeddings of each image and its mirror image"""
    remove_camera_bias: bool = False
    """standardise the embeddings of each camera by its own mean and deviation: for cameras that the model was not
    trained on"""
    query_expansion: Annotated[tuple[int, ...] | None, tyro.conf.arg(metavar="[K]")] = None
    """replace each query by the mean of itself and its K nearest gallery images (5 where no K follows)"""
    rerank: bool = False
    """re-rank by k-reciprocal neighbours (k1 20, k2 6, lambda 0.3)"""
    protocol: Literal["cross_camera", "all"] | None = None
    """which gallery images count for a query: cross_camera leaves out images of the same identity from the same camera,
    all counts every image; by default the protocol of the data set"""
    single_shot: int | None = None
    """evaluate on a gallery with one image of each identity, drawn this many times (the classic protocol of CUHK03
    has 10)"""
    recall: tuple[int, ...] = ()
    """also report image retrieval's Recall@K, the share of queries with a match among the K nearest, for these K, such
    as 1 10 100; by default those of the run or experiment file"""
    roc: bool = False
    """also measure verification, "is it the same one or not?": TPR@FPR, AUC and EER over all pairs (takes longer)"""
    per_camera: bool = False
    """also measure Rank-1 and mAP for each pair of a query's and a gallery's camera"""
    open_set: float | None = None
    """also test with this share of the gallery's identities, drawn at random, taken out, 0 to 1: how many queries are
    found (DIR) or accepted (TTR) when few of those that are not in the gallery are accepted (FAR, FTR)"""
    memory: str | None = None
    """memory for ranking, in addition to the embeddings, such as 1GB; at least 64MiB, by default 1.5GiB (re-ranking
    always takes a copy of the embeddings and 2 kB an image)"""
    batch_size: int = 128
    """images in a batch"""
    skip_unreadable: bool = False
    """leave unreadable images out and list them, instead of stopping"""
    trust_code: TrustCode = False
    offline: Offline = False
    accept_licence: AcceptLicence = False
    output: Path | None = None
    """JSON file to write; by default evaluation.json in the run directory, or next to the model"""


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Evaluate, arguments, prog="keras-reid evaluate", config=(tyro.conf.FlagCreatePairsOff,)
    )
    named = options.run_or_model
    options = resolved(options)
    find_model_file(options.run_or_model)
    run = find_run(options.run_or_model)
    experiment = requested_experiment(options.dataset, run, options.trust_code)
    settings = _settings(options, experiment)
    data = requested_data(options.dataset, experiment, options.root, options.skip_unreadable)
    validation = None if options.dsr_validation is None else validation_data(options, data)

    command_line.load_tensorflow()
    from keras_reid.evaluation import Evaluator
    from keras_reid.models import load_model
    from keras_reid.run.data import read_datasets
    from keras_reid.utils.files import write_json

    model = load_model(options.run_or_model, trust_code=options.trust_code)
    _, tests = read_datasets(data, train=False, protocol=options.protocol)
    if settings.metric == "dsr":
        share = share_of_dsr(options, model, validation, tests)
        settings = dataclasses.replace(settings, dsr_lambda=share)
    evaluator, evaluations = Evaluator(model, settings), {}
    for reader, dataset in zip(data.test_datasets or [data.dataset], tests, strict=True):
        if hasattr(reader, "repetitions"):
            evaluations[dataset.name] = evaluator.run_draws(_repetitions(reader, dataset, data.root))
        else:
            evaluations[dataset.name] = evaluator.run(dataset)
    summaries = {name: evaluation.to_dict() for name, evaluation in evaluations.items()}
    _print(evaluations, summaries, settings)
    source = Path(options.run_or_model)
    beside = source / "evaluation.json" if source.is_dir() else source.with_suffix(".evaluation.json")
    if is_published(named):  # not into the cache
        beside = file_name(named, ".evaluation.json")
    output = options.output or beside
    write_json(output, {"settings": settings.to_dict(), "results": summaries})
    print(f"written to {output}")


def _settings(options, experiment):
    """What the options say, and where they say nothing, the run's or file's experiment."""
    from keras_reid.evaluation import EvaluationSettings, parse_memory

    base = experiment.evaluation if experiment else Evaluation()
    metric = options.metric or base.metric
    expansion = options.query_expansion
    if expansion is not None and len(expansion) > 1:
        given = " ".join(map(str, expansion))
        raise UserError(
            f"--query-expansion takes one number of gallery images, at least 1. Received: {given}"
        )
    settings = EvaluationSettings(
        metric=metric,
        # An experiment's own flip is of embeddings, which the metric dsr does not take.
        flip=options.flip or (base.flip and metric != "dsr"),
        protocol=options.protocol,
        roc=options.roc,
        per_camera=options.per_camera,
        single_shot=options.single_shot,
        open_set=options.open_set,
        memory=None if options.memory is None else parse_memory(options.memory),
        remove_camera_bias=options.remove_camera_bias,
        query_expansion=None if expansion is None else (*expansion, 5)[0],
        rerank=options.rerank,
        dsr_lambda=options.dsr_lambda,
        recall=options.recall or base.recall,
        batch_size=options.batch_size,
        named=lambda field: f"--{field.replace('_', '-')}",
    )
    if options.dsr_validation is not None and metric != "dsr":
        raise UserError(f"--dsr-validation is for --metric dsr. Received: {metric}")
    if options.dsr_validation is not None and options.dsr_lambda is not None:
        raise UserError("--dsr-validation chooses what --dsr-lambda says: leave one of them out")
    return settings


def _repetitions(reader, dataset, root):
    """The draws of a test that is repeated, of the images that could be read."""
    readable = {sample.path for sample in (*dataset.query, *dataset.gallery)}
    return [
        dataclasses.replace(
            draw,
            query=[sample for sample in draw.query if sample.path in readable],
            gallery=[sample for sample in draw.gallery if sample.path in readable],
        )
        for draw in reader.repetitions(root)
    ]


def _print(evaluations, summaries, settings):
    from keras_reid.evaluation import metric_tables

    metric_tables.print_table(summaries)
    if settings.recall:
        metric_tables.print_recall_table(summaries, settings.recall)
    if settings.roc:
        metric_tables.print_roc_table(summaries)
    if settings.per_camera:
        for name, evaluation in evaluations.items():
            metric_tables.print_camera_table(name, evaluation.camera_pairs)
    if settings.open_set is not None:
        metric_tables.print_open_set_table(summaries)


if __name__ == "__main__":
    command_line.run(main)
