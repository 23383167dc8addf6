"""Which weights of a checkpoint are taken, and how their names begin."""

import numpy as np
import pytest

from keras_reid.checkpoints.parts import backbone_part, choose_part, without_wrappers
from keras_reid.utils.errors import UserError

A, B, C = ({"conv.weight": np.full((2, 2), value)} for value in range(3))
ADAM = {"state": {0: {"exp_avg": np.zeros(4)}}, "param_groups": []}


@pytest.mark.parametrize(
    ("content", "chosen"),
    [
        (A, (A, "", ())),
        ({"model": A, "optimizer": ADAM, "epoch": 3}, (A, "model", ())),
        ({"model": {"state_dict": A}}, (A, "model.state_dict", ())),
        (
            {"model_state_dict": A, "optimizer_state_dict": ADAM, "loss": np.float32(2)},
            (A, "model_state_dict", ()),
        ),
        ({"net": A, "model_ema": {"module": B, "updates": 9}}, (A, "net", ("model_ema.module",))),
        ({"epoch": 3, "teacher": A}, (A, "teacher", ())),
        ({"weights.of.mine": A, "accuracy": np.zeros(())}, (A, "weights.of.mine", ())),
        ({"model": A, "state_dict": B, "ema": C}, (A, "model", ("state_dict", "ema"))),
        ({"model": {}}, ({}, "model", ())),
    ],
)
def test_what_is_taken_by_itself(content, chosen):
    assert choose_part(content) == chosen


@pytest.mark.parametrize(
    ("part", "weights", "key"),
    [
        ("teacher", A, "teacher"),
        ("student", B, "student.state_dict"),
        ("student.state_dict", B, "student.state_dict"),
        ("ema", C, "ema"),
    ],
)
def test_what_is_chosen(part, weights, key):
    content = {"teacher": A, "student": {"state_dict": B}, "ema": C}
    found, keys, others = choose_part(content, part)
    assert found is weights
    assert keys == key
    assert sorted([*others, key]) == ["ema", "student.state_dict", "teacher"]


@pytest.mark.parametrize("inside", [lambda state: state, lambda state: {"state_dict": state, "epoch": 1}])
@pytest.mark.parametrize("wrapper", ["", "module."])
def test_names_that_begin_with_the_part(inside, wrapper):
    both = {f"{wrapper}teacher.a": np.ones(2), f"{wrapper}student.a": np.zeros(2)}
    chosen, keys, _ = choose_part(inside(both), "teacher")
    assert list(chosen) == ["a"]
    assert chosen["a"][0] == 1
    assert keys.endswith(f"{wrapper}teacher")


def test_several_and_none_of_the_usual_name():
    message = (
        r"^holds several sets of weights: teacher \(1 arrays\), student\.net \(1 arrays\)\. Choose one with"
    )
    with pytest.raises(UserError, match=message):
        choose_part({"teacher": A, "student": {"net": B}, "optimizer": ADAM})


def test_a_part_that_is_not_there():
    with pytest.raises(
        UserError, match=r"^has no part 'ema'\. It has model \(1 arrays\), and names that begin with conv$"
    ):
        choose_part({"model": A}, "ema")
    with pytest.raises(UserError, match=r"^has no part 'ema'\. It has a \(1 arrays\), b \(1 arrays\)$"):
        choose_part({"a": A, "b": B}, "ema")
    with pytest.raises(UserError, match=r"^has no part '\\x1b'\. It has no named part$"):
        choose_part({}, "\x1b")


@pytest.mark.parametrize(
    "before", ["", "module.", "_orig_mod.", "model.", "module._orig_mod.", "model._orig_mod.module.", "net."]
)
def test_wrappers(before):
    state = {f"{before}conv1.weight": 1, f"{before}bn1.bias": 2}
    assert without_wrappers(state) == ({"conv1.weight": 1, "bn1.bias": 2}, before)


def test_what_only_some_names_have_is_no_wrapper():
    state = {"model.conv.weight": 1, "queue": 2}
    assert without_wrappers(state) == (state, "")
    assert without_wrappers({}) == ({}, "")


@pytest.mark.parametrize(
    ("names", "before", "left_out"),
    [
        (("conv1.weight",), "", ()),
        (
            ("base.conv1.weight", "bottleneck.weight", "classifier.weight"),
            "base.",
            ("bottleneck.weight", "classifier.weight"),
        ),
        (("backbone.conv1.weight", "head.mlp.0.weight"), "backbone.", ("head.mlp.0.weight",)),
        (
            ("module.encoder_q.conv1.weight", "module.encoder_k.conv1.weight", "module.queue"),
            "module.encoder_q.",
            ("module.encoder_k.conv1.weight", "module.queue"),
        ),
        (
            ("model.backbone.base.conv1.weight", "model.head.bias"),
            "model.backbone.base.",
            ("model.head.bias",),
        ),
        (
            ("encoder_q.backbone.conv1.weight", "encoder_q.fc.weight", "queue"),
            "encoder_q.backbone.",
            ("queue", "encoder_q.fc.weight"),
        ),
    ],
)
def test_backbones_within_larger_networks(names, before, left_out):
    state, prefix, beside = backbone_part(dict.fromkeys(names, 1))
    assert (list(state), prefix, beside) == (["conv1.weight"], before, left_out)


def test_dicts_that_share_their_items_take_no_time():
    inner = {"weight": np.zeros(2)}
    for _ in range(3):
        inner = {str(number): inner for number in range(2000)}
    assert choose_part(inner)[1] == "0.0.0"
