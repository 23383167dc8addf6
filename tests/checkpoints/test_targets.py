import keras
import numpy as np

from keras_reid.checkpoints import fill, layer_targets, model_targets, named


class Scale(keras.layers.Layer):
    """A layer with a variable and a sublayer."""

    def build(self, input_shape):
        self.factor = self.add_weight(name="factor", shape=(input_shape[-1],), initializer="ones")
        self.dense = keras.layers.Dense(2)
        self.dense.build(input_shape)

    def call(self, inputs):
        return self.dense(inputs * self.factor)

    @property
    def checkpoint_parts(self):
        return {"factor": self.factor, "inner.fc": self.dense}


class RootScale(Scale):
    checkpoint_name = ""


def network(layer):
    inputs = keras.Input((3,))
    return keras.Model(inputs, keras.layers.Dense(1, name="head.last")(layer(inputs)))


def test_parts_are_below_the_layers_name():
    model = network(Scale(name="block.0"))
    assert list(model_targets(model)) == [
        "block.0.factor",
        "block.0.inner.fc.weight",
        "block.0.inner.fc.bias",
        "head.last.weight",
        "head.last.bias",
    ]


def test_parts_without_a_name_above_them():
    model = network(RootScale(name="block.0"))
    expected = ["factor", "inner.fc.weight", "inner.fc.bias", "head.last.weight", "head.last.bias"]
    assert list(model_targets(model)) == expected
    renamed = model_targets(model, rename=lambda name: f"backbone.{name}")
    assert list(renamed) == [f"backbone.{name}" for name in expected]
    # Elsewhere the name is the caller's.
    assert next(iter(layer_targets("neck", model.layers[1]))) == "neck.factor"


def test_aliases():
    model = network(Scale(name="block.0"))
    model.checkpoint_aliases = ((".inner.", ".core."), ("head.last.", "classifier."))
    generator = np.random.default_rng(0)
    values = {name: generator.normal(size=t.shapes()[0]) for name, t in model_targets(model).items()}
    assert {"block.0.core.fc.weight", "classifier.bias"} < set(values)
    state = {
        name: values[name]
        for name in (
            "block.0.factor",
            "block.0.core.fc.weight",
            "block.0.inner.fc.bias",
            "classifier.weight",
            "classifier.bias",
        )
    }
    report = fill(model_targets(model), named(state), model.weights)
    assert report.complete
    np.testing.assert_allclose(model.layers[1].dense.kernel, state["block.0.core.fc.weight"].T, rtol=1e-6)
    # What is missing is called by the layers' names.
    missing = fill(model_targets(model), {}, model.weights).unfilled
    assert set(missing) == set(model_targets(network(Scale(name="block.0"))))
    renamed = model_targets(model, rename=lambda name: f"backbone.{name}")
    assert "backbone.classifier.bias" in renamed
