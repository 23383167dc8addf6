import warnings

import pytest

from keras_reid import command_line


@pytest.mark.parametrize(
    ("category", "said"),
    [(UserWarning, "warning: cameras look like dates\n"), (FutureWarning, "FutureWarning: cameras look")],
)
def test_a_warning_to_the_user_is_said_without_a_place_in_the_code(category, said, capsys):
    def main(arguments):
        warnings.simplefilter("always")
        warnings.warn("cameras look\nlike dates", category, stacklevel=1)

    with warnings.catch_warnings():
        command_line.run(main)
    shown = capsys.readouterr().err
    assert said in shown
    assert (".py" in shown) == (category is FutureWarning)
