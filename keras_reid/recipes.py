"""The training recipes of FastReID as functions that return an `Experiment`.

Each has the original's exact values, except that precision is float32 unless asked otherwise (the original trains with
mixed precision: `--training.precision mixed_float16` on a GPU) and that a checkpoint is kept after every epoch. Like
there, backbones start from ImageNet weights, which are fetched once; `--model.backbone.pretrained None` starts from
random ones.
"""

from dataclasses import replace

from keras_reid import experiment as ex
from keras_reid.data import IdentitySampler, Market1501
from keras_reid.data.augmentation import AutoAugment, Flip, PadCrop, RandomErasing


def bot(name="bot", dataset=None, depth=50, ibn=False, pretrained="imagenet"):
    """Bag of tricks: BN-neck, label smoothing, hard triplets, random erasing, warm-up.

    Args:
        name: names the run.
        dataset: a data set reader; `Market1501()` if None.
        depth: layers of the ResNet.
        ibn: whether it has instance-batch normalisation.
        pretrained: what it starts from: "imagenet", None, or the path of a weights file.

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
            backbone=ex.ResNet(depth=depth, last_stride=1, ibn=ibn, pretrained=pretrained),
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


def agw(name="agw", dataset=None, depth=50, ibn=False, pretrained="imagenet"):
    """BoT with non-local attention, generalised-mean pooling and the weighted soft-margin triplet.

    Arguments as for `bot`.

    Source: Ye et al., Deep Learning for Person Re-identification: A Survey and Outlook, 2021.
    """
    base = bot(name, dataset, depth, ibn, pretrained)
    return replace(
        base,
        model=replace(
            base.model,
            backbone=replace(base.model.backbone, non_local=True),
            pooling=ex.GeM(p=3.0, learnable=False),
        ),
        losses={**base.losses, "triplet": ex.TripletLoss(margin=0.0, mining="weighted")},
    )


def sbs(name="sbs", dataset=None, depth=50, ibn=False, pretrained="imagenet"):
    """Stronger baseline: AGW's backbone, learnt GeM, circle softmax, taller images, AutoAugment, freezing, cosine.

    Arguments as for `bot`.

    Source: He et al., FastReID: A Pytorch Toolbox for General Instance Re-identification, 2020.
    """
    base = agw(name, dataset, depth, ibn, pretrained)
    return replace(
        base,
        data=replace(
            base.data,
            sampler=IdentitySampler(identities_per_batch=4, images_per_identity=16),
            augmentation=(AutoAugment(probability=0.1), *base.data.augmentation),
        ),
        model=replace(
            base.model,
            pooling=ex.GeM(p=3.0, learnable=True),
            head=ex.BNNeckHead(classifier=ex.CircleSoftmax(scale=64.0, margin=0.35), metric_feature="after"),
            image_size=(384, 128),
        ),
        losses={**base.losses, "triplet": ex.TripletLoss(margin=0.0, mining="hard")},
        schedule=ex.Cosine(delay_epochs=30, floor=7e-7, warmup_steps=2000, warmup_factor=0.1),
        training=ex.Training(epochs=60, freeze_backbone_steps=1000),
        evaluation=ex.Evaluation(every=10, batch_size=128),
    )


def mgn(name="mgn", dataset=None, depth=50, ibn=False, pretrained="imagenet"):
    """Multiple granularity network: SBS with three branches and eight embeddings of 256 numbers.

    Arguments as for `bot`.

    Source: Wang et al., Learning Discriminative Features with Multiple Granularities for Person Re-identification,
    2018.
    """
    base = sbs(name, dataset, depth, ibn, pretrained)
    return replace(
        base,
        model=replace(
            base.model,
            backbone=ex.MultiGranularityResNet(depth=depth, last_stride=1, ibn=ibn, pretrained=pretrained),
            pooling=ex.NoPooling(),
            head=ex.MultiGranularityHeads(
                classifier=base.model.head.classifier,
                metric_feature=base.model.head.metric_feature,
                embedding_dim=256,
                pooling=base.model.pooling,
            ),
        ),
    )
