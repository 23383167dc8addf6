import pytest

from keras_reid import experiment as ex
from keras_reid import run


@pytest.mark.parametrize("name", ["build_model", "compile_model"])
def test_what_moved_to_run_warns_and_is_the_same(name):
    with pytest.warns(
        DeprecationWarning, match=rf"keras_reid\.experiment\.{name} is now keras_reid\.run\.{name}"
    ):
        assert getattr(ex, name) is getattr(run, name)


def test_what_never_was_is_missing():
    with pytest.raises(AttributeError, match="has no attribute 'never'"):
        _ = ex.never
