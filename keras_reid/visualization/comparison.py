"""Several runs side by side: one page that needs nothing but a browser."""

import pathlib

from keras_reid.evaluation.metric_tables import COLUMNS
from keras_reid.utils.files import read_json
from keras_reid.visualization.experiment_settings import differing_settings
from keras_reid.visualization.page import Section, charts, notes, page_header, table, write_page
from keras_reid.visualization.report import CURVES, curve_charts
from keras_reid.visualization.training_charts import compare_training, read_log


def write_comparison(run_directories, output):
    """Writes a page that compares runs: a table of metrics for each test set, CMC, ROC and training curves in one
    chart each, and the settings that differ.

    It reads files of the runs: `metrics.json`, `report/curves.json`, `metrics.jsonl`, `experiment.json`.

    Args:
        run_directories: folders of finished runs, at least two.
        output: file to write.

    Returns:
        `pathlib.Path` of the page.

    Example:
        >>> write_comparison(["runs/bot", "runs/agw"], "comparison.html")  # doctest: +SKIP
        PosixPath('comparison.html')
    """
    directories = [pathlib.Path(directory) for directory in run_directories]
    names = run_names(directories)
    metrics, curves, descriptions = (
        [_read(directory / file) for directory in directories]
        for file in ("metrics.json", CURVES, "experiment.json")
    )
    several = len(names) > 2
    title = "Comparison of " + (f"{len(names)} runs" if several else " and ".join(names))
    header = page_header(title, ", ".join(names) if several else "")

    sections = []
    for number, test in enumerate(dict.fromkeys(test for each in metrics for test in each)):
        of_test = {name: each.get(test) for name, each in zip(names, curves, strict=True)}
        content = _metrics(names, [each.get(test) for each in metrics]) + _curves(of_test)
        sections.append(Section(test, content, f"set-{number}"))
    logs = {
        name: read_log(directory / "metrics.jsonl")
        for name, directory in zip(names, directories, strict=True)
    }
    if any(logs.values()):
        sections.append(Section("Training", charts(compare_training(logs)), "training"))
    rows = [(setting, *values) for setting, values in differing_settings(descriptions).items()]
    content = table(("Setting", *names), rows, "words") if rows else notes("All settings are the same.")
    sections.append(Section("Settings that differ", content, "settings"))

    path = pathlib.Path(output)
    write_page(path, title, header, sections)
    return path


def run_names(directories):
    """Names of the runs' folders, with as many parent folders as it takes to tell them apart."""
    parts = [directory.resolve().parts for directory in directories]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-depth:]) for each in parts]
        if len(set(names)) == len(names):
            break
    return names


def _metrics(names, summaries):
    """A row for each run; the best of each column is bold, and differences are to the first run."""
    largest = [max(summary[key] for summary in summaries if summary) for _, key in COLUMNS]
    rows, best = [], set()
    for row, (name, summary) in enumerate(zip(names, summaries, strict=True)):
        if summary is None:
            rows.append((name, *("–" for _ in COLUMNS), ""))
            continue
        values = [summary[key] for _, key in COLUMNS]
        best |= {(row, column) for column, value in enumerate(values) if value == largest[column]}
        rows.append((name, *(f"{100 * value:.2f}" for value in values), summary["num_valid_queries"]))
    first = summaries[0]
    if first:
        for name, summary in zip(names[1:], summaries[1:], strict=True):
            if summary:
                cells = (f"{100 * (summary[key] - first[key]):+.2f}".replace("-", "−") for _, key in COLUMNS)
                rows.append((f"{name} − {names[0]}", *cells, ""))
    header = ("Run, percent", *(title for title, _ in COLUMNS), "Queries")
    note = "Bold: the best of a column. Below: how many points more or less than the first run."
    return table(header, rows, best=best) + notes(note)


def _curves(curves):
    missing = [name for name, each in curves.items() if not (each and each["roc"])]
    figures = curve_charts({name: each for name, each in curves.items() if each})
    if not missing:
        return figures
    return figures + notes(f"No ROC curve of {', '.join(missing)}: keras-reid report RUN adds it.")


def _read(file):
    return read_json(file) if file.is_file() else {}
