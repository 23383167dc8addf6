"""Partial queries of synthetic people: a foreground head and DSR, trained on whole images.

The quickstart's people and network. Each query shows the upper, middle or lower 45 to 70 % of a person. The share of
DSR is chosen on other people before other cameras.
Measured for the training seeds 0, 1, 2 (benchmarks/tasks.py), global distance and DSR: partial queries mAP 44.4, 39.2,
41.4 and 46.9, 40.1, 43.4 %, Rank-1 49.2, 44.3, 46.8 and 56.0, 48.3, 51.8 %; occluded ones mAP 34.1, 28.9, 33.1 and
39.6, 33.3, 37.4 %, Rank-1 38.5, 34.3, 39.7 and 45.8, 41.8, 45.8 %. Crops in training help where queries are cut, and
cost where they are hidden: the quickstart, trained without them, has 28.6 and 42.9 % by the global distance
(python -m keras_reid.evaluate runs/quickstart --dataset experiments/partial_synthetic.py --metric cosine).

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
