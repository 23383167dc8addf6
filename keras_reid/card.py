"""`keras-reid card RUN`: writes the model card of a run."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from keras_reid.experiment.run_directory import finished_run
from keras_reid.utils import command_line


@dataclasses.dataclass(frozen=True)
class Card:
    """Write a model card: a README.md that says what a model is, what it was trained on, and what it is worth.

    It has the front matter that the Hugging Face Hub reads, data, results with their spread over the seeds,
    calibration, comparison of exports, intended use and limits, privacy, licence and recipe, all from the run's files.
    Read it, and complete it: what only you know is not in it. `keras-reid push` sends it along with the model.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """finished run directory (runs/NAME)"""
    exports: Path | None = None
    """folder that `keras-reid export` wrote for this run"""
    licence: str | None = None
    """the licence that you give the model, as the Hub names it: apache-2.0, mit, cc-by-nc-4.0, other; by default the
    card says that none is stated"""
    output: Path | None = None
    """file to write; by default README.md in the run directory"""


def main(arguments: list[str]) -> None:
    options = command_line.parse(Card, arguments, prog="keras-reid card")
    run = finished_run(options.run)
    from keras_reid.utils.files import written_aside
    from keras_reid.visualization.model_card import model_card
    from keras_reid.zoo.sharing import find_exports

    find_exports(options.exports, run.path)
    card = model_card(run.path, options.exports, options.licence)
    output = options.output or run / "README.md"
    with written_aside(output) as aside:
        aside.write_text(card, encoding="utf-8")
    print(f"card: {output}")


if __name__ == "__main__":
    command_line.run(main)
