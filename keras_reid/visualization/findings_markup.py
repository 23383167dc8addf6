"""The part of a report that is about one test set."""

import numpy as np

from keras_reid.evaluation.roc import FALSE_POSITIVE_RATES
from keras_reid.visualization.camera_table import camera_table
from keras_reid.visualization.chart import charts
from keras_reid.visualization.list_markup import list_markup, map_markup
from keras_reid.visualization.markup import Markup, note, percent, section, table
from keras_reid.visualization.retrieval_charts import distance_chart, reliability_chart

_TITLES = {"best": "Best queries", "middle": "Queries in the middle", "worst": "Worst queries"}


def findings_markup(findings, number, calibration=None, alone=False):
    """Pairs and threshold, cameras, ranked lists and activation maps of a test set.

    Args:
        findings: `Findings`.
        number: of the test set, for links.
        calibration: what the model's metadata holds under `"calibration"`, or None.
        alone: whether it is the only test set, so that headings need not name it.

    Returns:
        list of `Markup` sections.
    """
    of = "" if alone else f": {findings.name}"
    parts = [section(f"Same or not{of}", _pairs(findings, calibration), anchor=f"pairs-{number}")]
    if findings.pairs is not None:
        table_of_cameras = camera_table(findings.pairs, findings.camera_names)
        parts.append(section(f"Cameras{of}", table_of_cameras, anchor=f"cameras-{number}"))
    if findings.lists:
        groups = (
            Markup(f"<h3 class=group>{_TITLES[group]}</h3>{list_markup(lists)}")
            for group, lists in findings.lists.items()
        )
        parts.append(section(f"Ranked lists{of}", _LISTS_NOTE, *groups, anchor=f"lists-{number}"))
    if findings.maps:
        lists = [one for group in findings.lists.values() for one in group]
        maps = map_markup(lists, findings.maps)
        parts.append(section(f"Activation maps{of}", _MAPS_NOTE, maps, anchor=f"maps-{number}"))
    elif "maps" in findings.remarks:
        parts.append(section(f"Activation maps{of}", note(findings.remarks["maps"]), anchor=f"maps-{number}"))
    return parts


def _pairs(findings, calibration):
    curve = findings.roc
    if curve is None:
        return note(findings.remarks.get("roc", "Pairs were not compared."))
    fits = calibration is not None and calibration.get("metric", findings.metric) == findings.metric
    if fits:
        threshold, what = float(calibration["threshold"]), "calibrated threshold"
    else:
        threshold, what = equal_error_threshold(curve), "threshold at equal error rates"
    figures = [distance_chart(curve, findings.metric, [(threshold, f"{what} {threshold:.3f}")])]
    if fits and calibration.get("reliability"):
        figures.append(reliability_chart(calibration["reliability"]))
    accepted = [np.interp(threshold, curve.thresholds, rates) for rates in (curve.tpr, curve.fpr)]
    rows = [
        *(
            (f"TPR at FPR {percent(rate, 2)}", percent(curve.tpr_at(rate), 2))
            for rate in FALSE_POSITIVE_RATES
        ),
        ("AUC", percent(curve.auc, 2)),
        ("EER", percent(curve.equal_error_rate, 2)),
        (f"accepted at {threshold:.3f}, same identity", percent(accepted[0], 2)),
        (f"accepted at {threshold:.3f}, different", percent(accepted[1], 3)),
    ]
    if fits:
        said = "The dashed line is the threshold in the model's calibration: nearer pairs count as the same identity."
        if (calibration.get("fitted_on") or {}).get("dataset") == findings.name:
            said += " It was fitted on this very test set, whose numbers are therefore a little too good."
    else:
        said = (
            "The model is not calibrated"
            + (f" for the {findings.metric} distance" if calibration else "")
            + ": the dashed line marks where as many pairs of one identity are rejected as pairs of different ones are "
            "accepted. It was found on this very test set, and is no threshold to work with; "
            "python -m keras_reid.calibrate chooses one."
        )
    verification = Markup(f"<div>{table(('Verification', ''), rows)}{note(said)}</div>")
    return charts(*figures, verification)


def equal_error_threshold(curve):
    """The distance at which as many same pairs are rejected as different ones accepted."""
    return float(curve.thresholds[int(np.argmax(curve.fpr >= 1 - curve.tpr))])


_LISTS_NOTE = note(
    "Each query with its ten nearest gallery images; those that the protocol does not count are left out. Thick green "
    "frame, ✓: the same identity; thin red frame, ✗: another. Below, matches that come later, with their rank. "
    "AP: average precision."
)
_MAPS_NOTE = note(
    "What each place of an image adds to its cosine similarity with the query (gradient times feature map; WACV 2019, "
    "Stylianou et al.). The query is compared with itself. One scale for each row: the paler, the less."
)
