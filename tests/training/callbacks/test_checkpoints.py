import json

import keras
import numpy as np
import pytest

from keras_reid.errors import UserError
from keras_reid.training.callbacks import Checkpoints


def make_model(units=3):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units), keras.layers.Dropout(0.5)])
    model.compile(keras.optimizers.Adam(0.1), loss="mse")
    return model


def fit(model, callbacks, epochs=4, initial_epoch=0):
    x = np.random.default_rng(0).random((8, 2)).astype("float32")
    options = {"epochs": epochs, "initial_epoch": initial_epoch, "verbose": 0, "shuffle": False}
    model.fit(x, np.zeros((8, 3), "float32"), callbacks=callbacks, **options)


def state(model):
    return [np.array(v) for v in (*model.variables, *model.optimizer.variables)]


def test_restores_weights_moments_and_random_states(tmp_path):
    model, other = make_model(), make_model()
    fit(model, [Checkpoints(tmp_path)])
    assert Checkpoints(tmp_path).restore(other) == 4
    for a, b in zip(state(model), state(other), strict=True):
        np.testing.assert_array_equal(a, b)
    for one in (model, other):
        fit(one, [], epochs=5, initial_epoch=4)
    for a, b in zip(state(model), state(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_keeps_two_and_leaves_nothing_half_written(tmp_path):
    (tmp_path / ".epoch_0009.part123.npz").write_text("half")
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.restore(make_model()) == 0
    fit(make_model(), [checkpoints])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["epoch_0003.npz", "epoch_0004.npz", "manifest.json"]


def test_every_counts_epochs_and_the_last_is_always_saved(tmp_path):
    fit(make_model(), [Checkpoints(tmp_path, every=2)], epochs=3)
    entries = json.loads((tmp_path / "manifest.json").read_text())["checkpoints"]
    assert [entry["epochs_done"] for entry in entries] == [3, 2]


def test_a_damaged_newest_one_falls_back_to_the_one_before(tmp_path, capsys):
    fit(make_model(), [Checkpoints(tmp_path)])
    newest = tmp_path / "epoch_0004.npz"
    newest.write_bytes(newest.read_bytes()[:-10])
    assert Checkpoints(tmp_path).restore(make_model()) == 3
    assert "epoch_0004.npz is missing or damaged" in capsys.readouterr().out
    (tmp_path / "epoch_0003.npz").unlink()
    with pytest.raises(UserError, match=r"no checkpoint in .* is whole"):
        Checkpoints(tmp_path).restore(make_model())


def test_refuses_another_model_and_other_data(tmp_path):
    fit(make_model(), [Checkpoints(tmp_path, fingerprint="a")])
    with pytest.raises(UserError, match="another model or optimizer"):
        Checkpoints(tmp_path, fingerprint="a").restore(make_model(units=5))
    with pytest.raises(UserError, match="training images or their labels changed"):
        Checkpoints(tmp_path, fingerprint="b").restore(make_model())
