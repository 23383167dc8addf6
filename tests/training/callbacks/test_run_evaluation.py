from types import SimpleNamespace

import keras
import numpy as np
import pytest

from keras_reid.training.callbacks import BestModel, RunEvaluation
from keras_reid.training.callbacks import run_evaluation as module


@pytest.fixture
def evaluated(monkeypatch):
    """Weights at each evaluation; the metrics follow a list."""
    values, weights = [], []

    def evaluate(model):
        weights.append(float(np.array(model.layers[0].kernel)[0, 0]))
        value = values.pop(0) if values else 0.5
        summary = dict.fromkeys(("rank1", "rank5", "rank10", "mAP", "mINP"), value)
        return SimpleNamespace(result=SimpleNamespace(mAP=value, rank1=value, to_dict=lambda: summary))

    monkeypatch.setattr(
        module, "Evaluator", lambda model, settings: SimpleNamespace(run=lambda dataset: evaluate(model))
    )
    monkeypatch.setattr(module, "print_table", lambda results: None)
    return SimpleNamespace(values=values, weights=weights)


def fit(callbacks, epochs=6, **options):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(0.1, **options), loss="mse")
    history = model.fit(
        np.ones((2, 1)), np.full((2, 1), 9.0), epochs=epochs, batch_size=1, verbose=0, callbacks=callbacks
    )
    return model, history


def retrieval(tmp_path=None, patience=0, **options):
    best = BestModel(tmp_path, lambda *args: None, patience) if tmp_path else None
    return RunEvaluation([SimpleNamespace(name="a")], best=best, **options)


@pytest.mark.parametrize(("every", "times"), [(1, 6), (2, 3), (4, 2), (0, 1)])
def test_evaluates_every_few_epochs_and_after_the_last(evaluated, every, times):
    _, history = fit([retrieval(every=every)])
    assert len(evaluated.weights) == times
    assert len(history.history["a/mAP"]) == times


def test_stops_when_the_best_is_old(evaluated, tmp_path, capsys):
    evaluated.values += [0.2, 0.6, 0.5, 0.55, 0.9]
    callback = retrieval(tmp_path, every=1, patience=2)
    _, history = fit([callback])
    assert len(history.history["loss"]) == 4
    assert callback.best.epoch == 2
    assert (
        "stopping after epoch 4: 2 evaluations without a better one than that of epoch 2"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(("patience", "calls", "evaluations"), [(0, 1, 6), (2, 1, 4)])
def test_something_is_done_before_the_last_evaluation_only(evaluated, tmp_path, patience, calls, evaluations):
    evaluated.values += [0.2, 0.1, 0.1, 0.9] if patience else []
    called = []
    callback = retrieval(tmp_path, patience, every=1, before_last=called.append)
    _, history = fit([callback])
    assert len(called) == calls
    assert len(evaluated.weights) == evaluations
    if patience:  # evaluated again, which is what counts
        assert history.history["a/mAP"][-1] == 0.9
        assert callback.best.epoch == 3


def test_evaluates_the_average_of_the_weights_that_training_ends_with(evaluated):
    model, _ = fit([retrieval(every=1)], use_ema=True, ema_momentum=0.9)
    averaged = list(evaluated.weights)
    assert averaged[-1] == pytest.approx(float(np.array(model.layers[0].kernel)[0, 0]), abs=0)
    evaluated.weights.clear()
    keras.utils.set_random_seed(0)
    fit([retrieval(every=1)])
    assert evaluated.weights[-1] > averaged[-1], "the average lags behind"
