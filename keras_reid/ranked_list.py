"""`keras-reid ranked_list RUN --query QUERY`: what a model finds for one query."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from keras_reid.experiment.requested_data import requested_data, requested_experiment
from keras_reid.experiment.run_directory import find_run
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.fetch_options import AcceptLicence, Offline
from keras_reid.utils.model_file import find_model_file
from keras_reid.utils.trust_option import TrustCode
from keras_reid.zoo.resolving import is_published, resolved

if TYPE_CHECKING:
    from keras_reid.data.dataset import ReIDDataset

_MOST_MISSED = 20  # are printed


@dataclasses.dataclass(frozen=True)
class RankedList:
    """Show what a model finds for one query of a test set: the nearest gallery images, right and wrong, and the
    matches that come later.

    Prints the list and draws it as a picture. Gallery images that the protocol does not count are left out.
    """

    run_or_model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN_OR_MODEL")]
    """a run directory (runs/NAME), a .keras file, or a published model: its name (`keras-reid zoo list`) or address"""
    query: str
    """the query: its file name (or the end of its path), or its number in the test set, from 0"""
    top: int = 10
    """gallery images to show"""
    dataset: str | None = None
    """a benchmark, such as market1501 (a wrong name lists all), or an experiment file; by default the run's own"""
    test_set: str | None = None
    """name of the test set, where there are several; by default the first that has such a query"""
    root: Path | None = None
    """folder that holds the data set; by default that of the run or experiment file"""
    output: Path | None = None
    """.png or .jpg, or .html with activation maps; by default report/ranked_list_QUERY.png in the run directory, or
    ranked_list_QUERY.png next to the model"""
    trust_code: TrustCode = False
    offline: Offline = False
    accept_licence: AcceptLicence = False


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        RankedList,
        arguments,
        prog="keras-reid ranked_list",
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    command_line.check_counts(options, "top")
    if options.output and options.output.suffix.lower() not in (".png", ".jpg", ".jpeg", ".html"):
        raise UserError(
            f"--output must be a file that ends in .png, .jpg or .html. Received: {options.output}"
        )
    named = options.run_or_model
    options = resolved(options)
    file = find_model_file(options.run_or_model)
    run = find_run(options.run_or_model)
    experiment = requested_experiment(options.dataset, run, options.trust_code)
    data = requested_data(options.dataset, experiment, options.root)

    command_line.load_tensorflow()
    from keras_reid.evaluation import Evaluator
    from keras_reid.experiment import Evaluation
    from keras_reid.models import load_model
    from keras_reid.run.data import read_dataset
    from keras_reid.visualization import ranked_lists
    from keras_reid.visualization.findings import camera_names

    tests = [read_dataset(reader, data.root) for reader in data.test_datasets or [data.dataset]]
    dataset, position = find_query(tests, options.query, options.test_set)
    settings = (experiment.evaluation if experiment else Evaluation()).embedding_settings()
    model = load_model(options.run_or_model, trust_code=options.trust_code)
    query, gallery = Evaluator(model, settings).features(dataset)
    queries, images = ([sample.path for sample in part] for part in (dataset.query, dataset.gallery))
    (found,) = ranked_lists(
        queries,
        images,
        query,
        gallery,
        [position],
        top=options.top,
        metric=settings.metric,
        protocol=dataset.protocol,  # type: ignore[arg-type]
        camera_names=camera_names(dataset),
    )
    _print(found)
    name = re.sub(r"[^\w.-]+", "_", Path(found.path).stem)
    folder = run / "report" if run else Path() if is_published(named) else file.parent
    output = options.output or folder / f"ranked_list_{name}.png"
    _write(found, model, query.embeddings[position], output)
    print(f"written to {output}")


def find_query(
    tests: Sequence[ReIDDataset], query: str, test_set: str | None = None
) -> tuple[ReIDDataset, int]:
    """The test set that has a query, and the query's position in it.

    Args:
        tests: `ReIDDataset`s.
        query: file name, the end of a path, or a number from 0.
        test_set: name of the only test set to look in.

    Raises:
        UserError: there is no such test set or query (the error names the nearest ones), or several fit.
    """
    names = [dataset.name for dataset in tests]
    if test_set is not None and test_set not in names:
        raise UserError(f"--test-set must be one of {', '.join(names)}. Received: {test_set!r}")
    tests = [dataset for dataset in tests if test_set in (None, dataset.name)]
    wanted = Path(query)
    for dataset in tests:
        fitting = [
            position
            for position, sample in enumerate(dataset.query)
            if wanted.parts and Path(sample.path).parts[-len(wanted.parts) :] == wanted.parts
        ]
        if len(fitting) > 1:
            which = ", ".join(dataset.query[position].path for position in fitting[:3])
            raise UserError(
                f"{len(fitting)} queries of {dataset.name} are called {query!r}: {which}. Give more of the path"
            )
        if fitting:
            return dataset, fitting[0]
    if query.isdecimal():
        if int(query) < len(tests[0].query):
            return tests[0], int(query)
        raise UserError(
            f"--query must be below {len(tests[0].query)}, the number of queries of {tests[0].name}. Received: {query}"
        )
    known = list(dict.fromkeys(Path(sample.path).name for dataset in tests for sample in dataset.query))
    near = difflib.get_close_matches(wanted.name, known, n=3, cutoff=0) or known[:3]
    raise UserError(
        f"no query of {', '.join(dataset.name for dataset in tests)} is called {query!r}. The nearest are "
        f"{', '.join(near)}"
    )


def _print(found):
    """The list, and the matches after it, on the terminal."""
    import rich.console
    import rich.table

    similarity = "Similarity" if found.metric == "cosine" else "Distance"
    table = rich.table.Table(title=f"query {found.path}", title_justify="left")
    table.add_column("Rank", justify="right")
    table.add_column("Same", justify="center")
    table.add_column(similarity, justify="right")
    table.add_column("Camera", justify="right")
    table.add_column("File", overflow="fold")
    for image in (*found.images, *found.missed[:_MOST_MISSED]):
        if found.missed and image is found.missed[0]:
            table.add_section()
        number = 1 - image.distance if found.metric == "cosine" else image.distance
        camera = "–" if image.camera is None else str(image.camera)
        table.add_row(f"{image.rank}", "yes" if image.right else "no", f"{number:.3f}", camera, image.path)
    precision = found.average_precision
    caption = (
        "no match in the gallery" if math.isnan(precision) else f"average precision {100 * precision:.1f} %"
    )
    if len(found.missed) > _MOST_MISSED:
        rest = len(found.missed) - _MOST_MISSED
        caption += f"; {rest} matches more, the last at rank {found.missed[-1].rank}"
    table.caption = caption
    rich.console.Console().print(table)


def _write(found, model, embedding, output):
    from keras_reid.visualization import draw_ranked_lists
    from keras_reid.visualization.ranked_list_page import write_list_page

    if output.suffix.lower() == ".html":
        write_list_page(output, found, model, embedding)
    else:
        draw_ranked_lists([found], output)


if __name__ == "__main__":
    command_line.run(main)
