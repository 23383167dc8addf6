"""Packages that only some formats need; an extra of this package installs them."""

import importlib
import importlib.util
from typing import Any

from keras_reid.utils.errors import UserError


def find(extra: str, *packages: str) -> None:
    """Checks that packages are installed, without importing them.

    Args:
        extra: the extra that installs them: `pip install 'keras_reid[EXTRA]'`.
        packages: their names.

    Raises:
        UserError: a package is not installed.

    Example:
        >>> find("onnx", "json")
    """
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise UserError(
            f"this format needs {', '.join(missing)}, which is not installed: pip install 'keras_reid[{extra}]'"
        )


def require(extra: str, *packages: str, what: str = "this format") -> Any:
    """Imports packages, or says how to install them.

    Args:
        extra, packages: as in `find`.
        what: what needs them, for the error.

    Returns:
        list of the modules, or the module if there is only one.

    Raises:
        UserError: a package cannot be imported.

    Example:
        >>> require("onnx", "json").__name__
        'json'
    """
    modules = []
    for package in packages:
        try:
            modules.append(importlib.import_module(package))
        except ImportError as error:
            raise UserError(
                f"{what} needs {package}, which cannot be imported ({error}): pip install 'keras_reid[{extra}]'"
            ) from None
    return modules if len(modules) > 1 else modules[0]
