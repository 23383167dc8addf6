import pytest

from keras_reid import experiment as ex
from keras_reid.recipes import bot
from keras_reid.tuning.search_space import Dimension, check_space, grid_size, parse_space
from keras_reid.utils.errors import UserError


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("training.seed=0,1,2", "choice", ("0", "1", "2")),
        ("--training.seed = 0 , 1", "choice", ("0", "1")),
        ("model.image_size=256 128,384 128", "choice", ("256 128", "384 128")),
        ("schedule.warmup_kind=linear", "choice", ("linear",)),
        ("optimizer.learning_rate=log(1e-4,1e-2)", "log", (1e-4, 1e-2)),
        ("losses.triplet.margin=uniform(0, 0.5)", "uniform", (0.0, 0.5)),
        ("training.epochs=integer(2,9)", "integer", (2, 9)),
    ],
)
def test_parse(text, kind, values):
    dimension = Dimension.parse(text)
    assert dimension.key == text.partition("=")[0].strip(" -")
    assert (dimension.kind, dimension.values) == (kind, values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training.seed", "must be KEY=A,B,C"),
        ("=1,2", "must be KEY=A,B,C"),
        ("training.seed=", "must be KEY=A,B,C"),
        ("training.seed=1,,2", "there and different"),
        ("training.seed=1,1", "there and different"),
        ("optimizer.learning_rate=normal(0,1)", "uniform, log, integer"),
        ("optimizer.learning_rate=log(0,1)", "LOW above 0"),
        ("optimizer.learning_rate=uniform(1,0)", "LOW < HIGH"),
        ("optimizer.learning_rate=uniform(0,inf)", "LOW < HIGH"),
        ("optimizer.learning_rate=uniform(1)", "takes two numbers"),
        ("training.epochs=integer(1.5,3)", "two whole numbers"),
    ],
)
def test_parse_refuses(text, message):
    with pytest.raises(UserError, match=message) as caught:
        Dimension.parse(text)
    assert repr(text) in str(caught.value)


def test_a_space_names_a_key_once_and_is_not_empty():
    assert len(parse_space(["training.seed=0,1", "training.epochs=1,2"])) == 2
    with pytest.raises(UserError, match=r"once.*training\.seed"):
        parse_space(["training.seed=0,1", "training.seed=2,3"])
    with pytest.raises(UserError, match="what to search"):
        parse_space([])


def test_arguments_of_fit():
    assert Dimension("model.image_size", "choice", ()).arguments("256 128") == [
        "--model.image_size",
        "256",
        "128",
    ]
    assert Dimension("optimizer.learning_rate", "log", ()).arguments(0.00123) == [
        "--optimizer.learning_rate",
        "0.00123",
    ]


def test_grid_size():
    choices = parse_space(["training.seed=0,1,2", "training.epochs=1,2"])
    assert grid_size(choices) == 6
    assert grid_size([*choices, Dimension("optimizer.learning_rate", "log", (0.1, 1.0))]) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optimizer.learnin_rate=1e-3,1e-2", "optimizer.learning-rate"),
        ("training.epochs=1,two", "training.epochs"),
        ("training.epochs=1,0", "training.epochs must be 1 or more"),
        ("training.epochs=uniform(1,2)", "training.epochs"),
        ("model.backbone.depth=50,51", "model.backbone.depth"),
        ("model.image_size=256 128,384", "model.image-size"),
    ],
)
def test_keys_and_values_are_tried_on_the_experiment(text, message):
    with pytest.raises(UserError, match=message):
        check_space(bot("x"), parse_space([text]))


def test_a_good_space_leaves_the_experiment_as_it_is():
    experiment = bot("x")
    check_space(experiment, parse_space(["training.epochs=1,2", "model.image_size=256 128,384 128"]))
    assert experiment == bot("x")
    assert isinstance(experiment, ex.Experiment)
