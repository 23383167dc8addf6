"""Experiments that are trained in seconds."""

SMALL = [
    *("--model.image-size", "32", "16"),
    *("--model.backbone.depth", "18", "--model.backbone.width", "8"),
    *("--model.backbone.pretrained", "None"),
    *("--data.sampler.identities-per-batch", "4", "--data.sampler.images-per-identity", "4"),
    *("--schedule.warmup-steps", "2"),
]

TINY = """
import keras
from keras_reid import experiment as ex
from keras_reid.data import DukeMTMC, IdentitySampler, Synthetic
from keras_reid.data.augmentation import Flip

def backbone():
    layers = [keras.layers.Conv2D(8, 3, strides=4), keras.layers.BatchNormalization(), keras.layers.ReLU()]
    return keras.Sequential([keras.Input((32, 16, 3)), *layers])

{more}

experiment = ex.Experiment(
    name="tiny",
    data=ex.Data(
        dataset={dataset},
        sampler=IdentitySampler(identities_per_batch=4, images_per_identity=3),
        augmentation=(Flip(),),
    ),
    model=ex.Model(backbone=backbone, image_size=(32, 16)),
    schedule=ex.Constant(),
    training=ex.Training(epochs=3),
    evaluation=ex.Evaluation(every=0),
    {fields}
)
"""


def tiny(folder, more="", fields="", dataset="Synthetic(preset='tiny')"):
    folder.mkdir(exist_ok=True)
    (folder / "tiny.py").write_text(TINY.format(more=more, fields=fields, dataset=dataset))
    return folder / "runs" / "tiny"
