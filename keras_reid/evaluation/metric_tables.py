"""Results as a table on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from keras_reid.evaluation.analysis.camera_pairs import CameraPairs
    from keras_reid.evaluation.retrieval_result import RepeatedResult, RetrievalResult

COLUMNS = (("Rank-1", "rank1"), ("Rank-5", "rank5"), ("Rank-10", "rank10"), ("mAP", "mAP"), ("mINP", "mINP"))


def print_table(
    results: Mapping[str, RetrievalResult | RepeatedResult | Mapping[str, Any]],
    console: Console | None = None,
) -> None:
    """Prints one line for each test set: percent with two decimals, and how many queries were counted.

    Args:
        results: name of the test set → `RetrievalResult`, or its `to_dict()`.
        console: a `rich.console.Console`; None prints to standard output.

    Example:
        >>> metrics = {"rank1": 0.95, "rank5": 0.98, "rank10": 0.99, "mAP": 0.88, "mINP": 0.65}
        >>> print_table({"market": {**metrics, "num_queries": 9, "num_valid_queries": 9}})  # doctest: +SKIP
    """
    table = _table()
    table.add_column("Test set", overflow="fold")  # instead of cutting a name off
    for title, _ in COLUMNS:
        table.add_column(title, justify="right")
    table.add_column("Queries", justify="right")
    skipped, draws = False, 0
    for name, result in results.items():
        values = result if isinstance(result, Mapping) else result.to_dict()
        queries, valid = values["num_queries"], values["num_valid_queries"]
        skipped |= valid < queries
        draws = max(draws, values.get("repetitions", 0))
        count = str(queries) if valid == queries else f"{valid} of {queries}"
        table.add_row(name, *(f"{100 * values[key]:.2f}" for _, key in COLUMNS), count)
    remarks = [f"Mean of {draws} draws of the gallery."] if draws else []
    if skipped:
        remarks.append("Queries without a match in the gallery are left out.")
    table.caption = " ".join(remarks) or None
    _print(table, console)


def print_recall_table(
    results: Mapping[str, Mapping[str, Any]], ks: Sequence[int], console: Console | None = None
) -> None:
    """Prints Recall@K for each test set and each K, in percent.

    Args:
        results: name of the test set → `recalls(ks)` of its result, or a dict that holds them.
        ks: numbers of nearest gallery images.
        console: a `rich.console.Console`; None prints to standard output.
    """
    table = _table(caption="Recall@K: queries with a match among the K nearest images.")
    table.add_column("Test set", overflow="fold")
    for k in ks:
        table.add_column(f"Recall@{k}", justify="right")
    for name, values in results.items():
        table.add_row(name, *(f"{100 * values[f'recall@{k}']:.2f}" for k in ks))
    _print(table, console)


def print_roc_table(results: Mapping[str, Mapping[str, Any]], console: Console | None = None) -> None:
    """Prints verification for each test set: TPR at three FPRs, AUC and EER, in percent, of the pairs counted.

    Args:
        results: name of the test set → `to_dict()` of a result with a ROC.
        console: a `rich.console.Console`; None prints to standard output.
    """
    table = _table()
    table.add_column("Same or not", overflow="fold")
    rates = list(next(iter(results.values()))["roc"]["tpr_at_fpr"])
    for title in (*(f"TPR@FPR={rate}" for rate in rates), "AUC", "EER"):
        table.add_column(title, justify="right")
    for name, values in results.items():
        roc = values["roc"]
        numbers = (*(roc["tpr_at_fpr"][rate] for rate in rates), roc["auc"], roc["eer"])
        table.add_row(name, *(f"{100 * number:.2f}" for number in numbers))
    _print(table, console)


def print_open_set_table(results: Mapping[str, Mapping[str, Any]], console: Console | None = None) -> None:
    """Prints the open-set test of each test set: DIR at two FARs, TTR at two FTRs, in percent, and the queries.

    Args:
        results: name of the test set → `to_dict()` of a result with an open-set test.
        console: a `rich.console.Console`; None prints to standard output.
    """
    table = _table()
    table.add_column("Open set", overflow="fold")
    rates = list(next(iter(results.values()))["open_set"]["dir_at_far"])
    titles = (*(f"DIR@FAR={rate}" for rate in rates), *(f"TTR@FTR={rate}" for rate in rates))
    for title in (*titles, "In the gallery", "Not in it"):
        table.add_column(title, justify="right")
    for name, values in results.items():
        test = values["open_set"]
        numbers = (test[kind][rate] for kind in ("dir_at_far", "ttr_at_ftr") for rate in rates)
        counts = (str(test["num_targets"]), str(test["num_others"]))
        table.add_row(name, *(f"{100 * number:.2f}" for number in numbers), *counts)
    _print(table, console)


def print_camera_table(name: str, pairs: CameraPairs, console: Console | None = None) -> None:
    """Prints Rank-1 / mAP for each camera of a query (rows) and of the gallery (columns), in percent.

    Args:
        name: of the test set.
        pairs: `CameraPairs`.
        console: a `rich.console.Console`; None prints to standard output.
    """
    table = _table(caption="Rank-1 / mAP of a camera's queries (row) in a camera's images (column).")
    table.add_column(name, overflow="fold")
    for camera in pairs.gallery_cameras:
        table.add_column(f"cam {camera}", justify="right")
    for row, camera in enumerate(pairs.query_cameras):
        cells = zip(pairs.rank1[row], pairs.mAP[row], pairs.queries[row], strict=True)
        table.add_row(
            f"cam {camera}",
            *(f"{100 * rank1:.1f} / {100 * mean:.1f}" if count else "–" for rank1, mean, count in cells),
        )
    _print(table, console)


# rich loads with the first table: importing keras_reid.evaluation stays light.
def _table(**options):
    import rich.table

    return rich.table.Table(**options)


def _print(table, console):
    import rich.console

    (console or rich.console.Console()).print(table)
