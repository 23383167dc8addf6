"""Adaptation on synthetic people: the quickstart's network, trained by day, learns the evening without identities.

Source: runs/quickstart. Target: other people before other cameras, which hang higher and see little and coloured
light; 100 identities, whose 1200 training images are used without them, and 100 others to find.
Measured for the training seeds 0, 1, 2 of source and adaptation (benchmarks/tasks.py): direct transfer mAP 36.6, 44.4,
34.6 %, Rank-1 56.0, 65.7, 53.3 %; adapted mAP 80.4, 80.4, 79.6 %, Rank-1 93.3, 93.8, 92.0 %. k1 and eps were chosen
once, on the clusters that the source of seed 0 finds in the training part, judged by its identities; the adaptation
itself never reads them.

    python -m keras_reid.fit experiments/quickstart.py
    python -m keras_reid.fit experiments/adapt_synthetic.py
Direct transfer: python -m keras_reid.evaluate runs/quickstart --dataset experiments/adapt_synthetic.py
"""

from keras_reid import experiment as ex
from keras_reid.data import IdentitySampler, Synthetic
from keras_reid.data.augmentation import Flip, PadCrop, RandomErasing

experiment = ex.Experiment(
    name="adapt_synthetic",
    data=ex.Data(
        dataset=Synthetic(preset="small", seed=1, domain="evening"),
        sampler=IdentitySampler(identities_per_batch=16, images_per_identity=4),
        augmentation=(PadCrop(padding=5), Flip(), RandomErasing(probability=0.3)),
    ),
    model=ex.Model(
        # The quickstart's.
        backbone=ex.ResNet(depth=18, width=32, ibn=True),
        pooling=ex.GeM(),
        head=ex.BNNeckHead(),
        image_size=(128, 64),
    ),
    losses={"cluster_memory": ex.ClusterMemoryLoss()},
    optimizer=ex.Adam(learning_rate=3.5e-4),
    schedule=ex.Constant(),
    training=ex.Training(epochs=8),
    # An identity has 12 images, where those of the benchmarks have 20 and more.
    adaptation=ex.Adaptation(source="runs/quickstart", eps=0.5, k1=12),
    evaluation=ex.Evaluation(every=4),
)
