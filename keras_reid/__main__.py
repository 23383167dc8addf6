"""`keras-reid COMMAND …`: all commands under one name. `python -m keras_reid` does the same.

`keras-reid fit FILE` is `python -m keras_reid.fit FILE`. Only the module of the given command is imported.
"""

import difflib
import importlib
import os
import sys
import types

from keras_reid import __version__
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError

# Name → its module and what it does, in the order in which one uses them.
COMMANDS = {
    "init": ("keras_reid.init", "write an experiment file to start from"),
    "doctor": ("keras_reid.doctor", "examine a data set before it is trained on"),
    "fit": ("keras_reid.fit", "train and evaluate an experiment"),
    "sweep": ("keras_reid.sweep", "try many settings of an experiment, and rank them"),
    "evaluate": ("keras_reid.evaluate", "measure Rank-1, mAP and mINP of a model on a data set"),
    "report": ("keras_reid.report", "write the report of a run, or compare several"),
    "ranked_list": ("keras_reid.ranked_list", "show what a model finds for one query"),
    "calibrate": ("keras_reid.calibrate", "choose the threshold for same and different"),
    "verify": ("keras_reid.verify", "tell whether two images show the same one"),
    "search": ("keras_reid.search", "find an image's identity in a folder"),
    "cluster": ("keras_reid.cluster", "group the pictures of a folder into identities"),
    "gallery": ("keras_reid.gallery.__main__", "keep identities in a store: enrol, search, erase"),
    "tracks": ("keras_reid.tracks.__main__", "embed the boxes of a tracker in videos, as tracklets"),
    "associate": ("keras_reid.associate", "find who is who across cameras, from files of tracks"),
    "embed": ("keras_reid.embed", "write the embeddings of images to a file"),
    "export": (
        "keras_reid.export.__main__",
        "write a SavedModel, ONNX, LiteRT or TensorRT artefact, verified",
    ),
    "publish": ("keras_reid.publish", "put a SavedModel where servers look for it"),
    "serve": ("keras_reid.serve", "serve models over REST and gRPC"),
    "convert": ("keras_reid.convert", "convert a PyTorch checkpoint to Keras"),
    "zoo": ("keras_reid.zoo.__main__", "list, show, verify and measure published models"),
    "card": ("keras_reid.card", "write the model card of a run"),
    "push": ("keras_reid.push", "share a model on the Hugging Face Hub, or as a folder"),
    "pack": ("keras_reid.pack", "pack a data set into a few large files"),
}
_NAMES = "\n".join(f"  {name:<12} {what}" for name, (_, what) in COMMANDS.items())
HELP = f"""usage: keras-reid COMMAND …

{_NAMES}

  --version                 print the version
  --completion bash|zsh     print a script that completes commands and options in the shell

`keras-reid COMMAND --help` lists the options of a command. `python -m keras_reid.COMMAND` runs it as well."""


def main(arguments: list[str]) -> None:
    name, *rest = arguments or ["--help"]
    if name in ("-h", "--help"):
        print(HELP)
    elif name == "--version":
        print(f"keras_reid {__version__}")
    elif name == "--completion":
        print(_completion(*rest))
    else:
        _module(name).main(rest)


def script() -> None:
    """The console script `keras-reid`."""
    if not sys.flags.safe_path:
        # As `python -m` does: experiment files may import modules of the working directory.
        sys.path.insert(0, os.getcwd())
    command_line.run(main)


def _module(name: str) -> types.ModuleType:
    plain = name.replace("-", "_")
    if plain not in COMMANDS:
        near = difflib.get_close_matches(plain, COMMANDS, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise UserError(f"there is no command {name!r}. {hint}`keras-reid` lists all commands")
    return importlib.import_module(COMMANDS[plain][0])


def _completion(shell: str = "", *_: str) -> str:
    from keras_reid.experiment import Experiment
    from keras_reid.experiment.keys import lines
    from keras_reid.utils.completion import SHELLS, completion_script, options_of

    if shell not in SHELLS:
        raise UserError(f"--completion must be followed by {' or '.join(SHELLS)}. Received: {shell!r}")
    # The options of a command are a dataclass that is named after it: `RankedList` for `ranked_list`.
    options = {name: options_of(getattr(_module(name), name.title().replace("_", ""))) for name in COMMANDS}
    keys = (line.partition(" =")[0] for line in lines(Experiment()) if not line.startswith("#"))
    options["fit"] |= {f"--{key.replace('_', '-')}": () for key in keys}
    return completion_script(shell, "keras-reid", options)


if __name__ == "__main__":
    command_line.run(main)
