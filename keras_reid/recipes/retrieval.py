"""The recipe made for image retrieval: birds, cars, products, clothes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_reid import experiment as ex
from keras_reid.data import ShuffleSampler, StanfordOnlineProducts
from keras_reid.data.augmentation import Flip, RandomAreaCrop

if TYPE_CHECKING:
    from keras_reid.experiment.schema import Experiment

# Batch normalisation of the ResNets: also in the shortcuts and in IBN.
_NORMALIZATION = (r"backbone\.(?:.*\.)?(?:bn\d|downsample\.1)",)
_ALWAYS = 10**9  # more steps than any training has


def retrieval(
    name: str = "retrieval",
    dataset: Any = None,
    depth: int = 50,
    ibn: bool = False,
    pretrained: str | None = "imagenet",
    backbone: Any = None,
) -> Experiment:
    """Cross-entropy alone on shuffled images: random crops, GeM, BN-neck, and a backbone with frozen batch norm.

    Args:
        name: names the run.
        dataset: a data set reader; `StanfordOnlineProducts()` if None.
        depth: layers of the ResNet.
        ibn: whether it has instance-batch normalisation.
        pretrained: what it starts from: "imagenet", None, or the path of a weights file.
        backbone: another backbone instead, taken as it is: its batch normalisation learns, unless you set
            `training.freeze_layers`.

    Example:
        >>> retrieval().evaluation.recall
        (1, 10, 100, 1000)

    Source: Boudiaf et al., A unifying mutual information view of metric learning: cross-entropy vs. pairwise losses,
    ECCV 2020; FastReID's configuration for Stanford Online Products (FastRetri). Deliberate differences: an image is
    cropped as its file holds it, not resized to 256 before; tests take the whole image at 224 × 224, as every export
    does, where the original takes the middle 224 × 224 of 256 × 256.
    """
    experiment = ex.Experiment(
        name=name,
        data=ex.Data(
            dataset=dataset or StanfordOnlineProducts(),
            sampler=ShuffleSampler(batch_size=128),
            augmentation=(
                RandomAreaCrop(scale=(0.16, 1.0), ratio=(3 / 4, 4 / 3), squashed=True),
                Flip(probability=0.5),
            ),
        ),
        model=ex.Model(
            backbone=backbone or ex.ResNet(depth=depth, last_stride=1, ibn=ibn, pretrained=pretrained),
            pooling=ex.GeM(p=3.0, learnable=False),
            head=ex.BNNeckHead(classifier=ex.LinearClassifier(), metric_feature="after"),
            image_size=(224, 224),
        ),
        losses={"cross_entropy": ex.CrossEntropy(label_smoothing=0.1)},
        optimizer=ex.SGD(learning_rate=0.003, momentum=0.99, nesterov=True, l2=5e-4, l2_bias=0.0),
        schedule=ex.Cosine(floor=3e-5, warmup_steps=1000, warmup_factor=0.1),
        training=ex.Training(epochs=100),
        evaluation=ex.Evaluation(every=10, batch_size=256, recall=(1, 10, 100, 1000)),
    )
    if backbone is not None:
        return experiment
    return experiment.with_changes(
        {"training.freeze_backbone_steps": _ALWAYS, "training.freeze_layers": _NORMALIZATION}
    )
