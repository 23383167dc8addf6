import json

import pytest

from keras_reid.errors import UserError
from serving.publish import main


@pytest.fixture
def export(tmp_path):
    folder = tmp_path / "exports" / "savedmodel" / "float32"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"weights")
    (folder / "parity.json").write_text(json.dumps({"verified": True}))
    return folder


def test_versions_follow_each_other(export, tmp_path, capsys):
    model = tmp_path / "models" / "reid"
    for version in ("1", "2"):
        main([str(export), str(model)])
        assert f"version {version} of reid" in capsys.readouterr().out
        copied = {
            str(path.relative_to(model / version)) for path in (model / version).rglob("*") if path.is_file()
        }
        assert copied == {"saved_model.pb", "parity.json", "variables/variables.index"}
    main([str(export), str(model), "--version", "10"])
    main([str(export), str(model)])
    assert sorted(int(path.name) for path in model.iterdir()) == [1, 2, 10, 11]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{export}/..", "{models}/reid"], "Did you mean .*float32"),
        (["{models}/missing", "{models}/reid"], "keras_reid.export writes one"),
        (["{export}", "{models}/reid", "--version", "1"], "The next free one is 2"),
        (["{export}", "{models}/reid", "--version", "0"], "must be at least 1"),
        (["{export}", "{models}/reid/3"], "at least one of them a letter"),
        (["{export}", "{models}/re id"], "clients ask for it by this name"),
    ],
)
def test_says_what_is_wrong(export, tmp_path, arguments, message):
    models = tmp_path / "models"
    main([str(export), str(models / "reid")])
    with pytest.raises(UserError, match=message):
        main([argument.format(export=export, models=models) for argument in arguments])
    assert [path.name for path in (models / "reid").iterdir()] == ["1"]


@pytest.mark.parametrize("parity", [None, "{", "[]", '{"verified": false}', '{"verified": "yes"}'])
def test_refuses_what_is_not_verified(export, tmp_path, parity):
    (export / "parity.json").unlink()
    if parity is not None:
        (export / "parity.json").write_text(parity)
    with pytest.raises(UserError, match="which verifies it"):
        main([str(export), str(tmp_path / "models" / "reid")])
    assert not (tmp_path / "models").exists()


def test_a_copy_that_fails_leaves_nothing(export, tmp_path):
    (export / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(Exception, match="dangling"):
        main([str(export), str(tmp_path / "models" / "reid")])
    assert not (tmp_path / "models").exists()
