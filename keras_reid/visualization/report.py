"""The report of a run: one page that needs nothing but a browser."""

import pathlib

from keras_reid.evaluation.metric_tables import COLUMNS
from keras_reid.utils.files import read_json, write_json
from keras_reid.visualization.chart import charts
from keras_reid.visualization.facts import facts_markup, purpose, run_facts, versions_of
from keras_reid.visualization.findings_markup import findings_markup
from keras_reid.visualization.markup import Markup, markup, note, section, table
from keras_reid.visualization.page import write_page
from keras_reid.visualization.retrieval_charts import cmc_chart, roc_chart, roc_points
from keras_reid.visualization.settings import flat
from keras_reid.visualization.training_charts import read_log, training_charts

CURVES = "report/curves.json"
_BIG = (("Rank-1", "rank1"), ("mAP", "mAP"), ("mINP", "mINP"))


def write_report(run_directory, findings, model=None, output=None):
    """Writes the report of a run: metrics, curves, pairs, cameras, ranked lists, activation maps, training, settings.

    One file without any reference to the network, in the reader's light or dark colours. What it says of training and
    settings is read from the run's `experiment.json`, `metrics.jsonl` and `environment.json`. Beside it, the curves are
    written as numbers to `report/curves.json`, for a comparison of runs.

    Args:
        run_directory: folder of the run.
        findings: `Findings` of each test set.
        model: the `ReIDModel`, for its size and its calibration; None leaves them out.
        output: file to write; None is `report/index.html` in the run directory.

    Returns:
        `pathlib.Path` of the page.

    Example:
        >>> write_report("runs/first", [find(model, dataset, evaluation)], model)  # doctest: +SKIP
        PosixPath('runs/first/report/index.html')
    """
    directory = pathlib.Path(run_directory)
    file = directory / "experiment.json"
    description = read_json(file) if file.is_file() else {}
    log = read_log(directory / "metrics.jsonl")
    calibration = model.metadata.get("calibration") if model is not None else None
    curves = curves_of(findings)
    facts = facts_markup(run_facts(directory, description, log, model))
    sections = [Markup(_head(directory, findings) + facts)]
    sections.append(section("Retrieval", _metrics(findings), _curve_charts(curves), anchor="retrieval"))
    for number, one in enumerate(findings):
        sections += findings_markup(one, number, calibration, alone=len(findings) == 1)
    if log:
        sections.append(section("Training", training_charts(log), anchor="training"))
    settings = table(("Setting", "Value"), flat(description).items(), "words")
    sections.append(section("Experiment", settings, anchor="experiment"))
    header, rows = versions_of(directory)
    if rows:
        sections.append(section("Versions", table(header, rows, "words"), anchor="versions"))
    path = pathlib.Path(output) if output else directory / "report" / "index.html"
    write_page(path, directory.resolve().name, sections)
    write_json(directory / CURVES, curves)
    return path


def curves_of(findings):
    """The curves of each test set as plain numbers: name → `{"cmc": [...], "roc": {"fpr", "tpr"} or None}`."""
    return {
        one.name: {
            "cmc": [float(share) for share in one.result.cmc],
            "roc": None if one.roc is None else roc_points(one.roc),
        }
        for one in findings
    }


def _head(directory, findings):
    first = findings[0].result.to_dict()
    tiles = "".join(
        f"<div><b>{100 * first[key]:.1f}<small> %</small></b><span>{title}</span></div>"
        for title, key in _BIG
    )
    where = (
        f" on {findings[0].name}"
        if len(findings) == 1
        else f" on {findings[0].name}, the first of {len(findings)}"
    )
    said = f"<p class=purpose>{markup(purpose(directory))}</p>" if purpose(directory) else ""
    return Markup(
        f"<header><h1>{markup(directory.resolve().name)}</h1>{said}<div class=tiles>{tiles}</div>"
        f"{note(f'Retrieval{where}')}</header>"
    )


def _metrics(findings):
    rows, others = [], []
    for one in findings:
        values = one.result.to_dict()
        rows.append((one.name, *(f"{100 * values[key]:.2f}" for _, key in COLUMNS)))
        counted = ", ".join(f"{count:,} {name}" for name, count in one.counts.items())
        queries, valid = values["num_queries"], values["num_valid_queries"]
        left_out = "" if valid == queries else f"; {queries - valid} queries without a match are left out"
        others.append(f"{one.name}: {counted}{left_out}, {one.metric} distance.")
    header = ("Test set, percent", *(title for title, _ in COLUMNS))
    return Markup(table(header, rows) + "".join(map(note, others)))


def _curve_charts(curves):
    figures = [cmc_chart({name: each["cmc"] for name, each in curves.items()})]
    with_roc = {name: each["roc"] for name, each in curves.items() if each["roc"]}
    return charts(*figures, *([roc_chart(with_roc)] if with_roc else []))
