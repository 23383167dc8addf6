from types import SimpleNamespace

import keras
import numpy as np
import pytest

from keras_reid.training.callbacks import Checkpoints, NaNGuard
from keras_reid.utils.errors import UserError


def make_model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    return model


def fit(model, callbacks, bad_from=8, epochs=1):
    x = np.random.default_rng(0).random((8, 2)).astype("float32")
    x[bad_from:] = np.nan
    model.fit(x, x[:, :1], batch_size=1, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)


def test_lets_a_finite_training_pass():
    fit(make_model(), [NaNGuard(every=1)])


def test_stops_at_a_loss_that_is_not_finite_and_names_the_checkpoint(tmp_path):
    model = make_model()
    checkpoints = Checkpoints(tmp_path)
    fit(model, [checkpoints])
    with pytest.raises(
        UserError, match=r"the loss is nan at or before step 12\. The last good .*epoch_0001\.npz"
    ):
        fit(model, [NaNGuard(checkpoints, every=2), checkpoints], bad_from=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["epoch_0001.npz", "manifest.json"]


@pytest.mark.parametrize(("every", "step"), [(2, 4), (3, 3), (100, 8)])
def test_looks_every_few_steps_and_at_the_end_of_the_epoch(every, step):
    with pytest.raises(UserError, match=f"at or before step {step}. --resume would meet"):
        fit(make_model(), [NaNGuard(every=every)], bad_from=2)


def test_finds_a_moving_statistic_while_the_loss_is_finite():
    model = make_model()
    variance = model.layers[0].moving_variance
    variance.assign([np.inf, 1.0])
    with pytest.raises(UserError, match=f"NaN or infinity in {variance.path} at step 8"):
        fit(model, [NaNGuard()])


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"ce": 2.5, "triplet": np.nan, "gradient": np.nan}, "triplet is nan at step 3 (ce 2.5), learning"),
        ({"ce": np.inf, "triplet": 1.0, "gradient": 0.0}, "ce is inf at step 3 (triplet 1), learning"),
        (
            {"ce": 2.5, "triplet": 1.0, "gradient": np.nan},
            "gradient is nan at step 3 (ce 2.5, triplet 1), learning",
        ),
    ],
)
def test_says_what_the_model_remembers_with_the_names_of_the_identities(terms, said):
    model = make_model()
    rate = np.float32(3.5e-4)
    model.nonfinite = SimpleNamespace(step=3, learning_rate=rate, terms=terms, identities=np.arange(20))
    with pytest.raises(UserError) as caught:
        fit(model, [NaNGuard(names=[f"p{number}" for number in range(20)], every=1)])
    assert f"the training diverged: {said} rate 0.00035, identities p0, p1, " in str(caught.value)
    assert "p15, … (20 in all)" in str(caught.value)
