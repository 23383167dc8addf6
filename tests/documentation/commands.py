"""Parses our commands with their own parsers."""

import contextlib
import dataclasses
import functools
import importlib
import inspect
import io
import pathlib
import typing
from unittest import mock

from keras_reid.__main__ import COMMANDS
from keras_reid.data.datasets import Folder
from keras_reid.experiment import load_experiment, override
from keras_reid.recipes import bot
from keras_reid.utils import command_line
from tests.conftest import ROOT


class _Parsed(Exception):
    """Raised to leave a command after it has parsed its arguments."""


def module_of(words):
    """The module that `python -m MODULE …` or `keras-reid COMMAND …` runs, and its arguments; None for any other."""
    if len(words) > 1 and pathlib.Path(words[0]).name == "keras-reid" and not words[1].startswith("-"):
        return COMMANDS[words[1].replace("-", "_")][0].removesuffix(".__main__"), words[2:]
    if len(words) > 2 and pathlib.Path(words[0]).name.startswith("python") and words[1] == "-m":
        return words[2], words[3:]
    return None


def parse(module, arguments, folder=ROOT):
    """Parses the arguments of one of our commands as the command does, and then stops.

    Fields of an experiment are those of its file, if it is in `folder` or in the repository; otherwise those of any.

    Raises:
        UserError: if the command rejects the arguments.
    """
    found, given = _reach_parser(module, arguments)
    target, options = found
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):  # --help
        parsed = command_line.parse(target, given, **options)
        if options.get("return_unknown_args"):
            parsed, overrides = parsed
            experiment = override(_experiment(parsed.file, folder), overrides)
            if getattr(parsed, "search", ()):
                from keras_reid.tuning.search_space import check_space, parse_space

                check_space(experiment, parse_space(parsed.search))


def options_of(module):
    """The options of a command: `{"output", "batch_size"}`."""
    words = [[name] for name in subcommands_of(module)] or [[]]
    targets = [_reach_parser(module, one)[0][0] for one in words]
    groups = [target for target in targets if dataclasses.is_dataclass(target)]
    groups = [kind for one in groups for kind in typing.get_type_hints(one).values()]
    targets += [kind for kind in groups if dataclasses.is_dataclass(kind)]  # options of a group of their own
    return {name for target in targets for name in inspect.signature(target).parameters}


def subcommands_of(module):
    """The subcommands of a command and their modules; none of most."""
    return getattr(importlib.import_module(_main(module).__module__), "SUBCOMMANDS", {})


def _main(module):
    try:
        return importlib.import_module(f"{module}.__main__").main
    except ModuleNotFoundError:
        return importlib.import_module(module).main


def _reach_parser(module, arguments):
    main, subcommands = _main(module), subcommands_of(module)
    if arguments and arguments[0] in subcommands:
        main, arguments = importlib.import_module(subcommands[arguments[0]][0]).main, arguments[1:]
    # Named files need not exist, but `fit FILE.py --help` and similar commands would load them first.
    shown = [word for word in arguments if word not in ("-h", "--help")]

    def leave(target, given, **options):
        raise _Parsed((target, options), given)

    with mock.patch.object(command_line, "parse", leave):
        try:
            main(shown)
        except _Parsed as reached:
            return reached.args
    raise AssertionError(f"{module} does not parse its arguments by command_line.parse")


def _experiment(file, folder):
    for place in (folder, ROOT):
        if file.endswith(".py") and (place / file).is_file():
            return load_experiment(place / file)
    return bot("mine", Folder())


@functools.cache
def commands():
    """Our commands and their modules: `{"fit": "keras_reid.fit", "serving.server": "keras_reid.serving.server"}`."""
    files = [
        *(ROOT / "keras_reid").glob("**/__main__.py"),
        ROOT / "keras_reid/experiment/generate.py",
        ROOT / "keras_reid/serving/publish.py",
    ]
    found = {name: module.removesuffix(".__main__") for name, (module, _) in COMMANDS.items()}
    found["serving.server"] = "keras_reid.serving.server"
    for file in files:
        name = file.relative_to(ROOT).with_suffix("").as_posix().removesuffix("/__main__").replace("/", ".")
        if "command_line.parse(" in file.read_text(encoding="utf-8"):
            found[name.removeprefix("keras_reid.")] = name
    return found
