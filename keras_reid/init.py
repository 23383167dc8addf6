"""`keras-reid init KIND NAME`: an experiment file to start from."""

import dataclasses
import importlib.resources
import re
from pathlib import Path
from typing import Annotated, Literal

import tyro

from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.files import written_aside


@dataclasses.dataclass(frozen=True)
class Init:
    """Write a commented experiment file, NAME.py, to start from. `keras-reid fit NAME.py --smoke` runs it at once.

    person and vehicle train on a benchmark that you have obtained: Market-1501 and VeRi-776. folder and csv train on
    your own images, in folders or listed in a table; they start from ImageNet weights and need little data.
    """

    kind: Annotated[Literal["person", "vehicle", "folder", "csv"], tyro.conf.Positional]
    """what to train on"""
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """the experiment's name, of letters, digits and . _ + -"""


def main(arguments: list[str]) -> None:
    options = command_line.parse(Init, arguments, prog="keras-reid init")
    name = options.name.removesuffix(".py")
    if not re.fullmatch(r"[\w.+-]+", name) or name.startswith("-"):
        raise UserError(
            "NAME names the file and the run's folder, so it must consist of letters, digits and . _ + -. "
            f"Received: {options.name!r}"
        )
    file = Path(f"{name}.py")
    if file.exists():
        raise UserError(f"{file} exists already: choose another name, or move it away")
    template = importlib.resources.files("keras_reid") / "recipes" / "templates" / f"{options.kind}.txt"
    with written_aside(file) as aside:
        aside.write_text(template.read_text(encoding="utf-8").replace("NAME", name), encoding="utf-8")
    print(f"{file}: read its comments, and try it: keras-reid fit {file} --smoke")


if __name__ == "__main__":
    command_line.run(main)
