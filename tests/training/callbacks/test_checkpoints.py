import errno
import json
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_reid.training.callbacks import Checkpoints, Terminated
from keras_reid.training.callbacks import checkpoints as module
from keras_reid.utils import full_disk
from keras_reid.utils.errors import UserError


def make_model(units=3):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units), keras.layers.Dropout(0.5)])
    model.compile(keras.optimizers.Adam(0.1), loss="mse")
    return model


def fit(model, callbacks, epochs=4, initial_epoch=0, batch_size=8):
    x = np.random.default_rng(0).random((8, 2)).astype("float32")
    options = {"epochs": epochs, "initial_epoch": initial_epoch, "verbose": 0, "shuffle": False}
    model.fit(x, np.zeros((8, 3), "float32"), batch_size=batch_size, callbacks=callbacks, **options)


def state(model):
    return [np.array(v) for v in (*model.variables, *model.optimizer.variables)]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with the checkpoints of four epochs."""
    folder = tmp_path_factory.mktemp("trained")
    fit(make_model(), [Checkpoints(folder)])
    return folder


@pytest.fixture
def saved(trained, tmp_path):
    """A copy of it."""
    return shutil.copytree(trained, tmp_path / "saved")


class Counter:
    """Something else that a checkpoint holds."""

    def __init__(self, value=0):
        self.value = value

    def state(self):
        return {"value": self.value}

    def restore(self, state):
        self.value = state["value"]


def test_restores_weights_moments_and_random_states(tmp_path):
    model, other = make_model(), make_model()
    fit(model, [Checkpoints(tmp_path)])
    assert Checkpoints(tmp_path).restore(other) == (4, 0)
    for a, b in zip(state(model), state(other), strict=True):
        np.testing.assert_array_equal(a, b)
    for one in (model, other):
        fit(one, [], epochs=5, initial_epoch=4)
    for a, b in zip(state(model), state(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_restores_what_else_it_is_given_and_what_the_model_names(tmp_path):
    model, other = make_model(), make_model()
    model.training_state = [tf.Variable([1.0, 2.0])]
    other.training_state = [tf.Variable([0.0, 0.0])]
    fit(model, [Checkpoints(tmp_path, also={"counter": Counter(7)})])
    counter = Counter()
    Checkpoints(tmp_path, also={"counter": counter}).restore(other)
    assert counter.value == 7
    np.testing.assert_array_equal(np.array(other.training_state[0]), [1, 2])


def test_keeps_two_and_leaves_nothing_half_written(tmp_path):
    (tmp_path / ".epoch_0009.part123.npz").write_text("half")
    (tmp_path / "epoch_0001_step_0000003.npz").write_text("of a process that was killed before the manifest")
    (tmp_path / "manifest.json").write_text('{"checkpoints": []}')
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.restore(make_model()) == (0, 0)
    fit(make_model(), [checkpoints])
    assert names(tmp_path) == ["epoch_0003.npz", "epoch_0004.npz", "manifest.json"]


def test_every_counts_epochs_and_the_last_is_always_saved(tmp_path):
    fit(make_model(), [Checkpoints(tmp_path, every=2)], epochs=3)
    entries = json.loads((tmp_path / "manifest.json").read_text())["checkpoints"]
    assert [entry["epochs_done"] for entry in entries] == [3, 2]


def test_an_epoch_that_ends_the_training_early_is_saved_too(tmp_path):
    def stop(epoch, logs):
        model.stop_training = epoch == 2

    model = make_model()
    fit(
        model, [keras.callbacks.LambdaCallback(on_epoch_end=stop), Checkpoints(tmp_path, every=10)], epochs=20
    )
    assert Checkpoints(tmp_path).restore(make_model()) == (3, 0)


@pytest.mark.parametrize(("minutes", "files"), [(0, 1), (1e-9, 2)])
def test_minutes_save_within_an_epoch(tmp_path, minutes, files):
    fit(make_model(), [Checkpoints(tmp_path, minutes=minutes)], epochs=1, batch_size=2)
    saved = ["epoch_0000_step_0000003.npz", "epoch_0001.npz"][-files:]
    assert names(tmp_path) == [*saved, "manifest.json"]


def test_a_request_to_stop_saves_after_the_step(tmp_path):
    model = make_model()
    with pytest.raises(Terminated, match="stopped after epoch 0 and 1 steps"):
        fit(model, [Checkpoints(tmp_path, stop=lambda: True)], batch_size=2)
    other = make_model()
    assert Checkpoints(tmp_path).restore(other) == (0, 1)
    for a, b in zip(state(model), state(other), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(Terminated, match="stopped after epoch 1"):
        fit(model, [Checkpoints(tmp_path, every=9, stop=lambda: True)])


def test_a_damaged_newest_one_falls_back_to_the_one_before(saved, capsys):
    newest = saved / "epoch_0004.npz"
    newest.write_bytes(newest.read_bytes()[:-10])
    assert Checkpoints(saved).restore(make_model()) == (3, 0)
    assert "epoch_0004.npz is missing or damaged" in capsys.readouterr().out
    (saved / "epoch_0003.npz").unlink()
    with pytest.raises(UserError, match=r"no checkpoint in .* is whole"):
        Checkpoints(saved).restore(make_model())


@pytest.mark.parametrize(
    "manifest", [None, "", '{"checkpoints": [{}', '{"checkpoints": [{"file": 1}]}', "[]"]
)
@pytest.mark.parametrize("damage", [False, True])
def test_a_damaged_manifest_is_done_without(saved, manifest, damage, capsys):
    if manifest is None:
        (saved / "manifest.json").unlink()
    else:
        (saved / "manifest.json").write_text(manifest)
    if damage:
        newest = saved / "epoch_0004.npz"
        content = bytearray(newest.read_bytes())
        content[len(content) // 2] ^= 255
        newest.write_bytes(content)
    checkpoints, model = Checkpoints(saved), make_model()
    assert checkpoints.restore(model) == (3 if damage else 4, 0)
    assert "manifest.json is missing or damaged" in capsys.readouterr().out
    checkpoints.save(model, (5, 0))
    assert Checkpoints(saved).restore(model) == (5, 0)


def test_refuses_another_model_and_other_data(tmp_path):
    fit(make_model(), [Checkpoints(tmp_path, fingerprint="a")])
    with pytest.raises(UserError, match="another model or optimizer"):
        Checkpoints(tmp_path, fingerprint="a").restore(make_model(units=5))
    with pytest.raises(UserError, match="training images or their labels changed"):
        Checkpoints(tmp_path, fingerprint="b").restore(make_model())


@pytest.mark.parametrize("where", ["write", "manifest"])
def test_a_full_disk_leaves_the_former_ones(tmp_path, monkeypatch, where):
    folder = tmp_path / "checkpoints"
    model, checkpoints = make_model(), Checkpoints(folder)
    fit(model, [checkpoints], epochs=3)
    before = names(folder)

    def full(file, *args, **kwargs):
        if where == "write":
            file.write_bytes(b"the beginning")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "write_json", full) if where == "manifest" else monkeypatch.setattr(
        np, "savez", full
    )
    with pytest.raises(UserError) as caught:
        checkpoints.save(model, (4, 0))
    assert f"no room for a checkpoint in {folder}: it takes 0.0 MB" in str(caught.value)
    assert "epoch_0003.npz. Make room, and repeat the command with --resume" in str(caught.value)
    monkeypatch.undo()
    assert names(folder) == before
    assert Checkpoints(folder).restore(make_model()) == (3, 0)


def test_any_other_failure_to_write_keeps_its_own_error(tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(np, "savez", broken)
    with pytest.raises(OSError, match="Input/output"):
        fit(make_model(), [Checkpoints(tmp_path)])


def test_no_room_is_said_before_training(tmp_path, monkeypatch):
    model, checkpoints = make_model(), Checkpoints(tmp_path / "not" / "yet")
    checkpoints.check_room(model)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=50))
    with pytest.raises(UserError, match=r"no room for a checkpoint in .*There is no checkpoint yet"):
        checkpoints.check_room(model)
    assert full_disk.free_bytes(tmp_path / "not" / "yet") == 50


def test_what_has_diverged_is_never_saved(tmp_path):
    model, checkpoints = make_model(), Checkpoints(tmp_path)
    fit(model, [checkpoints], epochs=2)
    before = names(tmp_path)
    bias = model.layers[0].bias
    bias.assign([0.0, np.nan, 1.0])
    with pytest.raises(UserError) as caught:
        checkpoints.save(model, (3, 0))
    assert f"NaN or infinity in {bias.path} at step 2. The last good checkpoint is kept" in str(caught.value)
    bias.assign([0.0, 0.0, 1.0])
    model.nonfinite = SimpleNamespace(
        step=7, learning_rate=0.1, terms={"triplet": np.inf, "a": 2.0}, identities=np.array([3, 1, 3])
    )
    with pytest.raises(
        UserError, match=r"triplet is inf at step 7 \(a 2\), learning rate 0.1, identities 1, 3"
    ):
        checkpoints.save(model, (3, 0))
    assert names(tmp_path) == before
