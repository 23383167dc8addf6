import dataclasses
import functools
import json

import keras
import numpy as np
import pytest

from keras_reid.data import IdentitySampler, Synthetic
from keras_reid.data.pipeline import train_batches
from keras_reid.heads import BNNeckHead
from keras_reid.layers import GeMPooling2D
from keras_reid.losses import ClusterMemoryLoss
from keras_reid.models import ReIDModel
from keras_reid.training.adaptation import Target, cluster_memory
from keras_reid.utils.errors import UserError
from tests.harness import randomize

pytest.importorskip("sklearn")
EASY = {"min_samples": 2, "k1": 5, "k2": 2}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return Synthetic(preset="tiny").read(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def model():
    backbone = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(8, 3, strides=4),
            keras.layers.BatchNormalization(momentum=0.9),
        ]
    )
    made = ReIDModel(backbone, GeMPooling2D(), BNNeckHead(1), image_size=(32, 16))
    randomize(made)
    made.compile("sgd", losses=[ClusterMemoryLoss(dim=8, max_clusters=24)])
    return made


def make(dataset, **options):
    make_batches = functools.partial(train_batches, image_size=(32, 16), seed=0)
    return Target(dataset, IdentitySampler(2, 4), make_batches, **{**EASY, **options})


def labels_of(batches):
    return [labels["identity"].numpy().tolist() for _, labels in batches]


def test_batches_are_of_clusters_for_as_many_steps_as_asked_for(dataset, model):
    target = make(dataset, steps_per_epoch=7)
    batches = labels_of(target.start(model, 0))
    assert (len(batches), target.steps_per_epoch, target.batch_size) == (7, 7, 8)
    clusters = int(cluster_memory(model).state_variables[1])
    assert clusters >= 2
    assert {len(set(batch)) for batch in batches} == {2}
    assert {number for batch in batches for number in batch} <= set(range(clusters))
    assert make(dataset).steps_per_epoch == 48 // 8
    assert len(target.names) == 24


def test_from_a_step_on_they_are_the_same(dataset, model):
    target = make(dataset, steps_per_epoch=5)
    whole = labels_of(target.start(model, 3))
    assert labels_of(target.start(model, 3, 2)) == whole[2:]


def test_the_memory_begins_with_the_means_of_the_clusters(dataset, model):
    target = make(dataset, statistics=False)
    target.start(model, 0)
    embeddings = np.concatenate([target._embed(model)])
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    labels = np.array(target.state()["labels"])
    rows = np.array(cluster_memory(model).state_variables[0])
    for cluster in range(labels.max() + 1):
        mean = embeddings[labels == cluster].mean(axis=0)
        np.testing.assert_allclose(rows[cluster], mean / np.linalg.norm(mean), atol=1e-6)
    assert (rows[labels.max() + 1 :] == 0).all()


def test_logs_clusters_and_outliers(dataset, model):
    target = make(dataset)
    target.start(model, 0)
    labels, logs = np.array(target.state()["labels"]), {"loss": 1.0}
    target.on_epoch_end(0, logs)
    assert logs == {"loss": 1.0, "clusters": labels.max() + 1, "outliers": (labels < 0).mean()}


@pytest.mark.medium
def test_a_begun_epoch_is_not_clustered_again_and_the_next_is(dataset, model, monkeypatch):
    target, again = make(dataset), make(dataset)
    batches = labels_of(target.start(model, 2))
    again.restore(json.loads(json.dumps(target.state())))
    monkeypatch.setattr(again, "_embed", lambda model: pytest.fail("embeds"))
    assert labels_of(again.start(model, 2)) == batches
    with pytest.raises(pytest.fail.Exception, match="embeds"):
        again.start(model, 3)


@pytest.mark.medium
def test_statistics_are_those_of_the_target(dataset, model):
    norm = model.backbone.layers[1]
    before = [np.array(norm.moving_mean), np.array(norm.moving_variance)]
    make(dataset, statistics=False).start(model, 0)
    np.testing.assert_array_equal(norm.moving_mean, before[0])
    make(dataset).start(model, 1)  # before the first epoch only
    np.testing.assert_array_equal(norm.moving_mean, before[0])
    make(dataset, embedded_at_once=48).start(model, 0)
    features = model.backbone.layers[0](model.normalize(_images(dataset)))
    np.testing.assert_allclose(norm.moving_mean, np.mean(features, axis=(0, 1, 2)), atol=1e-3)
    norm.moving_mean.assign(before[0])
    norm.moving_variance.assign(before[1])


def _images(dataset):
    from keras_reid.data.pipeline import test_batches

    (images,) = test_batches([sample.path for sample in dataset.train], (32, 16), 48)
    return images


def test_identities_are_not_looked_at(dataset, model):
    samples = [dataclasses.replace(one, identity=f"x{n * n % 5}") for n, one in enumerate(dataset.train)]
    garbage = dataclasses.replace(dataset, train=samples)
    one, other = make(dataset), make(garbage)
    assert labels_of(one.start(model, 0)) == labels_of(other.start(model, 0))
    assert one.state() == other.state()


def test_no_cluster_is_said_with_the_settings(dataset, model):
    message = r"epoch 1: none of the 48 .* adaptation\.eps=0\.01, adaptation\.min_samples=40.*raise eps"
    with pytest.raises(UserError, match=message):
        make(dataset, eps=0.01, min_samples=40).start(model, 0)


def test_needs_a_sampler_that_knows_its_batches(dataset):
    with pytest.raises(UserError, match="must have a batch_size, as IdentitySampler"):
        Target(dataset, lambda identities, cameras, *, seed, epoch: None, train_batches)
