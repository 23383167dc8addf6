"""Mean and spread of the metrics over several seeds."""

import os
import statistics
from collections.abc import Mapping

from keras_reid.utils.files import write_json


def print_spread(results: Mapping[int, Mapping[str, Mapping[str, float]]]) -> None:
    """A table of mean and standard deviation over the seeds, in percent."""
    import rich.console
    import rich.table

    from keras_reid.evaluation.metric_tables import COLUMNS

    tests = list(next(iter(results.values())))
    print(f"mean ± standard deviation over seeds {', '.join(map(str, results))}")
    table = rich.table.Table()
    table.add_column("Percent")
    for name in tests:
        table.add_column(name, justify="right", overflow="fold")
    for title, column in COLUMNS:
        spreads = (_spread(results, name, column) for name in tests)
        table.add_row(title, *(f"{100 * mean:.2f} ± {100 * deviation:.2f}" for mean, deviation in spreads))
    rich.console.Console().print(table)


def write_spread(
    file: str | os.PathLike[str], results: Mapping[int, Mapping[str, Mapping[str, float]]]
) -> None:
    """The metrics of each seed, as in its metrics.json, and their mean and standard deviation, as fractions."""
    from keras_reid.evaluation.metric_tables import COLUMNS

    sets = {}
    for name in next(iter(results.values())):
        spread = {column: _spread(results, name, column) for _, column in COLUMNS}
        sets[name] = {
            "mean": {column: mean for column, (mean, _) in spread.items()},
            "standard_deviation": {column: deviation for column, (_, deviation) in spread.items()},
        }
    write_json(
        file, {"seeds": list(results), "test_sets": sets, "results": {str(k): v for k, v in results.items()}}
    )
    print(f"written to {file}")


def _spread(results, name, column):
    """Mean and sample standard deviation of a metric of a test set over the seeds; 0 for a single one."""
    values = [metrics[name][column] for metrics in results.values()]
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0
