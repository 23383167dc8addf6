import hashlib
import json

import pytest

from keras_reid.export.hashes import copy_checked, file_hashes, known_hashes
from keras_reid.utils.errors import UserError

FILES = {"saved_model.pb": b"graph", "variables/variables.index": b"weights", "assets.extra/ä": b""}


@pytest.fixture
def artefact(tmp_path):
    folder = tmp_path / "artefact"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    note(folder, {"verified": True, "sha256": file_hashes(folder)})
    return folder


def note(folder, parity):
    (folder / "parity.json").write_text(json.dumps(parity))


def test_every_file_but_parity_json_has_its_hash(artefact):
    expected = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    assert file_hashes(artefact) == expected == known_hashes(artefact)


def test_a_copy_is_what_was_verified(artefact, tmp_path):
    copy_checked(artefact, tmp_path / "copy", known_hashes(artefact))
    for name, content in FILES.items():
        assert (tmp_path / "copy" / name).read_bytes() == content
    assert known_hashes(tmp_path / "copy") == known_hashes(artefact)


def changed(artefact):
    (artefact / "variables" / "variables.index").write_bytes(b"weighty")


def missing(artefact):
    (artefact / "variables" / "variables.index").unlink()


def added(artefact):
    (artefact / "variables" / "more").write_bytes(b"")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            changed,
            r"variables\.index has changed since .* begins with 0775d5ad, and parity\.json has 9a129038",
        ),
        (missing, r"variables\.index is missing"),
        (added, r"variables/more was not there when the artefact was verified: remove it"),
    ],
)
def test_what_has_changed_is_named(artefact, tmp_path, change, said):
    change(artefact)
    with pytest.raises(UserError, match=said) as caught:
        copy_checked(artefact, tmp_path / "copy", known_hashes(artefact))
    assert str(caught.value).endswith("Export it again with keras-reid export")


def test_without_hashes_what_is_there_is_copied(artefact, tmp_path):
    note(artefact, {"verified": True})
    changed(artefact)
    assert known_hashes(artefact) is None
    copy_checked(artefact, tmp_path / "copy", None)
    assert (tmp_path / "copy" / "variables" / "variables.index").read_bytes() == b"weighty"


@pytest.mark.parametrize("hashes", [[], {}, "9ae3", {"saved_model.pb": 7}])
def test_hashes_of_another_form_are_none(artefact, hashes):
    note(artefact, {"verified": True, "sha256": hashes})
    with pytest.raises(UserError, match=r"its parity\.json does not say"):
        known_hashes(artefact)
