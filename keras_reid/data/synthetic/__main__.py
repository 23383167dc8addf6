"""Draws the synthetic data set into a folder, or a contact sheet of it.

python -m keras_reid.data.synthetic --preset small --output data
python -m keras_reid.data.synthetic --kind vehicle --output sheet.png

`scene` draws videos of people instead: python -m keras_reid.data.synthetic scene --help
"""

import dataclasses
import importlib
import pathlib
from collections.abc import Sequence
from typing import Literal

from keras_reid.data.synthetic.identity_sheet import contact_sheet
from keras_reid.data.synthetic.reader import Synthetic
from keras_reid.utils import command_line
from keras_reid.utils.files import save_picture

SUBCOMMANDS = {"scene": ("keras_reid.data.synthetic.scene_command", "people who walk past several cameras")}
PICTURES = (".png", ".jpg", ".jpeg")


@dataclasses.dataclass(frozen=True)
class Options:
    """Draw the synthetic data set into a folder, or draw a contact sheet with one row per identity and one column per
    camera. `scene FOLDER` draws videos of people who walk past several cameras instead."""

    output: pathlib.Path
    """a file ending in .png or .jpg for a contact sheet, or a folder for the data set"""
    kind: Literal["person", "vehicle"] = "person"
    """what to draw"""
    preset: Literal["tiny", "small", "large"] = "small"
    """number of identities, cameras and images"""
    seed: int = 0
    """another seed gives other identities and cameras"""
    processes: int | None = None
    """number of processes; by default one per core"""
    domain: Literal["day", "evening"] = "day"
    """evening: cheaper cameras, mounted higher, in little and coloured light"""
    queries: Literal["whole", "partial", "occluded"] = "whole"
    """how much query images show of their subject; if not whole, the contact sheet shows queries"""
    identities: int = 10
    """number of rows of the contact sheet"""


def main(arguments: Sequence[str]) -> None:
    if arguments and arguments[0] in SUBCOMMANDS:
        importlib.import_module(SUBCOMMANDS[arguments[0]][0]).main(arguments[1:])
        return
    options = command_line.parse(Options, arguments, prog="python -m keras_reid.data.synthetic")
    variants = {"domain": options.domain, "queries": options.queries}
    reader = Synthetic(options.preset, options.kind, options.seed, options.processes, **variants)
    if options.output.suffix.lower() in PICTURES:
        part = "train" if options.queries == "whole" else "query"
        sheet = contact_sheet(
            *(options.kind, options.preset, options.seed, options.identities), part=part, **variants
        )
        save_picture(sheet, options.output)
        print(f"{options.output}: {sheet.width} × {sheet.height} pixels")
    else:
        dataset = reader.read(options.output)
        dataset.print_statistics()
        print(f"images in {reader.folder(options.output)}")


if __name__ == "__main__":
    command_line.run(main)
