"""Partial queries of synthetic people: a foreground head and DSR, trained on whole images.

The quickstart's people and network. Each query shows the upper, middle or lower 45 to 70 % of a person. The share of
DSR is chosen on other people before other cameras.
Ours: not measured.

    python -m keras_reid.fit experiments/partial_synthetic.py
"""

from keras_reid import experiment as ex
from keras_reid.data import IdentitySampler, Synthetic
from keras_reid.data.augmentation import Flip, RandomResizedCrop

experiment = ex.Experiment(
    name="partial_synthetic",
    data=ex.Data(
        dataset=Synthetic(preset="small"),
        test_datasets=tuple(Synthetic(preset="small", queries=view) for view in ("partial", "occluded")),
        sampler=IdentitySampler(identities_per_batch=16, images_per_identity=4),
        # Whole persons are 1 : 2; most crops are a part, stretched as a query is.
        augmentation=(RandomResizedCrop(scale=(0.4, 1.0), ratio=(0.5, 1.1), probability=0.7), Flip()),
    ),
    model=ex.Model(
        backbone=ex.ResNet(depth=18, width=32, ibn=True),
        pooling=ex.NoPooling(),
        # Of a map of 8 × 4 positions, 21 windows.
        head=ex.PartialHead(
            classifier=ex.CircleSoftmax(scale=32.0), windows=((2, 1),), window_pooling="average"
        ),
        image_size=(128, 64),
    ),
    optimizer=ex.Adam(learning_rate=1e-3),
    schedule=ex.Cosine(delay_epochs=2, floor=1e-6, warmup_steps=40),
    training=ex.Training(epochs=8),
    evaluation=ex.Evaluation(
        every=0, metric="dsr", dsr_validation=Synthetic(preset="small", seed=1, queries="partial")
    ),
)
