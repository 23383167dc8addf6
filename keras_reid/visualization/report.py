"""The report of a run: one page that needs nothing but a browser."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_reid.evaluation.calibration.calibration_tables import CAMERA_COLUMNS, camera_rows
from keras_reid.evaluation.roc import FALSE_POSITIVE_RATES
from keras_reid.utils.files import read_json, write_json
from keras_reid.visualization.experiment_settings import flat_settings
from keras_reid.visualization.page import (
    Section,
    charts,
    notes,
    page_header,
    percent,
    render,
    table,
    write_page,
)
from keras_reid.visualization.ranked_list import camera_label
from keras_reid.visualization.ranked_list_page import render_lists, render_maps
from keras_reid.visualization.retrieval_charts import (
    cmc_chart,
    distance_chart,
    reliability_chart,
    roc_chart,
    roc_points,
)
from keras_reid.visualization.run_summary import purpose_of, run_summary, versions_of
from keras_reid.visualization.training_charts import read_log, training_charts

if TYPE_CHECKING:
    from markupsafe import Markup

    from keras_reid.evaluation.roc import RocCurve
    from keras_reid.visualization.findings import Findings

CURVES = "report/curves.json"
# The columns of the terminal's tables; in pages the two that a reader looks for come first.
METRICS = (("mAP", "mAP"), ("Rank-1", "rank1"), ("Rank-5", "rank5"), ("Rank-10", "rank10"), ("mINP", "mINP"))
_LARGE = (*METRICS[:2], METRICS[-1])
_GROUPS = {"best": "Best queries", "middle": "Queries in the middle", "worst": "Worst queries"}
_MOST_CAMERAS = 24


def write_report(
    run_directory: str | os.PathLike[str],
    findings: Sequence[Findings],
    model: Any = None,
    output: str | os.PathLike[str] | None = None,
    changed: Mapping[str, Any] | None = None,
) -> pathlib.Path:
    """Writes the report of a run: metrics, curves, pairs, cameras, ranked lists, activation maps, training, settings.

    One file without any reference to the network, in the reader's light or dark colours. What it says of training and
    settings is read from the run's `experiment.json`, `metrics.jsonl` and `environment.json`. The curves are also
    written as numbers to `report/curves.json`, for a comparison of runs.

    Args:
        run_directory: folder of the run.
        findings: `Findings` of each test set.
        model: the `ReIDModel`, for its size and its calibration; None leaves them out.
        output: file to write; None is `report/index.html` in the run directory.
        changed: the experiment without what has its default, as `experiment.json` holds the whole; the rest is then
            folded. None shows everything.

    Returns:
        `pathlib.Path` of the page.

    Example:
        >>> findings = [collect_findings(model, dataset, evaluation)]  # doctest: +SKIP
        >>> write_report("runs/first", findings, model)  # doctest: +SKIP
        PosixPath('runs/first/report/index.html')
    """
    directory = pathlib.Path(run_directory)
    file = directory / "experiment.json"
    description = read_json(file) if file.is_file() else {}
    log = read_log(directory / "metrics.jsonl")
    calibration = model.metadata.get("calibration") if model is not None else None
    curves = curves_of(findings)

    name = directory.resolve().name
    summary = run_summary(directory, description, log, model)
    sections = [Section("Retrieval", _metrics(findings) + curve_charts(curves), "retrieval")]
    for number, one in enumerate(findings):
        sections += _sections_of(one, number, calibration, alone=len(findings) == 1)
    if log:
        sections.append(Section("Training", charts(training_charts(log)), "training"))
    sections.append(Section("Experiment", _settings(description, changed), "experiment"))
    header, rows = versions_of(directory)
    if rows:
        sections.append(Section("Versions", table(header, rows, "words"), "versions"))

    path = pathlib.Path(output) if output else directory / "report" / "index.html"
    write_page(path, name, _header(name, purpose_of(directory), findings, summary), sections)
    write_json(directory / CURVES, curves)
    return path


def curves_of(findings: Sequence[Findings]) -> dict[str, dict[str, Any]]:
    """The curves of each test set as plain numbers.

    Returns:
        name → `{"cmc": [...], "roc": {"fpr", "tpr"} or None, "without_roc": why there is none, or None}`.
    """
    return {
        one.name: {
            "cmc": [float(share) for share in one.result.cmc],
            "roc": None if one.roc is None else roc_points(one.roc),
            "without_roc": one.remarks.get("roc"),
        }
        for one in findings
    }


def curve_charts(curves: Mapping[str, Any], numbers: Mapping[str, int] | None = None) -> Markup:
    """The CMC curves in one chart, and the ROC curves that there are in another.

    Args:
        curves: what `curves_of` returns.
        numbers: name → number of its colour; None counts the curves.

    Returns:
        `Markup`.
    """
    figures = [cmc_chart({name: each["cmc"] for name, each in curves.items()}, numbers)] if curves else []
    with_roc = {name: each["roc"] for name, each in curves.items() if each["roc"]}
    return charts([*figures, roc_chart(with_roc, numbers)] if with_roc else figures)


def equal_error_threshold(curve: RocCurve) -> float:
    """The distance at which as many same pairs are rejected as different ones accepted."""
    return float(curve.thresholds[int(np.argmax(curve.fpr >= 1 - curve.tpr))])


def _header(name, purpose, findings, summary):
    metrics = findings[0].result.to_dict()
    where = findings[0].name
    if len(findings) > 1:
        where += f", the first of {len(findings)}"
    numbers = [(title, metrics[key]) for title, key in _LARGE]
    return page_header(name, purpose, numbers, f"Retrieval on {where}", summary.items())


def _metrics(findings):
    rows, counts = [], []
    for one in findings:
        values = one.result.to_dict()
        rows.append((one.name, *(f"{100 * values[key]:.2f}" for _, key in METRICS)))
        counted = ", ".join(f"{count:,} {name}" for name, count in one.counts.items())
        queries, valid = values["num_queries"], values["num_valid_queries"]
        left_out = "" if valid == queries else f"; {queries - valid} queries without a match are left out"
        counts.append(f"{one.name}: {counted}{left_out}, {one.metric} distance.")
    header = ("Test set, percent", *(title for title, _ in METRICS))
    return table(header, rows) + notes(*counts)


def _sections_of(findings, number, calibration, alone):
    """Pairs and threshold, cameras, ranked lists and activation maps of one test set.

    Args:
        findings: `Findings`.
        number: of the test set, for links.
        calibration: what the model's metadata holds under `"calibration"`, or None.
        alone: whether it is the only test set, so that headings need not name it.
    """
    of = "" if alone else f": {findings.name}"
    yield Section(f"Same or not{of}", _pairs(findings, calibration), f"pairs-{number}")
    if findings.pairs is not None:
        yield Section(f"Cameras{of}", _cameras(findings.pairs, findings.camera_names), f"cameras-{number}")
    if findings.lists:
        groups = {_GROUPS[group]: lists for group, lists in findings.lists.items()}
        yield Section(f"Ranked lists{of}", notes(_LISTS_NOTE) + render_lists(groups), f"lists-{number}")
    if findings.maps:
        lists = [one for group in findings.lists.values() for one in group]
        maps = notes(_MAPS_NOTE) + render_maps(lists, findings.maps)
        yield Section(f"Activation maps{of}", maps, f"maps-{number}")
    elif "maps" in findings.remarks:
        yield Section(f"Activation maps{of}", notes(findings.remarks["maps"]), f"maps-{number}")


def _pairs(findings, calibration):
    curve = findings.roc
    if curve is None:
        return notes(findings.remarks.get("roc", "Pairs were not compared."))
    fits = calibration is not None and calibration.get("metric", findings.metric) == findings.metric
    if fits:
        threshold, what = float(calibration["threshold"]), "calibrated threshold"
    else:
        threshold, what = equal_error_threshold(curve), "threshold at equal error rates"
    figures = [distance_chart(curve, findings.metric, [(threshold, f"{what} {threshold:.3f}")])]
    if fits and calibration.get("reliability"):
        figures.append(reliability_chart(calibration["reliability"]))
    same, different = (np.interp(threshold, curve.thresholds, rates) for rates in (curve.tpr, curve.fpr))
    rows = [
        *(
            (f"TPR at FPR {percent(rate, 2)}", percent(curve.tpr_at(rate), 2))
            for rate in FALSE_POSITIVE_RATES
        ),
        ("AUC", percent(curve.auc, 2)),
        ("EER", percent(curve.equal_error_rate, 2)),
        (f"accepted at {threshold:.3f}, same identity", percent(same, 2)),
        (f"accepted at {threshold:.3f}, different", percent(different, 3)),
    ]
    note = _note_on_threshold(findings, calibration if fits else None, bool(calibration))
    whole = charts(figures, render("verification", table=table(("Verification", ""), rows), note=note))
    cameras = calibration.get("cameras") if fits else None
    return whole + _camera_thresholds(cameras, threshold) if cameras else whole


def _camera_thresholds(cameras, common):
    """Thresholds by pair of cameras; `cameras` as a calibration keeps them."""
    rows, pairs = camera_rows(cameras, common), len(cameras["pairs"])
    shown = f" ({len(rows)} of {pairs})" if len(rows) < pairs else ""
    return table(CAMERA_COLUMNS, rows) + notes(
        f"Thresholds by pair of cameras{shown}, those farthest from the common one first. "
        f"For a camera that was not calibrated: {cameras['other']:.4f}, which is conservative."
    )


def _note_on_threshold(findings, calibration, calibrated_otherwise):
    if calibration is not None:
        note = "The dashed line is the threshold in the model's calibration: nearer pairs count as the same identity."
        if (calibration.get("fitted_on") or {}).get("dataset") == findings.name:
            note += " It was fitted on this very test set, whose numbers are therefore a little too good."
        return note
    metric = f" for the {findings.metric} distance" if calibrated_otherwise else ""
    return (
        f"The model is not calibrated{metric}: the dashed line marks where as many pairs of one identity are rejected "
        "as pairs of different ones are accepted. It was found on this very test set, so do not use it: "
        "keras-reid calibrate chooses a threshold."
    )


def _cameras(pairs, names):
    """Rank-1 and mAP for each camera of a query (rows) and of the gallery (columns), the better the deeper."""
    if max(len(pairs.query_cameras), len(pairs.gallery_cameras)) > _MOST_CAMERAS:
        return notes(
            f"{len(pairs.gallery_cameras)} cameras are too many for a table here: "
            "keras-reid evaluate RUN --per-camera writes it as JSON."
        )
    # What the reader looks for is where cameras differ, so the shades begin at the worst pair.
    low, high = np.nanmin(pairs.rank1), np.nanmax(pairs.rank1)

    def cell(row, column):
        rank1 = pairs.rank1[row, column]
        return {
            "queries": int(pairs.queries[row, column]),
            "rank1": rank1,
            "mAP": pairs.mAP[row, column],
            "depth": 100 if not high > low or np.isnan(rank1) else round(100 * (rank1 - low) / (high - low)),
        }

    def name(camera):
        return camera_label(names.get(int(camera), int(camera)))

    columns = range(len(pairs.gallery_cameras))
    rows = [
        (name(camera), [cell(row, column) for column in columns])
        for row, camera in enumerate(pairs.query_cameras)
    ]
    cameras = list(map(name, pairs.gallery_cameras))
    return render("cameras", gallery_cameras=cameras, rows=rows, low=low, high=high)


def _settings(description, changed):
    every = flat_settings(description)
    whole = table(("Setting", "Value"), every.items(), "words")
    if changed is None:
        return whole
    few = table(("Setting", "Value"), flat_settings(changed).items(), "words")
    return render("settings", changed=few, every=whole, count=len(every))


_LISTS_NOTE = (
    "Each query with its ten nearest gallery images; those that the protocol does not count are left out. Thick green "
    "frame, ✓: the same identity; thin red frame, ✗: another. Below: matches that come later, with their rank. "
    "AP: average precision."
)
_MAPS_NOTE = (
    "What each place of an image adds to its cosine similarity with the query (gradient times feature map; WACV 2019, "
    "Stylianou et al.). The query is compared with itself. One scale for each row: the paler, the less."
)
