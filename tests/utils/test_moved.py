import importlib
import subprocess
import sys

import pytest

from keras_reid.utils import moved


@pytest.mark.parametrize(("old", "new"), moved.MODULES.items())
def test_an_old_name_warns_and_gives_the_same_module(old, new, monkeypatch):
    monkeypatch.delitem(sys.modules, old, raising=False)
    with pytest.warns(DeprecationWarning, match=f"{old} is now {new}.*0.3"):
        module = importlib.import_module(old)
    monkeypatch.delitem(sys.modules, old, raising=False)
    assert module is importlib.import_module(new)


def test_the_warning_names_the_users_line(tmp_path):
    file = tmp_path / "theirs.py"
    file.write_text("import sys\nfrom keras_reid.errors import UserError\nprint(UserError.__module__)\n")
    process = subprocess.run(
        [sys.executable, "-W", "always::DeprecationWarning", str(file)], capture_output=True, text=True
    )
    assert process.stdout.strip() == "keras_reid.utils.errors"
    assert f"{file}:2: DeprecationWarning: keras_reid.errors is now keras_reid.utils.errors" in process.stderr


def test_what_never_was_is_missing():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("keras_reid.never")
