"""KerasHub's DINOv2 (small) as a backbone, on the synthetic people of the quickstart.

Shows how a vision transformer of another package is plugged in. Needs `pip install keras-hub` (0.32 was tried). The
weights are random here, since those of KerasHub are fetched from Kaggle: take them by
`keras_hub.models.DINOV2Backbone.from_preset("dinov2_small", image_shape=SIZE)` in the place of the constructor. DINOv2
takes square images only, and sides in multiples of 14 pixels.

Ours: not measured.

    python -m keras_reid.fit experiments/synthetic_dinov2.py
"""

from keras_reid import experiment as ex
from keras_reid.data import IdentitySampler, Synthetic
from keras_reid.data.augmentation import Flip, PadCrop, RandomErasing

SIZE = (112, 112, 3)


def dinov2_small():
    """Images to the class token, as a feature map of one position."""
    import keras
    import keras_hub

    from keras_reid.backbones import KerasBackbone

    network = keras_hub.models.DINOV2Backbone(
        patch_size=14,
        num_layers=12,
        hidden_dim=384,
        num_heads=6,
        intermediate_dim=1536,
        use_mask_token=False,
        image_shape=SIZE,
    )
    token = keras.layers.Reshape((1, 1, 384))(network.output[:, 0])
    return KerasBackbone(keras.Model(network.inputs[0], token), preprocessing="torch")


experiment = ex.Experiment(
    name="synthetic_dinov2",
    data=ex.Data(
        dataset=Synthetic(preset="small"),
        sampler=IdentitySampler(identities_per_batch=16, images_per_identity=4),
        augmentation=(PadCrop(padding=5), Flip(), RandomErasing(probability=0.3)),
    ),
    model=ex.Model(
        backbone=dinov2_small,
        pooling=ex.IdentityPooling(),
        head=ex.BNNeckHead(classifier=ex.CircleSoftmax(scale=32.0)),
        image_size=SIZE[:2],
    ),
    optimizer=ex.Adam(learning_rate=1e-4),
    schedule=ex.Cosine(delay_epochs=2, floor=1e-6, warmup_steps=40),
    training=ex.Training(epochs=8),
    evaluation=ex.Evaluation(every=4),
)
