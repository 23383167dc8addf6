"""What is declared for the installation fits the code: pins, extras, data files, versions."""

import ast
import configparser
import re
import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import keras_reid
from tests.conftest import ROOT

SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")
EXTRAS = {
    name: [Requirement(line) for line in lines.split("\n") if line]
    for name, lines in SETUP["options.extras_require"].items()
}
NEEDED = [Requirement(line) for line in SETUP["options"]["install_requires"].split("\n") if line]
# Of requirements.txt: what is asked for, and what that brings along.
ASKED, BROUGHT = (
    {
        canonicalize_name(requirement.name): requirement.specifier
        for line in part.splitlines()
        if line and not line.startswith("#")
        for requirement in [Requirement(line)]
    }
    for part in (ROOT / "requirements.txt").read_text(encoding="utf-8").split("# What these bring along.")
)
PINNED = {**ASKED, **BROUGHT}
# Too large for the tests' environment, or for one kind of machine.
NOT_PINNED = {"optuna", "ray", "torch"}


def declared(*groups):
    return {canonicalize_name(one.name) for group in groups for one in group}


def test_requirements_pin_every_package_once():
    assert not set(ASKED) & set(BROUGHT)
    assert all(re.fullmatch(r"==[\w.]+", str(specifier)) for specifier in PINNED.values())


@pytest.mark.parametrize(
    "requirement", [*NEEDED, *(one for group in EXTRAS.values() for one in group)], ids=str
)
def test_the_pins_agree(requirement):
    """What a user's environment gets is what was tested."""
    name = canonicalize_name(requirement.name)
    if name in ("keras-reid", *NOT_PINNED):
        return
    (pin,) = PINNED[name]
    assert requirement.specifier.contains(pin.version)
    if len(requirement.specifier) == 1 and next(iter(requirement.specifier)).operator == "==":
        assert requirement.specifier == PINNED[name]


def test_what_requirements_ask_for_is_declared():
    assert set(ASKED) <= declared(NEEDED, *EXTRAS.values())


def test_the_extra_all_names_every_extra_that_runs_anywhere():
    (itself,) = EXTRAS["all"]
    assert canonicalize_name(itself.name) == "keras-reid"
    assert itself.extras == set(EXTRAS) - {"all", "benchmarks", "dev", "docs", "gpu"}


def third_party_imports():
    """`{top-level module: a file that imports it}` of the package."""
    found = {}
    for file in sorted((ROOT / "keras_reid").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            found |= {name.partition(".")[0]: str(file.relative_to(ROOT)) for name in names}
    return {name: file for name, file in found.items() if name not in sys.stdlib_module_names}


# Never required: only used where the user has it.
OPTIONAL = {"torch", "tensorrt"}
# What a declared package cannot be used without.
COMES_WITH = {"google": "tensorflow", "markupsafe": "jinja2", "scipy": "scikit-learn"}


def test_what_the_code_imports_is_declared():
    of_module = metadata.packages_distributions()
    wanted = {name: file for name, file in third_party_imports().items() if name != "keras_reid"}
    shipped = declared(NEEDED, *(group for name, group in EXTRAS.items() if name != "dev"))

    def packages(name):
        """The packages that a module may come from."""
        named = [COMES_WITH[name]] if name in COMES_WITH else of_module.get(name, [name])
        return {canonicalize_name(one) for one in named}

    undeclared = {name: file for name, file in wanted.items() if not packages(name) & shipped}
    assert set(undeclared) <= OPTIONAL, undeclared


def test_data_files_are_declared():
    """Every file beside the code goes into the wheel."""
    patterns = {
        (package, pattern.strip())
        for package, patterns in SETUP["options.package_data"].items()
        for pattern in patterns.split(",")
    }
    folders = {package: ROOT / package.replace(".", "/") for package, _ in patterns}
    shipped = {file for package, pattern in patterns for file in folders[package].glob(pattern)}
    beside = {
        file
        for file in (ROOT / "keras_reid").rglob("*")
        if file.is_file() and file.suffix not in (".py", ".pyc")
    }
    assert beside == shipped
    assert len(beside) > 12


def test_the_version_is_in_one_place():
    assert SETUP["metadata"]["version"] == "attr: keras_reid.__version__"
    assert f"## [{keras_reid.__version__}] " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
