"""Several runs side by side: one page that needs nothing but a browser."""

import pathlib

from keras_reid.evaluation.metric_tables import COLUMNS
from keras_reid.utils.files import read_json
from keras_reid.visualization.chart import charts
from keras_reid.visualization.markup import Markup, markup, note, section, table
from keras_reid.visualization.page import write_page
from keras_reid.visualization.report import CURVES
from keras_reid.visualization.retrieval_charts import cmc_chart, roc_chart
from keras_reid.visualization.settings import differences
from keras_reid.visualization.training_charts import compare_training, read_log


def write_comparison(run_directories, output):
    """Writes a page that compares runs: a table of metrics for each test set, CMC, ROC and training curves in one
    chart each, and the settings that differ.

    It reads what the runs hold: `metrics.json`, `report/curves.json`, `metrics.jsonl`, `experiment.json`.

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
    title = "Comparison of " + (" and ".join(names) if len(names) == 2 else f"{len(names)} runs")
    said = f"<p class=purpose>{markup(', '.join(names))}</p>" if len(names) > 2 else ""
    sections = [Markup(f"<header><h1>{markup(title)}</h1>{said}</header>")]
    for number, test in enumerate(dict.fromkeys(test for each in metrics for test in each)):
        of_test = {name: each.get(test) for name, each in zip(names, curves, strict=True)}
        contents = [_metrics(names, [each.get(test) for each in metrics]), _curves(of_test)]
        sections.append(section(test, *contents, anchor=f"set-{number}"))
    logs = {
        name: read_log(directory / "metrics.jsonl")
        for name, directory in zip(names, directories, strict=True)
    }
    if any(logs.values()):
        sections.append(section("Training", compare_training(logs), anchor="training"))
    changed = differences(descriptions)
    rows = [(setting, *values) for setting, values in changed.items()]
    contents = table(("Setting", *names), rows, "words") if rows else note("All settings are the same.")
    sections.append(section("Settings that differ", contents, anchor="settings"))
    path = pathlib.Path(output)
    write_page(path, title, sections)
    return path


def run_names(directories):
    """Names of the runs' folders; with as many of the folders above as it takes to tell them apart."""
    parts = [directory.resolve().parts for directory in directories]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-depth:]) for each in parts]
        if len(set(names)) == len(names):
            break
    return names


def _metrics(names, summaries):
    """A row for each run; the best of each column is bold, and differences are to the first run."""
    best = {key: max(summary[key] for summary in summaries if summary) for _, key in COLUMNS}
    rows = []
    for name, summary in zip(names, summaries, strict=True):
        if summary is None:
            rows.append((name, *("–" for _ in COLUMNS), ""))
            continue
        cells = [
            Markup(
                f"<b>{100 * summary[key]:.2f}</b>"
                if summary[key] == best[key]
                else f"{100 * summary[key]:.2f}"
            )
            for _, key in COLUMNS
        ]
        rows.append((name, *cells, summary["num_valid_queries"]))
    first = summaries[0]
    if first:
        for name, summary in zip(names[1:], summaries[1:], strict=True):
            if summary:
                cells = (f"{100 * (summary[key] - first[key]):+.2f}".replace("-", "−") for _, key in COLUMNS)
                rows.append((f"{name} − {names[0]}", *cells, ""))
    return Markup(
        table(("Run, percent", *(title for title, _ in COLUMNS), "Queries"), rows)
        + note("Bold: the best of a column. Below: how many points more or less than the first run.")
    )


def _curves(curves):
    known = {name: each for name, each in curves.items() if each}
    figures = [cmc_chart({name: each["cmc"] for name, each in known.items()})] if known else []
    with_roc = {name: each["roc"] for name, each in known.items() if each["roc"]}
    if with_roc:
        figures.append(roc_chart(with_roc))
    missing = [name for name in curves if name not in with_roc]
    said = (
        f"No ROC curve of {', '.join(missing)}: python -m keras_reid.report RUN adds it." if missing else ""
    )
    return Markup(charts(*figures) + (note(said) if said else ""))


def _read(file):
    return read_json(file) if file.is_file() else {}
