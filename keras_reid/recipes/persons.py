"""Recipes made for persons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_reid import experiment as ex
from keras_reid.data import IdentitySampler, Market1501
from keras_reid.data.augmentation import AutoAugment, Flip, PadCrop, RandomErasing

if TYPE_CHECKING:
    from keras_reid.experiment.schema import Experiment


def bot(
    name: str = "bot",
    dataset: Any = None,
    depth: int = 50,
    ibn: bool = False,
    pretrained: str | None = "imagenet",
    backbone: Any = None,
) -> Experiment:
    """Bag of tricks: BN-neck, label smoothing, hard triplets, random erasing, warm-up.

    Args:
        name: names the run.
        dataset: a data set reader; `Market1501()` if None.
        depth: layers of the ResNet.
        ibn: whether it has instance-batch normalisation.
        pretrained: what it starts from: "imagenet", None, or the path of a weights file.
        backbone: another backbone instead, taken as it is, such as
            `experiment.ResNeSt(depth=50, pretrained="imagenet")`; the three arguments before it then say nothing.

    Example:
        >>> bot("mine", depth=101, ibn=True).model.backbone.depth
        101

    Source: Luo et al., Bag of Tricks and A Strong Baseline for Deep Person Re-identification, 2019.
    """
    return ex.Experiment(
        name=name,
        data=ex.Data(
            dataset=dataset or Market1501(),
            sampler=IdentitySampler(identities_per_batch=16, images_per_identity=4),
            augmentation=(PadCrop(padding=10), Flip(probability=0.5), RandomErasing(probability=0.5)),
        ),
        model=ex.Model(
            backbone=backbone or ex.ResNet(depth=depth, last_stride=1, ibn=ibn, pretrained=pretrained),
            pooling=ex.AveragePooling(),
            head=ex.BNNeckHead(classifier=ex.LinearClassifier(), metric_feature="before"),
            image_size=(256, 128),
        ),
        losses={
            "cross_entropy": ex.CrossEntropy(label_smoothing=0.1),
            "triplet": ex.TripletLoss(margin=0.3, mining="hard"),
        },
        optimizer=ex.Adam(learning_rate=3.5e-4, l2=5e-4),
        schedule=ex.MultiStep(milestones=(40, 90), gamma=0.1, warmup_steps=2000, warmup_factor=0.1),
        training=ex.Training(epochs=120),
        evaluation=ex.Evaluation(every=30, batch_size=128),
    )


def agw(
    name: str = "agw",
    dataset: Any = None,
    depth: int = 50,
    ibn: bool = False,
    pretrained: str | None = "imagenet",
    backbone: Any = None,
) -> Experiment:
    """BoT with non-local attention, generalised-mean pooling and the weighted soft-margin triplet.

    Arguments as for `bot`.

    Example:
        >>> agw().losses["triplet"].mining
        'weighted'

    Source: Ye et al., Deep Learning for Person Re-identification: A Survey and Outlook, 2021.
    """
    backbone = backbone or ex.ResNet(depth, last_stride=1, ibn=ibn, non_local=True, pretrained=pretrained)
    return bot(name, dataset, backbone=backbone).with_changes(
        {
            "model.pooling": ex.GeM(p=3.0, learnable=False),
            "losses.triplet.margin": 0.0,
            "losses.triplet.mining": "weighted",
        }
    )


def sbs(
    name: str = "sbs",
    dataset: Any = None,
    depth: int = 50,
    ibn: bool = False,
    pretrained: str | None = "imagenet",
    backbone: Any = None,
) -> Experiment:
    """Stronger baseline: AGW's backbone, learnt GeM, circle softmax, taller images, AutoAugment, freezing, cosine.

    Arguments as for `bot`.

    Example:
        >>> sbs().model.image_size
        (384, 128)

    Source: He et al., FastReID: A Pytorch Toolbox for General Instance Re-identification, 2020.
    """
    base = agw(name, dataset, depth, ibn, pretrained, backbone)
    return base.with_changes(
        {
            "data.sampler.identities_per_batch": 4,
            "data.sampler.images_per_identity": 16,
            "data.augmentation": (AutoAugment(probability=0.1), *base.data.augmentation),
            "model.pooling.learnable": True,
            "model.head.classifier": ex.CircleSoftmax(scale=64.0, margin=0.35),
            "model.head.metric_feature": "after",
            "model.image_size": (384, 128),
            "losses.triplet.mining": "hard",
            "schedule": ex.Cosine(delay_epochs=30, floor=7e-7, warmup_steps=2000, warmup_factor=0.1),
            "training.epochs": 60,
            "training.freeze_backbone_steps": 1000,
            "evaluation.every": 10,
        }
    )


def mgn(
    name: str = "mgn",
    dataset: Any = None,
    depth: int = 50,
    ibn: bool = False,
    pretrained: str | None = "imagenet",
    backbone: Any = None,
) -> Experiment:
    """Multiple granularity network: SBS with three branches and eight embeddings of 256 numbers.

    Arguments as for `bot`; a backbone of your own gives three feature maps.

    Example:
        >>> mgn().model.head.embedding_dim
        256

    Source: Wang et al., Learning Discriminative Features with Multiple Granularities for Person Re-identification,
    2018.
    """
    backbone = backbone or ex.MultiGranularityResNet(depth, last_stride=1, ibn=ibn, pretrained=pretrained)
    base = sbs(name, dataset)
    return base.with_changes(
        {
            "model.backbone": backbone,
            "model.pooling": ex.NoPooling(),
            "model.head": ex.MultiGranularityHeads(
                classifier=base.model.head.classifier,
                metric_feature=base.model.head.metric_feature,
                embedding_dim=256,
                pooling=base.model.pooling,
            ),
        }
    )


VIT_WEIGHTS = "jx_vit_base_p16_224-80ecf9dd.pth"


def vit(
    name: str = "vit",
    dataset: Any = None,
    depth: str = "base",
    pretrained: str | None = VIT_WEIGHTS,
    backbone: Any = None,
) -> Experiment:
    """BoT's images and head on a vision transformer, trained by SGD.

    Args:
        name: names the run.
        dataset: a data set reader; `Market1501()` if None.
        depth: "base" (ViT-B/16) or "small".
        pretrained: path of a weights file, or None. The original starts from timm's
            jx_vit_base_p16_224-80ecf9dd.pth, which is not fetched: it is looked for in the working directory.
        backbone: another backbone instead, taken as it is, that gives one vector an image.

    Example:
        >>> vit(pretrained=None).model.pixel_mean
        (127.5, 127.5, 127.5)

    Source: Dosovitskiy et al., An Image is Worth 16x16 Words, 2021; FastReID's configuration for Market-1501.
    """
    backbone = backbone or ex.ViT(depth=depth, stride=(16, 16), drop_path=0.1, pretrained=pretrained)
    return bot(name, dataset, backbone=backbone).with_changes(
        {
            "model.pooling": ex.IdentityPooling(),
            "model.pixel_mean": (127.5, 127.5, 127.5),
            "model.pixel_std": (127.5, 127.5, 127.5),
            "losses.cross_entropy.label_smoothing": 0.0,
            "losses.triplet.margin": 0.0,
            # The original's file sets l2 alone; the other two keep their default, as does the "norm" of its clipping.
            "optimizer": ex.SGD(
                learning_rate=0.008,
                momentum=0.9,
                l2=1e-4,
                l2_normalization=5e-4,
                l2_bias=5e-4,
                global_clipnorm=5.0,
            ),
            "schedule": ex.Cosine(floor=1.6e-5, warmup_steps=1000, warmup_factor=0.01),
            "evaluation.every": 5,
        }
    )
