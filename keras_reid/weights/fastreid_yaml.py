"""FastReID's config files."""

from __future__ import annotations

import ast
import dataclasses
import functools
import math
import os
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import yaml

from keras_reid.utils.errors import UserError
from keras_reid.weights.fastreid_checks import check_names

if TYPE_CHECKING:
    from pathlib import Path

_BASE = "_BASE_"
# What concerns the network and its images; the rest is about training and evaluation.
_SECTIONS = ("MODEL", "INPUT")
# The largest of FastReID's has 3 kB and 200 values.
_MOST_BYTES, _MOST_VALUES = 2**20, 10_000


class NoConfig(UserError):
    """A file that is not the config of a network: other programs also put YAML files next to their weights."""


@dataclasses.dataclass(frozen=True)
class ConfigFile:
    """A config of FastReID's, with the files that say its options.

    Args:
        options: nested dict with what the files say together; see `read_config`.
        files: what each file says, nested, by its path: the outermost `_BASE_` first, the config itself last.
    """

    options: Mapping
    files: Mapping

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> ConfigFile:
        """As `read_config`, with the files."""
        path = pathlib.Path(path)
        try:
            files = dict(_read(path, ()))
            merged = functools.reduce(lambda base, file: _merge(files[file], base, file), files, {})
            found = {
                section: plain_values(merged[section])
                for section in _SECTIONS
                if merged.get(section) is not None
            }
        except RecursionError as error:
            raise UserError(f"{path} nests its options too deeply.") from error
        if not found:
            raise NoConfig(f"{path} is not a FastReID config of a network: it has neither MODEL nor INPUT.")
        model = found.get("MODEL", {})
        for key, group in (("MODEL", model), ("INPUT", found.get("INPUT", {}))):
            _check_group(path, key, group)
        for key in ("BACKBONE", "HEADS"):
            _check_group(path, f"MODEL.{key}", model.get(key, {}))
        check_names({key: {} for key in merged} | found)
        return cls(found, files)

    def source(self, option: str) -> Path:
        """The file whose value of an option counts, such as of "MODEL.HEADS.SCALE".

        The config itself for an option that no file names so: one of the first releases, under today's name.
        """
        *groups, last = option.split(".")
        for file in reversed(self.files):
            group = self.files[file]
            for key in groups:
                group = group.get(key) if isinstance(group, Mapping) else None
            if isinstance(group, Mapping) and last in group:
                return file
        return next(reversed(self.files))


def read_config(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """The options of a network and its images from one of FastReID's YAML files, under its own names.

    A file may name another one as `_BASE_` (relative to itself, absolute, or with `~`) and replaces options of that
    one by one; a group of options replaces only a group.

    Args:
        path: A `.yml` file.

    Returns a nested dict `{"MODEL": {...}, "INPUT": {...}}` with what the files say, without defaults, as
    `build_fastreid` takes it.

    Raises:
        NoConfig: a UserError, if the file is not valid YAML, or has no such options.
        UserError: if a file is missing, based on itself or on a file on the web, or holds anything else than plain
            values.

    Example:
        >>> config = read_config("configs/Market1501/bagtricks_R50.yml")  # doctest: +SKIP
        >>> config["MODEL"]["BACKBONE"]["DEPTH"]  # doctest: +SKIP
        '50x'
    """
    return ConfigFile.read(path).options


def config_beside(file: str | os.PathLike[str]) -> Path | None:
    """The YAML file that belongs to a checkpoint: of its name, or what FastReID writes into its output folder.

    Args:
        file: A `.pth` file; `FILE.yml`, `FILE.yaml`, `config.yaml` and `config.yml` next to it are tried, in this
            order. One that is not the config of a network is skipped, with a printed note.

    Returns the path, or None if there is no config.

    Example:
        >>> config_beside("logs/market/model_best.pth")  # doctest: +SKIP
        PosixPath('logs/market/config.yaml')
    """
    file = pathlib.Path(file)
    candidates = [file.with_suffix(suffix) for suffix in (".yml", ".yaml")]
    candidates += [file.with_name(f"config{suffix}") for suffix in (".yaml", ".yml")]
    for path in filter(pathlib.Path.is_file, candidates):
        try:
            read_config(path)
        except NoConfig as error:
            print(f"note: not used: {error}")
        else:
            return path
    return None


def _read(path, origins):
    """`(file, its own options)` of a config and of all that it is based on, the outermost base first.

    `origins` are the files that led here.
    """
    path = path.expanduser().resolve()
    if path in origins:
        chain = " → ".join(str(file) for file in (*origins, path))
        raise UserError(f"{origins[0]} is based on itself: {chain}")
    own = _load(path, origins)
    base = own.pop(_BASE, None)
    if base is None:
        return [(path, own)]
    if not isinstance(base, str):
        raise UserError(f"{path}: {_BASE} must be the path of a file. Received: {base!r}")
    if base.startswith(("http://", "https://")):
        raise UserError(
            f"{path}: {_BASE} is on the web and is not fetched. Fetch {base} and give its path instead."
        )
    base_path = path.parent / pathlib.Path(base).expanduser()
    return [*_read(base_path, (*origins, path)), (path, own)]


def _load(path, origins):
    if not path.is_file():
        named = f", which {origins[-1]} is based on" if origins else ""
        raise UserError(f"Config file not found: {path}{named}")
    try:
        with open(path, "rb") as file:
            content = _values(path, file.read(_MOST_BYTES + 1))
    except yaml.constructor.ConstructorError as error:
        raise UserError(f"{path} may hold plain values only: {_where(error)}") from error
    except yaml.MarkedYAMLError as error:
        raise NoConfig(f"{path} is not valid YAML: {_where(error)}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NoConfig(f"{path} is not YAML text: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise NoConfig(f"{path} must hold options with their values. Received: {type(content).__name__}")
    return content


def _values(path, text):
    """The values of a YAML file from a stranger: a few lines can stand for more than the memory holds."""
    if len(text) > _MOST_BYTES:
        raise UserError(f"{path} must have at most {_MOST_BYTES:,} bytes. Received: more.")
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if (count := _count(node, {})) == math.inf:
            raise RecursionError
        if count > _MOST_VALUES:
            raise UserError(
                f"{path} must stand for at most {_MOST_VALUES:,} values. Received: aliases of aliases."
            )
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _count(node, counts):
    """How many values a node stands for, with each alias written out; infinitely many where it holds itself."""
    if id(node) not in counts:
        counts[id(node)] = math.inf  # until it is known
        inner = node.value if isinstance(node, yaml.CollectionNode) else ()
        if isinstance(node, yaml.MappingNode):
            inner = (one for pair in inner for one in pair)
        counts[id(node)] = 1 + sum(_count(one, counts) for one in inner)
    return counts[id(node)]


def _where(error):
    line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
    return f"{error.problem}{line}"


def _merge(own, base, path, prefix=""):
    merged = dict(base)
    for key, value in own.items():
        if key in base and isinstance(value, dict) != isinstance(base[key], dict):
            kinds = ("a group of options", "a value")
            mine, other = kinds if isinstance(value, dict) else kinds[::-1]
            raise UserError(f"{path}: {prefix}{key} is {mine}, but {other} in its base.")
        both = key in base and isinstance(value, dict)
        merged[key] = _merge(value, base[key], path, f"{prefix}{key}.") if both else value
    return merged


def plain_values(value: Any) -> Any:
    """Values as FastReID understands them: text that is a Python value, as "(256, 128)", is that value."""
    if isinstance(value, Mapping):
        return {key: plain_values(inner) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return value


def _check_group(path, key, group):
    if not isinstance(group, dict):
        raise UserError(f"{path}: {key} must be a group of options. Received: {group!r}")
