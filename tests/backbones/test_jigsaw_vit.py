import numpy as np
import pytest

from keras_reid.backbones import JigsawViT, ViT
from keras_reid.checkpoints import fill, model_targets, named
from tests.harness import HALF_POLICIES, run_model_test

SIZE = (64, 32, 3)


def images(batch=2):
    return np.random.default_rng(0).normal(size=(batch, *SIZE)).astype("float32")


def narrow(**arguments):
    return JigsawViT("small", width=96, input_shape=SIZE, **arguments)


@pytest.mark.medium
def test_contract():
    run_model_test(lambda: narrow(num_parts=2), images(), (2, 1, 3, 96), half_policies=HALF_POLICIES[:1])


def test_starts_both_last_blocks_from_the_last_one_of_a_vit():
    vit = ViT("small", stride=(12, 12), width=96, input_shape=SIZE)
    generator = np.random.default_rng(0)
    state = {
        name: generator.normal(scale=0.1, size=target.shapes()[0])
        for name, target in model_targets(vit).items()
    }
    assert fill(model_targets(vit), named(state), vit.weights).complete
    model = narrow()
    adapted = model.adapt_checkpoint({**state, "head.weight": np.zeros((3, 96))})
    assert fill(model_targets(model), named(adapted), model.weights).complete
    tokens = np.asarray(model(images()))
    # The block that sees all tokens gives the ViT's class token, the other one what it makes of fewer.
    np.testing.assert_allclose(tokens[:, :, :1], vit(images()), rtol=1e-4, atol=1e-5)
    assert np.abs(tokens[:, :, 1:] - tokens[:, :, :1]).max() > 1e-3
    assert {name.split(".")[0] for name in adapted} >= {"b1", "b2", "blocks"}
    assert "blocks.7.norm1.weight" not in model_targets(model)
    # Of a file of TransReID's own, its copies count.
    own = model.adapt_checkpoint(
        {**state, **{name: adapted[name] for name in adapted if name.startswith("b")}}
    )
    assert set(own) == set(adapted)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stride": (12, 0)}, "`stride` of JigsawViT must be two positive integers"),
        ({"shift": 11}, "Received: 10 patches, shift=11"),
        ({"drop_path": 1}, r"`drop_path` of JigsawViT must be in \[0, 1\)"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        narrow(**arguments)
