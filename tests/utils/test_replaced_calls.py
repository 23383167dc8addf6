import threading

import keras
import numpy as np
import pytest

from keras_reid.utils.replaced_calls import replaced_calls

ONE = np.ones((1, 2), "float32")


def doubled(layer, call):
    return lambda inputs: 2 * call(inputs)


def plus_one(layer, call):
    return lambda inputs: call(inputs) + 1


@pytest.fixture
def layer():
    return keras.layers.Dense(1, kernel_initializer="ones")


def value(layer):
    return float(layer(ONE)[0, 0])


def test_within_the_block_only(layer):
    other = keras.layers.Dense(1, kernel_initializer="ones")
    with replaced_calls([layer], doubled):
        assert (value(layer), value(other)) == (4.0, 2.0)
    assert value(layer) == 2.0
    assert "call" not in vars(layer)


def test_a_replacement_may_leave_a_layer_alone(layer):
    with replaced_calls([layer], lambda layer, call: None):
        assert "call" not in vars(layer)
    assert value(layer) == 2.0


def test_the_same_replacement_once_and_others_one_around_the_other(layer):
    with replaced_calls([layer], doubled):
        with replaced_calls([layer, layer], doubled):
            assert value(layer) == 4.0
        with replaced_calls([layer], plus_one):
            assert value(layer) == 5.0
        assert value(layer) == 4.0
    assert value(layer) == 2.0


def test_the_last_of_several_threads_restores(layer):
    entered, leave, left = threading.Event(), threading.Event(), []

    def first():
        with replaced_calls([layer], doubled):
            entered.set()
            leave.wait()
        left.append(True)

    thread = threading.Thread(target=first)
    thread.start()
    entered.wait()
    with replaced_calls([layer], doubled):
        leave.set()
        thread.join()
        assert left
        assert value(layer) == 4.0
    assert value(layer) == 2.0


def test_an_error_restores(layer):
    def failing(one, call):
        if one is not layer:
            raise ZeroDivisionError
        return doubled(one, call)

    with pytest.raises(ZeroDivisionError), replaced_calls([layer, keras.layers.Dense(1)], failing):
        pass
    assert "call" not in vars(layer)
    with pytest.raises(ZeroDivisionError), replaced_calls([layer], doubled):
        raise ZeroDivisionError
    assert value(layer) == 2.0
