"""Synthetic people, a small ResNet from random weights: the whole way in a few minutes on two CPU cores.

python -m keras_reid.fit experiments/quickstart.py
"""

from keras_reid import experiment as ex
from keras_reid.data import IdentitySampler, Synthetic
from keras_reid.data.augmentation import Flip, PadCrop, RandomErasing

experiment = ex.Experiment(
    name="quickstart",
    data=ex.Data(
        dataset=Synthetic(preset="small"),
        sampler=IdentitySampler(identities_per_batch=16, images_per_identity=4),
        augmentation=(PadCrop(padding=5), Flip(), RandomErasing(probability=0.3)),
    ),
    model=ex.Model(
        backbone=ex.ResNet(depth=18, width=32, ibn=True),
        pooling=ex.GeM(),
        head=ex.BNNeckHead(classifier=ex.CircleSoftmax(scale=32.0)),
        image_size=(128, 64),
    ),
    optimizer=ex.Adam(learning_rate=1e-3),
    schedule=ex.Cosine(delay_epochs=3, floor=1e-6, warmup_steps=40),
    training=ex.Training(epochs=14),
)
