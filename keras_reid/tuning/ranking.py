"""The ranking of a sweep's trials, printed and written."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from keras_reid.tuning.fit_process import SCORES
from keras_reid.utils.files import write_json, written_aside

if TYPE_CHECKING:
    from pathlib import Path


def rank(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records of trials, the best first: finished ones by score, then those that were stopped early, then the failed.

    Args:
        records: as `ray_search.search` gives them.
    """
    order = ("finished", "stopped early", "failed")
    return sorted(
        records,
        key=lambda record: (order.index(record["status"]), -(record["score"] or 0.0), record["trial"]),
    )


def write_ranking(folder: Path, records: Sequence[dict[str, Any]]) -> None:
    """Writes `trials.csv` and `trials.json` to a folder."""
    write_json(folder / "trials.json", records)
    keys = list(records[0]["values"])
    columns = ["trial", "status", *keys, *SCORES, "run", "error"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({**record, **record["values"]})
    with written_aside(folder / "trials.csv") as aside:
        aside.write_text(text.getvalue(), encoding="utf-8")


def print_ranking(records: Sequence[dict[str, Any]]) -> None:
    """The ranking as a table, scores in percent, and what went wrong."""
    import rich.console
    import rich.table

    keys = list(records[0]["values"])
    names = [key.rpartition(".")[2] for key in keys]
    table = rich.table.Table(title="score = (Rank-1 + mAP) / 2 of the first test set")
    table.add_column("trial", no_wrap=True)
    for key, name in zip(keys, names, strict=True):
        table.add_column(name if names.count(name) == 1 else key, overflow="fold")
    for title in ("score", "Rank-1", "mAP"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("status", overflow="fold")
    for record in records:
        scores = [
            "–" if record[name] is None else f"{100 * record[name]:.2f}" for name in ("score", "rank1", "mAP")
        ]
        after = f", epoch {record['epoch']}" if record["status"] == "stopped early" else ""
        table.add_row(record["trial"], *record["values"].values(), *scores, record["status"] + after)
    rich.console.Console().print(table)
    for record in records:
        if "error" in record:
            print(f"{record['trial']} failed: {record['error']}")
