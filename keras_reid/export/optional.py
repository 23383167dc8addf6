"""Packages that only some formats need, which come with an extra of this package."""

import importlib
import importlib.util

from keras_reid.utils.errors import UserError


def find(extra, *packages):
    """Looks whether packages are installed, without importing them.

    Args:
        extra: of this package: `pip install 'keras_reid[EXTRA]'`.
        packages: their names.

    Raises:
        UserError: one is not installed.

    Example:
        >>> find("onnx", "json")
    """
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        raise UserError(
            f"this format needs {', '.join(missing)}, not installed here: pip install 'keras_reid[{extra}]'"
        )


def require(extra, *packages):
    """Imports packages, or says how to install them.

    Args:
        extra, packages: as of `find`.

    Returns:
        the modules, or the only one.

    Raises:
        UserError: one cannot be imported.

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
                f"this format needs {package}, which cannot be imported ({error}): pip install 'keras_reid[{extra}]'"
            ) from None
    return modules if len(modules) > 1 else modules[0]
