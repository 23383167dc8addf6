"""Transfer: an ImageNet MobileNetV2 on the synthetic people of the quickstart.

python -m keras_reid.fit experiments/synthetic_mobilenet.py

"""

from keras_reid import experiment as ex
from keras_reid.data import IdentitySampler, Synthetic
from keras_reid.data.augmentation import Flip, PadCrop, RandomErasing

experiment = ex.Experiment(
    name="synthetic_mobilenet",
    data=ex.Data(
        dataset=Synthetic(preset="small"),
        sampler=IdentitySampler(identities_per_batch=16, images_per_identity=4),
        augmentation=(PadCrop(padding=5), Flip(), RandomErasing(probability=0.3)),
    ),
    model=ex.Model(
        backbone=ex.MobileNetV2(width=1.0, pretrained="imagenet"),
        pooling=ex.GeM(),
        head=ex.BNNeckHead(classifier=ex.CircleSoftmax(scale=32.0)),
        image_size=(128, 64),
    ),
    optimizer=ex.Adam(learning_rate=1e-3),
    schedule=ex.Cosine(delay_epochs=2, floor=1e-6, warmup_steps=40),
    training=ex.Training(epochs=8),
    evaluation=ex.Evaluation(every=4),
)
