"""Experiments from files, changed from the command line."""

import os
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from keras_reid.experiment.schema import Experiment
from keras_reid.experiment.smoke import smoke
from keras_reid.utils.command_line import parse
from keras_reid.utils.errors import UserError
from keras_reid.utils.own_code import execute


def load_experiment(file: str | os.PathLike[str], source: bytes | None = None) -> Experiment:
    """The `experiment` that a Python file defines.

    Args:
        file: path of the file; it is executed, so it can do whatever Python can.
        source: its bytes, where they have been read already.

    Raises:
        UserError: if the file is missing, fails, or defines no `experiment` of type `Experiment`.
    """
    file = Path(file)
    if not file.is_file():
        near = sorted(str(path) for path in Path("experiments").glob("*.py"))
        hint = f"; there are {', '.join(near)}" if near else ""
        raise UserError(f"experiment file {str(file)!r} does not exist{hint}")
    if file.suffix != ".py":
        raise UserError(
            f"an experiment file is a Python file that defines `experiment`. Received: {str(file)!r}"
        )
    try:
        names = execute(file, source)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        # The user's own code failed: its line is what helps, without our frames around it. A syntax error has none.
        lines = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)
        ]
        line = lines[-1] if lines else getattr(error, "lineno", None)
        what = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(f"experiment file {str(file)!r} fails in line {line}: {what}") from error
    experiment = names.get("experiment")
    if not isinstance(experiment, Experiment):
        found = "it defines none" if experiment is None else f"it is a {type(experiment).__name__}"
        raise UserError(
            f"experiment file {str(file)!r} must define `experiment`, a keras_reid.experiment.Experiment; {found}"
        )
    return experiment


def override(experiment: Experiment, arguments: Sequence[str], program: str = "fit FILE") -> Experiment:
    """The experiment with `--KEY VALUE` arguments applied.

    Args:
        experiment: the experiment to start from; its own components decide which keys exist.
        arguments: for example `["--training.epochs", "3", "--model.backbone.depth", "18"]`.
        program: how the usage line of `--help` begins.

    Raises:
        UserError: for an unknown key (with the nearest right names), a wrong type or a missing value.
        SystemExit: after `--help`.
    """
    import tyro

    return parse(
        Experiment,
        arguments,
        default=experiment,
        prog=program,
        config=(tyro.conf.FlagConversionOff,),
        description="Every field of the experiment, and its value now:",
    )


def resolve(
    file: str | os.PathLike[str],
    arguments: Sequence[str],
    smoke_run: bool = False,
    seed: int | None = None,
    source: bytes | None = None,
) -> tuple[Experiment, list[str]]:
    """The experiment that a file, `--KEY VALUE` arguments and the flags of `fit` ask for.

    `source` is the file's bytes, where they have been read already.

    Returns:
        The experiment and the sentences that say what `--smoke` substituted.
    """
    experiment = override(load_experiment(file, source), list(arguments), program=f"keras-reid fit {file}")
    said = []
    if smoke_run:
        experiment, said = smoke(experiment)
    if seed is not None:
        training = replace(experiment.training, seed=seed)
        experiment = replace(experiment, name=f"{experiment.name}-seed{seed}", training=training)
    return experiment, said
