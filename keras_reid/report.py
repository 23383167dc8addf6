"""`keras-reid report RUN [RUN …]`: the report of a run, or a comparison of several."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from keras_reid.experiment.run_directory import finished_run
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.trust_option import TrustCode


@dataclasses.dataclass(frozen=True)
class Report:
    """Make the report of a run again, or compare several runs.

    One run: evaluates its model on its test sets and draws everything: curves, distances of pairs, cameras, ranked
    lists, activation maps, training, settings. `fit` writes the same report when it ends, but without ROC curve and
    histogram for test sets with more than 200 million pairs.

    Several runs: a page with a table of their metrics, a chart for each kind of curve, and the settings that differ. It
    uses their reports; a run without curves gets its report first.

    Each page is one HTML file that needs no network.
    """

    runs: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="RUN")]
    """finished run directories (runs/NAME)"""
    output: Path | None = None
    """HTML file to write; by default report/index.html in the run directory, and for several runs comparison.html next
    to the first"""
    root: Path | None = None
    """folder that holds the data sets; by default that of the run's experiment"""
    trust_code: TrustCode = False


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Report, arguments, prog="keras-reid report", config=(tyro.conf.FlagCreatePairsOff,)
    )
    runs = [finished_run(run) for run in options.runs]
    if not runs:
        raise UserError("name at least one run directory, such as runs/quickstart")
    if len({run.path.resolve() for run in runs}) < len(runs):
        raise UserError(f"name each run once. Received: {' '.join(options.runs)}")
    if options.output and options.output.suffix not in (".html", ".htm"):
        raise UserError(f"--output must be a file that ends in .html. Received: {options.output}")
    if len(runs) == 1:
        _report(runs[0], options)
        return
    for run in runs:
        if not (run / "report" / "curves.json").is_file():
            print(f"{run.path}: no curves yet, so its report is made first")
            _report(run, dataclasses.replace(options, output=None))
    from keras_reid.visualization import write_comparison

    output = options.output or runs[0].path.parent / "comparison.html"
    print(f"comparison: {write_comparison([run.path for run in runs], output)}")


def _report(run, options):
    experiment = run.experiment(options.trust_code)
    data = experiment.data
    if options.root is not None:
        data = dataclasses.replace(data, root=options.root)
    command_line.load_tensorflow()
    from keras_reid.models import load_model
    from keras_reid.run.data import read_datasets
    from keras_reid.run.report_again import report_again

    _, tests = read_datasets(data, train=False)
    model = load_model(run.path, trust_code=options.trust_code)
    report_again(run, experiment, model, tests, options.output)


if __name__ == "__main__":
    command_line.run(main)
