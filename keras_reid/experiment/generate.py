"""Writes what would otherwise be written twice: the names that packages hand on, and the descriptions of components.

    python -m keras_reid.experiment.generate           # after you added or changed a loss, head, pooling, backbone …
    python -m keras_reid.experiment.generate --check   # fails if a file is out of date

A component is a class decorated with `@keras.saving.register_keras_serializable`. Its package's `__init__` imports it,
and `keras_reid/experiment/components/` describes it: the fields come from the type hints of its constructor (see
`keras_reid.utils.arguments`), their help from `Args:` in its docstring. Class attributes tell the rest:

- `in_experiments`: the description's name, or None for no description. By default it is the class's name without "2D".
- what the base class of the description declares in `keras_reid/experiment/component.py`, such as `takes` of a head.
"""

import ast
import dataclasses
import importlib
import inspect
import re
import subprocess
import sys
import textwrap
import types
import typing
from collections.abc import Iterator
from pathlib import Path

import keras_reid
from keras_reid.experiment import component as bases
from keras_reid.utils import command_line
from keras_reid.utils.arguments import NO_FIELD, InExperiments, Late, Part
from keras_reid.utils.errors import UserError

ROOT = Path(keras_reid.__file__).parent
PACKAGES = ("losses", "layers/pooling", "layers", "heads", "backbones")
_WIDTH = 110
_KERAS_ARGUMENTS = ("name", "dtype", "reduction")


@dataclasses.dataclass(frozen=True)
class Room:
    """A module of descriptions.

    Args:
        what: names them in the module's docstring.
        described: modules with the components, each with the base class of their descriptions.
        keras_own: descriptions of Keras' poolings, with no argument to choose: `{name: (builds, summary, attributes)}`.
    """

    what: str
    described: dict
    keras_own: dict = dataclasses.field(default_factory=dict)


ROOMS = {
    "losses": Room("losses", {"keras_reid.losses": "Component"}),
    "pooling": Room(
        "poolings",
        {"keras_reid.layers.pooling": "Pooling"},
        {
            "AveragePooling": (
                "keras.layers.GlobalAveragePooling2D",
                "The average over all positions.",
                {"fixed": {"data_format": "channels_last"}},
            ),
            "MaxPooling": (
                "keras.layers.GlobalMaxPooling2D",
                "The maximum over all positions.",
                {"fixed": {"data_format": "channels_last"}},
            ),
            "NoPooling": (
                "keras.layers.Identity",
                "Nothing, for heads that pool feature maps themselves, as `MultiGranularityHeads` and `PartialHead`.",
                {"pools": False},
            ),
        },
    ),
    "heads": Room(
        "classification layers and heads",
        {"keras_reid.layers.margin": "Component", "keras_reid.heads": "Head"},
    ),
    "backbones": Room("backbones", {"keras_reid.backbones": "Backbone"}),
}


def generated() -> Iterator[tuple[Path, str]]:
    """`(file, text)` of every file as it should be.

    The packages come first: they must be up to date before what they hand on can be imported and described.
    """
    yield from ((ROOT / package / "__init__.py", package_text(ROOT / package)) for package in PACKAGES)
    folder = ROOT / "experiment" / "components"
    yield from ((folder / f"{name}.py", descriptions_text(name)) for name in ROOMS)


def package_text(folder: Path) -> str:
    """The `__init__` of a package: its docstring as it is, and the components of its modules and sub-packages."""
    package = ".".join((ROOT.name, *folder.relative_to(ROOT).parts))
    source = (folder / "__init__.py").read_text(encoding="utf-8")
    end = ast.parse(source).body[0].end_lineno
    lines = ["\n".join(source.splitlines()[:end]), ""]
    names = []
    for path in sorted(folder.iterdir()):
        inner = path / "__init__.py"
        file = inner if inner.is_file() else path
        if file.suffix != ".py" or path.name == "__init__.py":
            continue
        found = _exported(file) if file == inner else _registered(file)
        if found:
            lines.append(f"from {package}.{path.stem} import {', '.join(found)}")
            names += found
    return _formatted("\n".join([*lines, "", f"__all__ = {names!r}"]), folder / "__init__.py")


def _registered(file):
    """The names of a module's public classes that Keras can save."""
    return [
        node.name
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
        and not node.name.startswith("_")
        and any("register_keras_serializable" in ast.unparse(decorator) for decorator in node.decorator_list)
    ]


def _exported(init):
    return [name for path in sorted(init.parent.glob("[!_]*.py")) for name in _registered(path)]


def descriptions_text(room: str) -> str:
    """The module of descriptions of a room."""
    room, file = ROOMS[room], ROOT / "experiment" / "components" / f"{room}.py"
    described = [
        (_name(cls), cls, base)
        for module, base in room.described.items()
        for cls in _components(module)
        if _name(cls)
    ]
    # A description whose default holds another one comes after that.
    described.sort(key=lambda one: (bool(_parts(one[1])), one[0]))
    inner = {part.component for _, cls, _ in described for part in _parts(cls).values()}
    elsewhere = inner - {cls for _, cls, _ in described}
    texts = [_class(name, "Pooling", *values, []) for name, values in room.keras_own.items()]  # type: ignore[call-arg]
    texts += [_description(*one) for one in described]
    names = [*room.keras_own, *(name for name, _, _ in described)]
    head = [
        f'"""Descriptions of the {room.what}.\n\nGenerated by `python -m keras_reid.experiment.generate`: change the '
        'classes described, not this file.\n"""\n',
        "# ruff: noqa: E501 (`--help` wraps the fields' docstrings, and keeps line breaks that are in them)",
        "from dataclasses import dataclass",
        "from typing import Any, ClassVar, Literal",
        f"from keras_reid.experiment.component import {', '.join(set(room.described.values()))}",
        *(f"from {_home(cls)} import {_name(cls)}" for cls in elsewhere),
        f"__all__ = {names!r}",
    ]
    return _formatted("\n".join([*head, *texts]), file)


def _components(module):
    """The components of a module, or of a package."""
    module = importlib.import_module(module)
    file = Path(module.__file__)
    names = _exported(file) if file.name == "__init__.py" else _registered(file)
    return [getattr(module, name) for name in names]


def _name(cls):
    return vars(cls).get("in_experiments", cls.__name__.removesuffix("2D"))


def _home(cls):
    """The module that describes a class."""
    for name, room in ROOMS.items():
        if f"{cls.__module__}.".startswith(tuple(f"{module}." for module in room.described)):
            return f"keras_reid.experiment.components.{name}"
    raise ValueError(f"ROOMS must name the module of every part. Received: {cls.__module__}.{cls.__name__}")


def _description(name, cls, base):
    builds = ".".join([*cls.__module__.split(".")[:2], cls.__name__])
    summary = inspect.getdoc(cls).partition("\n\n")[0]
    marked = {
        "late": {one.name: one.mark(Late).fact for one in arguments_of(cls) if one.mark(Late)},
        "parts": {name: part.facts for name, part in _parts(cls).items()},
    }
    attributes = {**_declared(cls, base), **{key: value for key, value in marked.items() if value}}
    return _class(name, base, builds, summary, attributes, _fields(cls))


def _declared(cls, base):
    """What a component declares of the attributes of its description's base class, where it differs."""
    base = getattr(bases, base)
    names = base.__annotations__ if base is not bases.Component else ()
    values = {name: getattr(cls, name, getattr(base, name)) for name in names}
    return {name: value for name, value in values.items() if value != getattr(base, name)}


def _parts(cls):
    return {one.name: one.mark(Part) for one in arguments_of(cls) if one.mark(Part)}


def _class(name, base, builds, summary, attributes, fields):
    body = [_docstring(f"{summary}\n\nBuilds `{builds}`."), f'builds: ClassVar[str] = "{builds}"']
    for key, value in attributes.items():
        # A word is one of those that the base class lists.
        kind = f"Literal[{value!r}]" if isinstance(value, str) else type(value).__name__
        body.append(f"{key}: ClassVar[{kind}] = {value!r}")
    body += fields
    return f"@dataclass(frozen=True)\nclass {name}({base}):\n" + textwrap.indent("\n".join(body), "    ")


def _fields(cls):
    """A line and a docstring for each argument that an experiment chooses."""
    helps, lines = argument_helps(cls), []
    for one in arguments_of(cls):
        if NO_FIELD in one.marks or one.mark(Late):
            continue
        if one.name not in helps:
            raise ValueError(
                f"`{one.name}` of {cls.__name__} must have a line under `Args:` in the docstring."
            )
        if part := one.mark(Part):
            arguments = ", ".join(f"{key}={value!r}" for key, value in part.arguments.items())
            kind, default = "Any", f"{_name(part.component)}({arguments})"
        else:
            other = one.mark(InExperiments)
            kind, default = type_source(one.kind), repr(other.default if other else one.default)
        lines += [f"{one.name}: {kind} = {default}", _quoted(helps[one.name])]
    return lines


@dataclasses.dataclass(frozen=True)
class Argument:
    """An argument of a constructor: its type hint is split into the type and the marks."""

    name: str
    kind: typing.Any
    marks: tuple
    default: typing.Any

    def mark(self, kind: type) -> typing.Any:
        """The mark of a kind; None if there is none."""
        return next((mark for mark in self.marks if isinstance(mark, kind)), None)


def arguments_of(cls: typing.Any) -> list[Argument]:
    """The arguments of a constructor, without those that Keras gives to all of its kind.

    Raises:
        TypeError: if one has no type hint, or needs a default and has none.
    """
    hints = typing.get_type_hints(cls.__init__, include_extras=True)
    arguments = []
    for name, parameter in list(inspect.signature(cls.__init__).parameters.items())[1:]:
        if name in _KERAS_ARGUMENTS or parameter.kind is parameter.VAR_KEYWORD:
            continue
        if name not in hints:
            raise TypeError(
                f"`{name}` of {cls.__name__} must have a type hint: see keras_reid.utils.arguments."
            )
        marked = typing.get_origin(hints[name]) is typing.Annotated
        kind, *marks = typing.get_args(hints[name]) if marked else (hints[name],)
        argument = Argument(name, kind, tuple(marks), parameter.default)
        if parameter.default is parameter.empty and not argument.mark(Late):
            raise TypeError(f"`{name}` of {cls.__name__} must have a default, or be marked as `Late`.")
        arguments.append(argument)
    return arguments


def type_source(hint: typing.Any) -> str:
    """A type as it is written in Python.

    Raises:
        TypeError: for a kind of type that the command line cannot read.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(type_source, arguments))
    if origin is tuple:
        return f"tuple[{', '.join('...' if one is ... else type_source(one) for one in arguments)}]"
    if hint in (bool, int, float, str):
        return hint.__name__
    if hint is type(None):
        return "None"
    raise TypeError(
        "a constructor's argument must have a type made of bool, int, float, str, None, Literal and tuple, or a mark "
        f"of keras_reid.utils.arguments. Received: {hint}"
    )


def argument_helps(cls: type) -> dict[str, str]:
    """`{argument: help}`, from `Args:` in the docstring of a class, without the sentence on the default."""
    section = re.search(r"^Args:\n((?: .*\n|\n)*)", (inspect.getdoc(cls) or "") + "\n", re.MULTILINE)
    if section is None:
        return {}
    entries = re.findall(r"^ {4}(\w[\w, ]*): (.*(?:\n {5,}.*)*)", section[1], re.MULTILINE)
    helps = {name: " ".join(text.split()) for names, text in entries for name in names.split(", ")}
    return {name: re.sub(r" ?Defaults to .*$", "", text) for name, text in helps.items()}


def _docstring(text):
    paragraphs = text.split("\n\n")
    return _quoted("\n\n".join("\n".join(textwrap.wrap(one, _WIDTH)) for one in paragraphs) + "\n")


def _quoted(text):
    return f'"""{text}{" " * text.endswith(chr(34))}"""'


def _formatted(text, file):
    """As `make lint` wants it: sorted imports and names, no import that is not used."""
    for command in (["check", "--fix", "--quiet", "--select", "F401,I,RUF022"], ["format", "--quiet"]):
        command = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(file), "-"]
        text = subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, check=True).stdout
    return text


@dataclasses.dataclass(frozen=True)
class Generate:
    """Write the names that packages hand on, and the descriptions of components, from the classes' constructors."""

    check: bool = False
    """write nothing; fail if a file is out of date"""


def main(arguments: list[str]) -> None:
    options = command_line.parse(Generate, arguments, prog="python -m keras_reid.experiment.generate")
    stale = [
        (file, text)
        for file, text in generated()
        if not file.is_file() or file.read_text(encoding="utf-8") != text
    ]
    names = [str(file.relative_to(ROOT.parent)) for file, _ in stale]
    if options.check and stale:
        raise UserError(
            f"out of date: {', '.join(names)}. Run `python -m keras_reid.experiment.generate`, and commit them"
        )
    for file, text in stale:
        file.write_text(text, encoding="utf-8")
    print(f"written: {', '.join(names)}" if names else "nothing to write: all files are current")


if __name__ == "__main__":
    command_line.run(main)
