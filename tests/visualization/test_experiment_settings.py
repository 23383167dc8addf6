import pytest

from keras_reid.visualization.experiment_settings import as_python, differing_settings, flat_settings

GEM = {"type": "GeM", "p": 3.0}
RUN = {
    "type": "Experiment",
    "name": "bot",
    "model": {"type": "Model", "pooling": GEM, "image_size": [256, 128]},
    "losses": {"triplet": {"type": "TripletLoss", "margin": 0.3}},
    "loss_weights": {},
    "own": {"class_name": "Dense", "config": {"units": 3, "seed": 5}},
}


def test_a_line_a_setting():
    assert flat_settings(RUN) == {
        "name": "bot",
        "model.pooling": "GeM(p=3.0)",
        "model.image_size": "(256, 128)",
        "losses.triplet": "TripletLoss(margin=0.3)",
        "loss_weights": "{}",
        "own": "Dense(…)",
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "None"), ("a", "a"), ([1, GEM], "(1, GeM(p=3.0))"), ({"a": GEM}, "{a: GeM(p=3.0)}")],
)
def test_as_written_in_python(value, text):
    assert as_python(value) == text


def test_what_differs():
    other = {
        **RUN,
        "name": "agw",
        "model": {**RUN["model"], "pooling": {"type": "Max"}},
        "losses": {"triplet": {"type": "TripletLoss", "margin": 0.0}, "circle": {"type": "CircleLoss"}},
        "own": {"class_name": "Dense", "config": {"units": 4, "seed": 6}},
    }
    assert differing_settings([RUN, other]) == {
        "model.pooling": ["GeM(p=3.0)", "Max()"],
        "losses.triplet.margin": ["0.3", "0.0"],
        "losses.circle": ["–", "CircleLoss()"],
        "own.config.units": ["3", "4"],
    }
    assert differing_settings([RUN, {**RUN, "name": "again"}]) == {}
