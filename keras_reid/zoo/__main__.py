"""`keras-reid zoo list|show|verify|measure`: published models by name."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro

from keras_reid.experiment.requested_data import requested_data, requested_experiment
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.fetch_options import AcceptLicence, Offline
from keras_reid.zoo.listing import list_lines, measured_lines, show_lines
from keras_reid.zoo.registry import TASKS, find_row, rows
from keras_reid.zoo.resolving import file_name, resolve


@dataclasses.dataclass(frozen=True)
class Zoo:
    """Published models by name: what there is, on what terms, and whether it is what it should be.

    list prints all models or those of one task. show prints all that is known of one. verify fetches it, converts it
    anew, and compares its hash and the embeddings of three images with those that others published. measure evaluates
    it on a data set, and writes the result as a row for the registry.

    Every command that takes RUN_OR_MODEL takes these names too. A model is fetched and converted the first time, and
    kept in ~/.keras/keras_reid/zoo (KERAS_HOME moves it).
    """

    action: Annotated[Literal["list", "show", "verify", "measure"], tyro.conf.Positional]
    """what to do"""
    name: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")] = None
    """the model, for show, verify and measure"""
    task: Literal["person", "vehicle", "animal", "general"] | None = None
    """list: only models of this task; general are backbones to start training from"""
    json: bool = False
    """list, show and verify: print JSON"""
    dataset: str | None = None
    """measure: a benchmark, such as market1501 (a wrong name lists all), or an experiment file, whose test sets are
    used"""
    root: Path | None = None
    """measure: folder that holds the data set; by default that of the experiment file"""
    output: Path | None = None
    """measure: file for the row; by default NAME.toml in the working directory"""
    offline: Offline = False
    accept_licence: AcceptLicence = False


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Zoo, arguments, prog="keras-reid zoo", config=(tyro.conf.FlagCreatePairsOff,)
    )
    if options.action == "list":
        if options.name:
            raise UserError(
                f"list takes no name; --task chooses among {', '.join(TASKS)}. Received: {options.name}"
            )
        return _list(options)
    if not options.name:
        raise UserError(f"name a model after {options.action}; `keras-reid zoo list` lists all")
    find_row(options.name)
    return {"show": _show, "verify": _verify, "measure": _measure}[options.action](options)


def _list(options):
    chosen = rows(options.task).values()
    if options.json:
        print(json.dumps([row.complete().to_dict() for row in chosen], indent=2, ensure_ascii=False))
    else:
        print("\n".join(list_lines(chosen)))


def _show(options):
    row = find_row(options.name).complete()
    if options.json:
        print(json.dumps(row.to_dict(), indent=2, ensure_ascii=False))
    else:
        print("\n".join(show_lines(row)))


def _verify(options):
    command_line.load_tensorflow()
    from keras_reid.zoo.verifying import verify_model

    found = verify_model(options.name, options.offline, options.accept_licence)
    if options.json:
        print(json.dumps(dataclasses.asdict(found), indent=2))
        return
    print("\n".join(f"{what}: {line}" for what, line in found.lines.items()))
    print(f"{found.name}: {'verified' if found.verified else 'in order, but not verified'}")


def _measure(options):
    if not options.dataset:
        raise UserError("measure needs --dataset: a benchmark, such as market1501, or an experiment file")
    experiment = requested_experiment(options.dataset, None)
    data = requested_data(options.dataset, experiment, options.root)
    output = options.output or file_name(options.name, ".toml")
    path = resolve(options.name, options.offline, options.accept_licence)

    command_line.load_tensorflow()
    from keras_reid.evaluation import EvaluationSettings, Evaluator, metric_tables
    from keras_reid.models import load_model
    from keras_reid.run.data import read_datasets
    from keras_reid.utils.files import written_aside
    from keras_reid.zoo.entry import Entry

    _, tests = read_datasets(data, train=False)
    evaluator = Evaluator(load_model(path), EvaluationSettings())
    results = {dataset.name: evaluator.run(dataset).to_dict() for dataset in tests}
    metric_tables.print_table(results)
    with written_aside(output) as aside:
        lines = measured_lines(options.name, results, Entry(options.name).record().get("sha256"))
        aside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"written to {output}: a row for keras_reid/zoo/rows.toml", file=sys.stderr)


if __name__ == "__main__":
    command_line.run(main)
