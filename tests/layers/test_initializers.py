import numpy as np
import pytest

from keras_reid.layers.initializers import normal_over_filters, uniform_over_inputs


def test_normal_over_filters():
    kernel = np.asarray(normal_over_filters()((3, 3, 40, 200)))
    deviation = (2 / (9 * 200)) ** 0.5
    assert kernel.mean() == pytest.approx(0, abs=0.02 * deviation)
    assert kernel.std() == pytest.approx(deviation, rel=0.02)
    assert np.abs(kernel).max() > 3 * deviation  # not truncated at 2


def test_uniform_over_inputs():
    kernel = np.asarray(uniform_over_inputs()((3, 3, 40, 200)))
    limit = (9 * 40) ** -0.5
    assert np.abs(kernel).max() == pytest.approx(limit, rel=0.01)
    assert kernel.std() == pytest.approx(limit / 3**0.5, rel=0.02)
