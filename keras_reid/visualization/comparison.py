"""Several runs side by side: one page that needs nothing but a browser."""

import pathlib

from keras_reid.utils.files import read_json
from keras_reid.visualization.experiment_settings import differing_settings
from keras_reid.visualization.page import Section, charts, notes, page_header, table, write_page
from keras_reid.visualization.report import CURVES, METRICS, curve_charts
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

    sections, numbers = [], {name: number for number, name in enumerate(names)}
    for number, test in enumerate(dict.fromkeys(test for each in metrics for test in each)):
        tested = {name: each[test] for name, each in zip(names, metrics, strict=True) if test in each}
        of_test = {name: each[test] for name, each in zip(names, curves, strict=True) if test in each}
        content = _metrics(tested) + _curves(of_test, numbers)
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


def _metrics(summaries):
    """A row for each run that was tested; the best of each column is bold, and differences are to the first of them."""
    largest = [max(summary[key] for summary in summaries.values()) for _, key in METRICS]
    rows, best = [], set()
    for row, (name, summary) in enumerate(summaries.items()):
        values = [summary[key] for _, key in METRICS]
        best |= {(row, column) for column, value in enumerate(values) if value == largest[column]}
        rows.append((name, *(f"{100 * value:.2f}" for value in values), summary["num_valid_queries"]))
    header = ("Run, percent", *(title for title, _ in METRICS), "Queries")
    if len(summaries) == 1:
        return table(header, rows) + notes("No other of these runs was tested on it.")
    (first, of_first), *others = summaries.items()
    for name, summary in others:
        cells = (f"{100 * (summary[key] - of_first[key]):+.2f}".replace("-", "−") for _, key in METRICS)
        rows.append((f"{name} − {first}", *cells, ""))
    note = f"Bold: the best of a column. Below: how many points more or less than {first}."
    return table(header, rows, best=best) + notes(note)


def _curves(curves, numbers):
    remarks = [
        f"{name}: {each.get('without_roc') or 'its report holds no ROC curve.'}"
        for name, each in curves.items()
        if not each["roc"]
    ]
    return curve_charts(curves, numbers) + notes(*remarks)


def _read(file):
    return read_json(file) if file.is_file() else {}
