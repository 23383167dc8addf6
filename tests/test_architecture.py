"""Imports run one way: docs/architecture.md draws the house, and this holds the code to it."""

import ast
import functools
import itertools
import pathlib

import keras_reid

PACKAGE = pathlib.Path(keras_reid.__file__).parent
# From the ground up. A room may import from itself and from the floors below it.
FLOORS = (
    ("utils",),
    ("checkpoints", "layers"),
    ("backbones",),
    ("data", "heads", "losses"),
    ("embedding",),
    ("evaluation",),
    ("visualization",),
    ("training",),
    ("callbacks", "models"),
    ("weights",),
    ("export",),
    ("zoo",),
    ("experiment",),
    ("recipes",),
    ("run", "serving"),
    ("gallery", "tuning"),
    ("tracks",),
    ("commands",),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# Deferred until they are called, where Keras users expect to find something: `ReIDModel.export`,
# `ReIDModel.from_preset` and `pretrained=` of a backbone.
UPWARD = {
    ("keras_reid.models.reid_model", "keras_reid.export.keras_call"),
    ("keras_reid.models.presets", "keras_reid.zoo.registry"),
    ("keras_reid.models.presets", "keras_reid.zoo.resolving"),
    ("keras_reid.checkpoints.pretrained", "keras_reid.zoo.resolving"),
}
# Modelling code runs on any backend of Keras.
OF_KERAS_ALONE = ("layers", "backbones", "heads", "losses")


@functools.cache
def modules():
    """Every module of the package by its name: its syntax tree."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(("keras_reid", *file.relative_to(PACKAGE).with_suffix("").parts))
        found[name.removesuffix(".__init__")] = ast.parse(file.read_text(encoding="utf-8"))
    return found


def imports(name, deferred=True):
    """The modules of the package that a module imports, also within functions if `deferred`."""
    tree = modules()[name]
    for node in ast.walk(tree) if deferred else _at_import(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "keras_reid":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in modules() else node.module
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in modules():
                    yield alias.name


def _at_import(node):
    for child in ast.iter_child_nodes(node):
        only_for_types = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        if not only_for_types and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield child
            yield from _at_import(child)


def room(name):
    """`keras_reid.data.exif` → `data`; a command is `commands`, the package itself None."""
    parts = name.split(".")[1:]
    if parts and parts[-1] == "__main__":
        return "commands"
    if len(parts) == 1 and not (PACKAGE / parts[0]).is_dir():
        return "commands"
    return parts[0] if parts else None


def test_every_room_stands_on_a_floor():
    assert {room(name) for name in modules()} - {None} <= set(FLOOR)


def test_imports_run_down():
    upward = set()
    for name in modules():
        for other in imports(name):
            here, there = room(name), room(other)
            if None not in (here, there) and here != there and FLOOR[there] >= FLOOR[here]:
                upward.add((name, other))
    assert upward == UPWARD


def test_modules_import_one_another_in_no_circle():
    circles, state = [], {}

    def visit(name, path):
        state[name] = "open"
        for other in sorted(set(imports(name, deferred=False))):
            # A package's face hands on what its own modules define: that is no dependency of theirs on it.
            if other == name or name.startswith(f"{other}."):
                continue
            if state.get(other) == "open":
                circles.append([*path[path.index(other) :], other])
            elif other not in state:
                visit(other, [*path, other])
        state[name] = "done"

    for name in modules():
        if name not in state:
            visit(name, [name])
    assert not circles


def test_commands_import_no_command():
    commands = {name for name in modules() if room(name) == "commands"}
    between = {
        pair for name in commands for pair in itertools.product([name], imports(name)) if pair[1] in commands
    }
    assert not between


def test_modelling_code_imports_no_tensorflow():
    wrong = [
        name
        for name, tree in modules().items()
        if room(name) in OF_KERAS_ALONE
        for node in ast.walk(tree)
        if (isinstance(node, ast.Import) and any(one.name.startswith("tensorflow") for one in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tensorflow"))
    ]
    assert not wrong


def test_a_run_reads_from_top_to_bottom():
    """A file of `run/` uses only those after it here: what hands the experiment on never gets it back."""
    order = (
        "report_again",
        "session",
        "seeds",
        "schedule_plot",
        "execute",
        "stages",
        "train",
        "results",
        "model",
        "data",
        "environment",
    )
    place = {name: number for number, name in enumerate(order)}
    steps = {name: name.split(".")[2] for name in modules() if name.startswith("keras_reid.run.")}
    assert set(steps.values()) == set(order)
    upward = [
        (name, other)
        for name, step in steps.items()
        for other in imports(name)
        if other in steps and steps[other] != step and place[steps[other]] < place[step]
    ]
    assert not upward
