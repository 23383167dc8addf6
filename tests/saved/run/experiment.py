"""Trained by version 0.1 for tests/saved: what users saved yesterday still works."""

from keras_reid import experiment as ex
from keras_reid.data import IdentitySampler, Synthetic
from keras_reid.data.augmentation import Flip, PadCrop, RandomErasing

experiment = ex.Experiment(
    name="saved",
    data=ex.Data(
        dataset=Synthetic(preset="tiny"),
        sampler=IdentitySampler(identities_per_batch=2, images_per_identity=2),
        augmentation=(PadCrop(padding=5), Flip(), RandomErasing(probability=0.3)),
    ),
    model=ex.Model(
        backbone=ex.ResNet(depth=18, width=4, ibn=True),
        pooling=ex.GeM(),
        head=ex.BNNeckHead(classifier=ex.CircleSoftmax(scale=32.0)),
        image_size=(64, 32),
    ),
    losses={"cross_entropy": ex.CrossEntropy(label_smoothing=0.1), "triplet": ex.TripletLoss(margin=0.0)},
    optimizer=ex.Adam(learning_rate=1e-3),
    schedule=ex.Cosine(floor=1e-6, warmup_steps=4),
    training=ex.Training(epochs=1),
    evaluation=ex.Evaluation(every=1, recall=(1, 2), projector_images=0),
)
