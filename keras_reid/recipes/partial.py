"""Recipe made for partial and occluded persons."""

from dataclasses import replace

from keras_reid import experiment as ex
from keras_reid.data import (
    IdentitySampler,
    Market1501,
    OccludedREID,
    PartialiLIDS,
    PartialQueries,
    PartialREID,
)
from keras_reid.data.augmentation import Flip, PadCrop
from keras_reid.recipes.persons import bot


def partial(name="partial", dataset=None, depth=50, ibn=True, pretrained="imagenet", backbone=None):
    """Foreground feature and DSR: whole images to train on, images of parts to test on.

    The share of DSR is chosen on the test part of the training set, 100 identities of it, with bands cut out of its
    queries. The tests are Partial-REID, Occluded-REID and Partial-iLIDS; replace `data.test_datasets` for others.

    Args:
        name: names the run.
        dataset: a data set reader; `Market1501()` if None.
        depth: layers of the ResNet.
        ibn: whether it has instance-batch normalisation.
        pretrained: what it starts from: "imagenet", None, or the path of a weights file.
        backbone: another backbone instead, taken as it is, that gives one feature map.

    Example:
        >>> partial().evaluation.metric
        'dsr'

    Source: He et al., Foreground-aware Pyramid Reconstruction for Alignment-free Occluded Person Re-identification,
    2019; FastReID's configuration. Deliberate difference: the original searches the share on the test set.
    """
    base = bot(name, dataset or Market1501(), depth, ibn, pretrained, backbone)
    return replace(
        base,
        data=replace(
            base.data,
            test_datasets=(PartialREID(), OccludedREID(), PartialiLIDS()),
            sampler=IdentitySampler(identities_per_batch=64, images_per_identity=4),
            augmentation=(PadCrop(padding=10), Flip(probability=0.5)),
        ),
        model=replace(base.model, pooling=ex.NoPooling(), head=ex.PartialHead(), image_size=(384, 128)),
        losses={
            "cross_entropy": ex.CrossEntropy(label_smoothing=0.12),
            "triplet": ex.TripletLoss(margin=0.3, mining="weighted"),
        },
        optimizer=ex.Adam(learning_rate=7e-4, l2=5e-4),
        schedule=ex.Cosine(delay_epochs=20, floor=7e-7, warmup_steps=500, warmup_factor=0.1),
        training=ex.Training(epochs=60),
        evaluation=ex.Evaluation(
            every=10,
            batch_size=128,
            metric="dsr",
            dsr_validation=PartialQueries(base.data.dataset, identities=100),
        ),
    )
