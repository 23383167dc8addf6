"""`python -m keras_reid.evaluate RUN_OR_MODEL`: retrieval metrics of a trained model."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from keras_reid.experiment.requested_data import requested_data, requested_experiment
from keras_reid.experiment.run_directory import find_run
from keras_reid.run.stages.partial import share_of_dsr, validation_data
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.model_file import find_model_file
from keras_reid.utils.trust_option import TrustCode


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Evaluate a trained model: Rank-1, Rank-5, Rank-10, mAP and mINP, as a table and as JSON.

    A run, or a model file in one (best.keras), is tested on the run's own test sets unless --dataset names another.
    """

    run_or_model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_OR_MODEL")]
    """a run directory (runs/NAME) or a .keras file"""
    dataset: str | None = None
    """a benchmark, such as market1501, msmt17 or vehicleid_small (a wrong name lists all), or an experiment file whose
    test sets are used (with its folder or CSV options)"""
    root: Path | None = None
    """folder under which the data set is looked for; by default that of the run or experiment file"""
    metric: Literal["cosine", "euclidean", "dsr"] | None = None
    """distance between embeddings; by default that of the run or experiment file, else cosine. dsr, for partial images:
    how well the parts of a query can be reconstructed from each of the 100 nearest gallery images, beside cosine"""
    dsr_lambda: float | None = None
    """share of dsr beside cosine, 0 to 1; by default what was chosen when the model was trained, else 0.5"""
    dsr_validation: str | None = None
    """choose that share here: a benchmark, or an experiment file with one test set; with other images and identities
    than those of the test, and queries as partial"""
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
    """which gallery images count for a query: cross_camera leaves out those of its identity from its own camera, all
    counts every one; by default that of the data set"""
    single_shot: int | None = None
    """evaluate on a gallery with one image of each identity, drawn this many times (the classic protocol of CUHK03
    has 10)"""
    recall: tuple[int, ...] = ()
    """also image retrieval's Recall@K, the share of queries with a match among the K nearest, for these K, such as 1 10
    100; by default those of the run or experiment file"""
    roc: bool = False
    """also verification, "is it the same one or not?": TPR@FPR, AUC and EER over all pairs (takes longer)"""
    per_camera: bool = False
    """also Rank-1 and mAP for each pair of a query's and a gallery's camera"""
    open_set: float | None = None
    """also test with this share of the gallery's identities taken out, drawn at random, 0 to 1: how many queries are
    found (DIR) or accepted (TTR) where few of those that are not in the gallery are (FAR, FTR)"""
    memory: str | None = None
    """memory to use for ranking beside the embeddings, such as 1GB; at least 64MiB, by default 1.5GiB (re-ranking takes
    a copy of the embeddings and 2 kB an image, whatever this says)"""
    batch_size: int = 128
    """images"""
    skip_unreadable: bool = False
    """leave unreadable images out and list them, instead of stopping"""
    trust_code: TrustCode = False
    output: Path | None = None
    """JSON file to write; by default evaluation.json in the run directory, or beside the model"""


def main(arguments):
    options = command_line.parse(
        Evaluate, arguments, prog="python -m keras_reid.evaluate", config=(tyro.conf.FlagCreatePairsOff,)
    )
    find_model_file(options.run_or_model)
    run = find_run(options.run_or_model)
    data, settings, recall = _what(options, run)
    validation = None if options.dsr_validation is None else validation_data(options, data)

    command_line.load_tensorflow()
    from keras_reid.evaluation.draws import evaluate_draws
    from keras_reid.evaluation.table import (
        print_camera_table,
        print_open_set_table,
        print_recall_table,
        print_roc_table,
        print_table,
    )
    from keras_reid.models import load_model
    from keras_reid.run.data import read_datasets
    from keras_reid.utils.files import write_json

    model = load_model(options.run_or_model, trust_code=options.trust_code)
    _, tests = read_datasets(data, train=False, protocol=options.protocol)
    if settings["metric"] == "dsr":
        settings["dsr_lambda"] = share_of_dsr(options, model, validation, tests)
    results, more = {}, {}
    readers = data.test_datasets or [data.dataset]
    for reader, dataset in zip(readers, tests, strict=True):
        draws = _repetitions(reader, dataset, data.root)
        results[dataset.name], more[dataset.name] = evaluate_draws(
            model, draws, options.batch_size, **settings
        )
    summaries = {name: result.to_dict() for name, result in results.items()}
    print_table(results)
    if recall:
        for name, result in results.items():
            summaries[name] |= result.recalls(recall)
        print_recall_table(summaries, recall)
    if settings["roc"]:
        print_roc_table(summaries)
    for name, extras in more.items():
        summaries[name] |= {key: extra.to_dict() for key, extra in extras.items()}
        if "camera_pairs" in extras:
            print_camera_table(name, extras["camera_pairs"])
    if settings["open_set"] is not None:
        print_open_set_table(summaries)
    source = Path(options.run_or_model)
    beside = source / "evaluation.json" if source.is_dir() else source.with_suffix(".evaluation.json")
    output = options.output or beside
    write_json(output, {"settings": settings, "results": summaries})
    print(f"written to {output}")


def _repetitions(reader, dataset, root):
    """The draws of a test that is repeated, of the images that could be read, or the one data set."""
    if not hasattr(reader, "repetitions"):
        return [dataset]
    readable = {sample.path for sample in (*dataset.query, *dataset.gallery)}
    return [
        dataclasses.replace(
            draw,
            query=[sample for sample in draw.query if sample.path in readable],
            gallery=[sample for sample in draw.gallery if sample.path in readable],
        )
        for draw in reader.repetitions(root)
    ]


def _what(options, run):
    """The data to test on, the evaluation settings and the K of Recall@K: the run's own, where the options do not say
    otherwise.
    """
    experiment = requested_experiment(options.dataset, run, options.trust_code)
    settings = {"metric": options.metric or "cosine", "flip": options.flip}
    if experiment:
        settings["metric"] = options.metric or experiment.evaluation.metric
        settings["flip"] = options.flip or experiment.evaluation.flip
    settings |= {
        name: getattr(options, name) for name in ("protocol", "roc", "per_camera", "single_shot", "open_set")
    }
    settings["memory"] = _memory(options)
    settings |= _post_processing(options, settings["metric"])
    _check_together(options, settings)
    recall = options.recall or (experiment.evaluation.recall if experiment else ())
    if min(recall, default=1) < 1:
        raise UserError(
            f"--recall takes numbers of images, at least 1. Received: {' '.join(map(str, recall))}"
        )
    return (
        requested_data(options.dataset, experiment, options.root, options.skip_unreadable),
        settings,
        recall,
    )


def _memory(options):
    from keras_reid.evaluation.estimates import LEAST_MEMORY
    from keras_reid.evaluation.memory import parse_memory

    memory = None if options.memory is None else parse_memory(options.memory)
    if memory is not None and memory < LEAST_MEMORY:
        raise UserError(f"--memory must be at least 64MiB. Received: {options.memory}")
    return memory


def _check_together(options, settings):
    """Refuses options that do not go together, before the long work starts."""
    if options.single_shot is not None and options.single_shot < 1:
        raise UserError(
            f"--single-shot is a number of draws and must be at least 1. Received: {options.single_shot}"
        )
    if options.single_shot:
        for name, given in (
            ("--roc", options.roc),
            ("--rerank", options.rerank),
            ("--metric dsr", settings["metric"] == "dsr"),
        ):
            if given:
                raise UserError(
                    f"{name} is for the whole gallery: leave it out with --single-shot, or --single-shot with it"
                )
    if options.open_set is not None and not 0 < options.open_set < 1:
        raise UserError(f"--open-set must lie between 0 and 1. Received: {options.open_set}")
    changed = options.rerank or options.query_expansion or settings["metric"] == "dsr"
    for name, given in (("--per-camera", options.per_camera), ("--open-set", options.open_set)):
        if given and changed:
            raise UserError(
                f"{name} is for the distances of embeddings as they are: leave out --rerank, --query-expansion "
                "and --metric dsr with it"
            )


def _post_processing(options, metric):
    """The settings of what happens between embedding and ranking, checked before the long work starts."""
    expansion = options.query_expansion
    if expansion is not None and (len(expansion) > 1 or min(expansion, default=1) < 1):
        given = " ".join(map(str, expansion))
        raise UserError(
            f"--query-expansion takes one number of gallery images, at least 1. Received: {given}"
        )
    settings = {
        "remove_camera_bias": options.remove_camera_bias,
        "query_expansion": None if expansion is None else (*expansion, 5)[0],
        "rerank": options.rerank,
    }
    for name in ("dsr_lambda", "dsr_validation"):
        if metric != "dsr" and getattr(options, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise UserError(f"{option} is of the share of dsr beside cosine: use --metric dsr with it")
    if metric != "dsr":
        return settings
    if options.dsr_lambda is not None and options.dsr_validation is not None:
        raise UserError("--dsr-validation chooses what --dsr-lambda says: leave one of them out")
    if options.rerank:
        raise UserError(
            "--rerank is for distances of embeddings: use --metric cosine or euclidean with it, not dsr"
        )
    for name, given in (("--flip", options.flip), ("--remove-camera-bias", options.remove_camera_bias)):
        if given:
            raise UserError(f"{name} is for embeddings, not for feature maps: leave it out with dsr")
    share = options.dsr_lambda
    if share is not None and not 0 <= share <= 1:
        raise UserError(f"--dsr-lambda must be from 0 to 1. Received: {share}")
    return {**settings, "flip": False, "dsr_lambda": share}


if __name__ == "__main__":
    command_line.run(main)
