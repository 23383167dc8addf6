"""What a run was: model, training, machine."""

from __future__ import annotations

import ast
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from keras_reid.utils.files import read_json
from keras_reid.utils.progress import clock
from keras_reid.visualization.experiment_settings import as_python


def run_summary(
    directory: pathlib.Path,
    description: Mapping[str, Any],
    log: Sequence[Mapping[str, Any]],
    model: Any = None,
) -> dict[str, str]:
    """Which model was trained, for how long, with which seed and code, and on which machine: name → text.

    Args:
        directory: `pathlib.Path` of the run, with its `environment.json` and `best.json` if they exist.
        description: the resolved experiment.
        log: what `read_log` returns.
        model: the `ReIDModel`, or None.
    """
    summary, parts = {}, description.get("model", {})
    if "backbone" in parts:
        summary["backbone"] = _name(parts["backbone"])
        summary["pooling, head"] = f"{_name(parts['pooling'])}, {_name(parts['head'])}"
    if model is not None:
        summary["parameters"] = f"{model.count_params():,}"
        summary["embedding"] = f"{model.embedding_dim} numbers"
        summary["image size"] = "{} × {} pixels (height × width)".format(*model.image_size)
    if log:
        epochs = log[-1]["epoch"]
        summary["training"] = f"{epochs} epoch{'s' * (epochs != 1)}, {log[-1].get('step', 0):,} steps"
        summary["time"] = f"{clock(sum(record.get('seconds', 0) for record in log))} with evaluations"
    if (best := _read(directory / "best.json")) and "epoch" in best:
        summary["best epoch"] = str(best["epoch"])
    environment = _read(directory / "environment.json") or {}
    if "seed" in environment:
        summary["seed"] = str(environment["seed"])
    if environment.get("sessions"):
        session = environment["sessions"][-1]
        summary["code"] = _code(session)
        machine = session["machine"]
        summary["machine"] = ", ".join(machine["gpus"]) or f"{machine['processor']}, {machine['cores']} cores"
        summary["begun"] = environment["sessions"][0]["started"].replace("T", " ").replace("+00:00", " UTC")
    return summary


def versions_of(directory: pathlib.Path) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """`(header, rows)` of a table of versions: a column for each process that worked on the run, usually one."""
    sessions = (_read(directory / "environment.json") or {}).get("sessions", [])
    header = ("", *(session["started"].replace("T", " ").replace("+00:00", " UTC") for session in sessions))
    packages = dict.fromkeys(name for session in sessions for name in session["versions"])
    rows = [(name, *(session["versions"].get(name, "–") for session in sessions)) for name in packages]
    if sessions:
        rows.append(("git revision", *map(_code, sessions)))
        rows.append(("system", *(session["machine"]["system"] for session in sessions)))
        rows.append(("processor", *(session["machine"]["processor"] for session in sessions)))
        rows.append(("GPUs", *(", ".join(session["machine"]["gpus"]) or "none" for session in sessions)))
    return header, rows


def purpose_of(directory: pathlib.Path) -> str:
    """The first line of the experiment file's docstring, or an empty text."""
    file = directory / "experiment.py"
    try:
        return (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").partition("\n")[0]
    except (OSError, SyntaxError, UnicodeDecodeError):
        return ""


def _name(component):
    """A component in short: its type with the arguments that tell models apart."""
    if not isinstance(component, dict):
        return as_python(component)
    if "type" not in component:
        return as_python(component)
    told = {"depth", "width", "ibn", "non_local", "squeeze_excite", "embedding_dim"} & component.keys()
    short = {
        name: component[name] for name in component if name in told and component[name] not in (None, False)
    }
    return as_python({"type": component["type"], **short}).removesuffix("()")


def _code(session):
    git = session.get("git")
    if not git:
        return f"keras_reid {session['versions'].get('keras_reid', '')}, in no git repository"
    return git["revision"][:12] + (" with changes" if git["modified"] else "")


def _read(file):
    return read_json(file) if file.is_file() else None
