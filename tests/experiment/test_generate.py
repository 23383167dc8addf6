"""The files that `python -m keras_reid.experiment.generate` writes."""

import inspect
from typing import Annotated, Any, Literal

import keras
import pytest

from keras_reid import heads, losses
from keras_reid.experiment import generate
from keras_reid.utils.arguments import InExperiments, Late, NoField, Part
from keras_reid.utils.errors import UserError


def test_all_files_are_current():
    stale = [str(file) for file, text in generate.generated() if file.read_text(encoding="utf-8") != text]
    assert not stale, "run: python -m keras_reid.experiment.generate"


def test_command_writes_what_is_out_of_date_and_check_only_says_so(tmp_path, monkeypatch, capsys):
    file = tmp_path / "losses.py"
    file.write_text("old")
    monkeypatch.setattr(generate, "ROOT", tmp_path / "keras_reid")
    monkeypatch.setattr(generate, "generated", lambda: [(file, "new")])
    with pytest.raises(UserError, match=r"out of date: losses\.py\. Run `python -m"):
        generate.main(["--check"])
    assert file.read_text() == "old"
    generate.main([])
    assert file.read_text() == "new"
    generate.main(["--check"])
    assert capsys.readouterr().out == "written: losses.py\nnothing to write: all files are current\n"
    with pytest.raises(UserError, match="--chek"):
        generate.main(["--chek"])


class Own(losses.TripletLoss):
    """A loss.

    More about it.

    Args:
        dim: Known late.
        kind: Which one, "a" or
            "b". Defaults to "a".
        share: Of it. Defaults to 0.0.
        inner: Another loss. Defaults to `CircleLoss()`.
        left: For imports. Defaults to False.

    Call arguments:
        y_true: Identities.
    """

    def __init__(
        self,
        dim: Annotated[int, Late("embedding_dim")],
        kind: Literal["a", "b"] = "a",
        share: Annotated[float | None, InExperiments(0.5)] = None,
        inner: Annotated[Any, Part(losses.CircleLoss, {"scale": 32.0}, ("num_classes",))] = None,
        left: NoField[bool] = False,
        reduction=None,
        name=None,
    ):
        pass


def test_what_the_marks_do():
    text = generate._description("Own", Own, "Component")
    assert text.splitlines()[1:] == [
        "class Own(Component):",
        '    """A loss.',
        "",
        "    Builds `tests.experiment.Own`.",
        '    """',
        '    builds: ClassVar[str] = "tests.experiment.Own"',
        "    late: ClassVar[dict] = {'dim': 'embedding_dim'}",
        "    parts: ClassVar[dict] = {'inner': ('num_classes',)}",
        "    kind: Literal['a', 'b'] = 'a'",
        '    """Which one, "a" or "b"."""',
        "    share: float | None = 0.5",
        '    """Of it."""',
        "    inner: Any = CircleLoss(scale=32.0)",
        '    """Another loss."""',
    ]


def test_attributes_of_the_class_reach_the_description():
    assert 'takes: ClassVar[Literal["map"]] = "map"' in generate.descriptions_text("heads")
    assert "cuts_negatives: ClassVar[bool] = True" in generate.descriptions_text("pooling")
    assert "takes" not in generate._description("LinearHead", heads.LinearHead, "Head")


@pytest.mark.parametrize("hint", [dict, list[int], keras.layers.Layer])
def test_a_type_that_the_command_line_cannot_read(hint):
    with pytest.raises(TypeError, match="a constructor's argument must have a type made of bool, int,"):
        generate.type_source(hint)


class NoHint(Own):
    def __init__(self, dim, name=None, **kwargs):
        pass


class NoDefault(Own):
    def __init__(self, kind: str):
        pass


class NoHelp(Own):
    """A loss."""

    def __init__(self, share: float = 1.0):
        pass


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (NoHint, "`dim` of NoHint must have a type hint"),
        (NoDefault, "`kind` of NoDefault must have a default, or be marked as `Late`"),
        (NoHelp, "`share` of NoHelp must have a line under `Args:`"),
    ],
)
def test_what_a_constructor_must_have(cls, message):
    with pytest.raises((TypeError, ValueError), match=message):
        generate._description("Own", cls, "Component")


def test_an_unknown_fact():
    with pytest.raises(ValueError, match=r"must be one of image_shape, num_classes, .* Received: 'classes'"):
        Late("classes")


def test_a_package_keeps_its_docstring():
    text = generate.package_text(generate.ROOT / "losses")
    assert text.startswith(f'"""{inspect.getdoc(losses)}')
