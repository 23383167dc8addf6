"""The values of the original's recipes, written down once more: from its configuration files, not from our recipes."""

import re
from dataclasses import replace

import pytest

from keras_reid import experiment as ex
from keras_reid import recipes
from keras_reid.data import VehicleID
from keras_reid.experiment import as_dict, load_experiment, override
from tests.conftest import ROOT

BOT = {
    "model.backbone.type": "ResNet",
    "model.backbone.depth": 50,
    "model.backbone.last_stride": 1,
    "model.backbone.ibn": False,
    "model.backbone.non_local": False,
    "model.backbone.squeeze_excite": False,
    "model.backbone.width": 64,
    "model.backbone.pretrained": "imagenet",
    "model.pooling.type": "AveragePooling",
    "model.head.type": "BNNeckHead",
    "model.head.metric_feature": "before",
    "model.head.embedding_dim": None,
    "model.head.classifier.type": "LinearClassifier",
    "model.head.classifier.scale": 1.0,
    "model.image_size": [256, 128],
    "model.pixel_mean": None,  # ImageNet's
    "model.pixel_std": None,
    "losses.cross_entropy.type": "CrossEntropy",
    "losses.cross_entropy.label_smoothing": 0.1,
    "losses.triplet.type": "TripletLoss",
    "losses.triplet.margin": 0.3,
    "losses.triplet.mining": "hard",
    "losses.triplet.normalize": False,
    "loss_weights": {},
    "data.augmentation": ["PadCrop", "Flip", "RandomErasing"],
    "data.augmentation.PadCrop.padding": 10,
    "data.augmentation.Flip.probability": 0.5,
    "data.augmentation.RandomErasing.probability": 0.5,
    "data.augmentation.RandomErasing.value": [123.675, 116.28, 103.53],
    "data.sampler.type": "IdentitySampler",
    "data.sampler.identities_per_batch": 16,
    "data.sampler.images_per_identity": 4,
    "optimizer.type": "Adam",
    "optimizer.learning_rate": 3.5e-4,
    "optimizer.l2": 5e-4,
    "optimizer.l2_normalization": None,  # as l2
    "optimizer.l2_bias": None,
    "optimizer.weight_decay": None,
    "optimizer.head_learning_rate_factor": 1.0,
    "optimizer.bias_learning_rate_factor": 1.0,
    "optimizer.global_clipnorm": None,
    "schedule.type": "MultiStep",
    "schedule.milestones": [40, 90],
    "schedule.gamma": 0.1,
    "schedule.warmup_steps": 2000,
    "schedule.warmup_factor": 0.1,
    "schedule.warmup_kind": "linear",
    "training.epochs": 120,
    "training.freeze_backbone_steps": 0,
    "evaluation.every": 30,
    "evaluation.batch_size": 128,
    "evaluation.metric": "cosine",
    "evaluation.flip": False,
}
AGW = {
    **BOT,
    "model.backbone.non_local": True,
    "model.pooling.type": "GeM",
    "model.pooling.p": 3.0,
    "model.pooling.learnable": False,
    "losses.triplet.margin": 0.0,
    "losses.triplet.mining": "weighted",
}
_MULTI_STEP = {key for key in BOT if key in ("schedule.milestones", "schedule.gamma")}
SBS = {
    **{key: value for key, value in AGW.items() if key not in _MULTI_STEP},
    "model.pooling.learnable": True,
    "model.head.metric_feature": "after",
    "model.head.classifier.type": "CircleSoftmax",
    "model.head.classifier.scale": 64.0,
    "model.head.classifier.margin": 0.35,
    "model.image_size": [384, 128],
    "losses.triplet.mining": "hard",
    "data.augmentation": ["AutoAugment", "PadCrop", "Flip", "RandomErasing"],
    "data.augmentation.AutoAugment.probability": 0.1,
    "data.sampler.identities_per_batch": 4,
    "data.sampler.images_per_identity": 16,
    "schedule.type": "Cosine",
    "schedule.delay_epochs": 30,
    "schedule.floor": 7e-7,
    "training.epochs": 60,
    "training.freeze_backbone_steps": 1000,
    "evaluation.every": 10,
}
_NOT_MGN = ("model.pooling", "model.backbone.non_local")
MGN = {
    **{key: value for key, value in SBS.items() if not key.startswith(_NOT_MGN)},
    "model.backbone.type": "MultiGranularityResNet",
    "model.backbone.ibn": True,  # the only one that the original has
    "model.pooling.type": "NoPooling",
    "model.head.type": "MultiGranularityHeads",
    "model.head.embedding_dim": 256,
    "model.head.pooling.type": "GeM",
    "model.head.pooling.p": 3.0,
    "model.head.pooling.learnable": True,
}
VIT = {
    **{
        key: value
        for key, value in BOT.items()
        if key not in _MULTI_STEP and not key.startswith("model.backbone")
    },
    "model.backbone.type": "ViT",
    "model.backbone.depth": "base",
    "model.backbone.width": 768,
    "model.backbone.stride": [16, 16],
    "model.backbone.drop_path": 0.1,
    "model.backbone.dropout": 0.0,
    "model.backbone.attention_dropout": 0.0,
    "model.backbone.num_cameras": 0,
    "model.backbone.pretrained": "jx_vit_base_p16_224-80ecf9dd.pth",
    "model.pooling.type": "IdentityPooling",
    "model.pixel_mean": [127.5, 127.5, 127.5],
    "model.pixel_std": [127.5, 127.5, 127.5],
    "losses.cross_entropy.label_smoothing": 0.0,
    "losses.triplet.margin": 0.0,
    "optimizer.type": "SGD",
    "optimizer.learning_rate": 0.008,
    "optimizer.momentum": 0.9,
    "optimizer.nesterov": False,
    "optimizer.l2": 1e-4,
    "optimizer.l2_normalization": 5e-4,  # defaults, which the original's file leaves as they are
    "optimizer.l2_bias": 5e-4,
    "optimizer.global_clipnorm": 5.0,
    "schedule.type": "Cosine",
    "schedule.delay_epochs": 0,
    "schedule.floor": 1.6e-5,
    "schedule.warmup_steps": 1000,
    "schedule.warmup_factor": 0.01,
    "evaluation.every": 5,
}
TRANSREID = {
    **VIT,
    "data.augmentation.RandomErasing.value": [127.5, 127.5, 127.5],
    "model.backbone.type": "JigsawViT",
    "model.backbone.stride": [12, 12],
    "model.backbone.num_cameras": 6,
    "model.backbone.camera_scale": 3.0,
    "model.backbone.shift": 5,
    "model.backbone.groups": 2,
    "model.backbone.num_parts": 4,
    "model.pooling.type": "NoPooling",
    "model.head.type": "ClassTokenHead",
    "model.head.embedding": "before",
    "model.head.num_parts": 4,
    "optimizer.l2_normalization": None,  # as l2
    "optimizer.l2_bias": None,
    "optimizer.bias_learning_rate_factor": 2.0,
    "optimizer.global_clipnorm": None,
    "evaluation.every": 20,
    "evaluation.batch_size": 256,
}
del TRANSREID["model.head.embedding_dim"]
VERI_TRANSREID = {
    **TRANSREID,
    "model.backbone.num_cameras": 20,
    "model.backbone.shift": 8,
    "model.image_size": [256, 256],
    "optimizer.learning_rate": 0.01,
    "schedule.floor": 2e-5,
    "schedule.warmup_steps": 2950,
}
VERI = {
    **SBS,
    "model.backbone.ibn": True,
    "model.image_size": [256, 256],
    "data.sampler.type": "BalancedIdentitySampler",
    "optimizer.type": "SGD",
    "optimizer.learning_rate": 0.01,
    "optimizer.momentum": 0.9,
    "optimizer.nesterov": False,
    "schedule.floor": 7.7e-5,
    "schedule.warmup_steps": 3000,
    "training.freeze_backbone_steps": 3000,
    "evaluation.batch_size": 256,
}
VEHICLE_ID = {
    **BOT,
    "model.backbone.ibn": True,
    "model.pooling.type": "GeM",
    "model.pooling.p": 3.0,
    "model.pooling.learnable": False,
    "model.image_size": [256, 256],
    "losses.triplet.margin": 0.0,
    "losses.triplet.mining": "weighted",
    "data.sampler.identities_per_batch": 128,
    "data.sampler.images_per_identity": 4,
    "schedule.milestones": [30, 50],
    "training.epochs": 60,
    "evaluation.every": 20,
}
VERI_WILD = {
    **VEHICLE_ID,
    "schedule.milestones": [30, 70, 90],
    "schedule.warmup_steps": 5000,
    "training.epochs": 120,
}
PARTIAL = {
    **{key: value for key, value in BOT.items() if key not in _MULTI_STEP and "RandomErasing" not in key},
    "model.backbone.ibn": True,
    "model.pooling.type": "NoPooling",
    "model.head.type": "PartialHead",
    "model.head.windows": [[2, 2], [4, 2], [6, 2], [8, 2]],
    "model.image_size": [384, 128],
    "losses.cross_entropy.label_smoothing": 0.12,
    "losses.triplet.mining": "weighted",
    "data.augmentation": ["PadCrop", "Flip"],
    "data.sampler.identities_per_batch": 64,
    "optimizer.learning_rate": 7e-4,
    "schedule.type": "Cosine",
    "schedule.delay_epochs": 20,
    "schedule.warmup_steps": 500,
    "training.epochs": 60,
    "evaluation.every": 10,
    "evaluation.metric": "dsr",
}
SOP = {
    **{
        key: value
        for key, value in BOT.items()
        if key not in _MULTI_STEP and not key.startswith("losses.triplet")
    },
    "model.pooling.type": "GeM",
    "model.pooling.p": 3.0,
    "model.pooling.learnable": False,
    "model.head.metric_feature": "after",
    "model.image_size": [224, 224],
    "data.augmentation": ["RandomAreaCrop", "Flip"],
    "data.augmentation.RandomAreaCrop.scale": [0.16, 1.0],
    "data.augmentation.RandomAreaCrop.ratio": [3 / 4, 4 / 3],
    "data.augmentation.RandomAreaCrop.squashed": True,
    "data.sampler.type": "ShuffleSampler",
    "data.sampler.batch_size": 128,
    "optimizer.type": "SGD",
    "optimizer.learning_rate": 0.003,
    "optimizer.momentum": 0.99,
    "optimizer.nesterov": True,
    "optimizer.l2_bias": 0.0,
    "schedule.type": "Cosine",
    "schedule.delay_epochs": 0,
    "schedule.floor": 3e-5,
    "schedule.warmup_steps": 1000,
    "training.epochs": 100,
    "training.freeze_backbone_steps": 10**9,
    "evaluation.every": 10,
    "evaluation.batch_size": 256,
    "evaluation.recall": [1, 10, 100, 1000],
}
for _key in ("PadCrop.padding", "RandomErasing.probability", "RandomErasing.value"):
    del SOP[f"data.augmentation.{_key}"]
for _key in ("identities_per_batch", "images_per_identity"):
    del SOP[f"data.sampler.{_key}"]
INSHOP = {
    **SOP,
    "data.augmentation.RandomAreaCrop.squashed": False,  # images are not resized before they are cropped
    "evaluation.recall": [1, 10, 20, 30, 40, 50],
}
CARS = {
    **SOP,
    "losses.cross_entropy.label_smoothing": 0.4,
    "data.augmentation": ["RandomAreaCrop", "ColorJitter", "Flip"],
    "data.augmentation.RandomAreaCrop.ratio": [1.0, 1.0],
    "data.augmentation.ColorJitter.brightness": 0.3,
    "data.augmentation.ColorJitter.contrast": 0.3,
    "data.augmentation.ColorJitter.saturation": 0.3,
    "data.augmentation.ColorJitter.hue": 0.1,
    "data.augmentation.ColorJitter.probability": 1.0,
    "optimizer.learning_rate": 0.05,
    "optimizer.momentum": 0.0,
    "optimizer.nesterov": False,
    "schedule.floor": 5e-4,
    "evaluation.recall": [1, 2, 4, 8, 16, 32],
}
CUB = {
    **CARS,
    "losses.cross_entropy.label_smoothing": 0.3,
    "data.augmentation.RandomAreaCrop.ratio": [3 / 4, 4 / 3],
    "data.augmentation.RandomAreaCrop.squashed": False,  # the shorter side is resized
    "data.augmentation.ColorJitter.brightness": 0.25,
    "data.augmentation.ColorJitter.contrast": 0.25,
    "data.augmentation.ColorJitter.saturation": 0.25,
    "data.augmentation.ColorJitter.hue": 0.0,
    "optimizer.learning_rate": 0.02,
    "schedule.floor": 2e-5,
    "schedule.warmup_steps": 450,
    "training.epochs": 30,
}
VALUES = {
    **{
        f"{name}_{recipe}": ({**values, "data.dataset.type": dataset})
        for name, dataset in (("market", "Market1501"), ("duke", "DukeMTMC"), ("msmt17", "MSMT17"))
        for recipe, values in (
            ("bot", BOT),
            ("agw", AGW),
            ("circle" if name == "duke" else "sbs", SBS),
            ("mgn", MGN),
        )
    },
    "market_vit": {**VIT, "data.dataset.type": "Market1501"},
    "market_transreid": {**TRANSREID, "data.dataset.type": "Market1501"},
    "veri_transreid": {**VERI_TRANSREID, "data.dataset.type": "VeRi"},
    "veri_sbs": {**VERI, "data.dataset.type": "VeRi"},
    "vehicleid_bot": {**VEHICLE_ID, "data.dataset.type": "VehicleID"},
    "veriwild_bot": {**VERI_WILD, "data.dataset.type": "VeRiWild"},
    "partial_dsr": {**PARTIAL, "data.dataset.type": "Market1501"},
    "sop_retrieval": {**SOP, "data.dataset.type": "StanfordOnlineProducts"},
    "inshop_retrieval": {**INSHOP, "data.dataset.type": "InShop"},
    "cars_retrieval": {**CARS, "data.dataset.type": "Cars196"},
    "cub_retrieval": {**CUB, "data.dataset.type": "CUB200"},
}
# Rank-1, mAP and mINP in percent, from the original's model zoo.
ZOO = """
market bot  R50 94.4 86.1 59.4 · R50-ibn 94.9 87.6 64.1 · S50 95.2 88.7 66.9 · R101-ibn 95.4 88.9 67.4
market agw  R50 95.3 88.2 66.3 · R50-ibn 95.1 88.7 67.1 · S50 95.3 89.3 68.5 · R101-ibn 95.5 89.5 69.5
market sbs  R50 95.4 88.2 64.8 · R50-ibn 95.7 89.3 67.5 · S50 95.8 89.4 67.6 · R101-ibn 96.3 90.3 70.0
market mgn  R50-ibn 95.8 89.8 67.7
duke bot    R50 87.2 77.0 42.1 · R50-ibn 89.3 79.6 45.2 · S50 90.0 80.1 45.8 · R101-ibn 91.2 81.2 47.5
duke agw    R50 89.0 79.9 46.1 · R50-ibn 90.5 80.8 47.6 · S50 90.9 82.4 49.2 · R101-ibn 91.7 82.3 50.0
duke circle R50 90.3 80.3 46.5 · R50-ibn 90.8 81.2 47.0 · S50 91.0 81.4 47.6 · R101-ibn 91.9 83.6 51.5
duke mgn    R50-ibn 91.1 82.0 46.8
msmt17 bot  R50 74.1 50.2 10.4 · R50-ibn 77.0 54.4 12.5 · S50 80.8 59.9 16.3 · R101-ibn 81.0 59.4 15.6
msmt17 agw  R50 78.3 55.6 12.9 · R50-ibn 81.2 59.7 15.3 · S50 82.6 62.6 17.7 · R101-ibn 82.0 61.4 17.3
msmt17 sbs  R50 81.8 58.4 13.9 · R50-ibn 83.9 60.6 15.2 · S50 84.1 61.7 15.2 · R101-ibn 84.8 62.8 16.3
msmt17 mgn  R50-ibn 85.1 65.4 18.4
veri sbs    R50-ibn 97.0 81.9 46.3
vehicleid bot small 86.6 97.9 · medium 82.9 96.0 · large 80.6 93.9
veriwild bot  small 96.4 87.7 69.2 · medium 95.1 83.5 61.2 · large 92.5 77.3 49.8
"""
ROWS = {
    "_".join(line.split()[:2]): {
        row.split()[0]: row.split()[1:] for row in line.split(maxsplit=2)[2].split(" · ")
    }
    for line in ZOO.strip().splitlines()
}


def experiment_file(name):
    return ROOT / "experiments" / f"{name}.py"


def value_at(description, key):
    """`model.head.metric_feature` of a resolved experiment; augmentations by their names."""
    value = description
    for part in key.split("."):
        if isinstance(value, list):
            value = next(item for item in value if item["type"] == part)
        else:
            value = value[part]
    if key == "data.augmentation":
        return [item["type"] for item in value]
    return value


@pytest.mark.parametrize("name", VALUES)
def test_values_of_the_original(name):
    description = as_dict(load_experiment(experiment_file(name)))
    assert {key: value_at(description, key) for key in VALUES[name]} == VALUES[name]
    retrieval = name.endswith("_retrieval")
    assert set(description["losses"]) == {"cross_entropy"} | (set() if retrieval else {"triplet"})


def docstring_rows(name):
    docstring = experiment_file(name).read_text().split('"""')[1]
    found = re.findall(r"^    ([\w-]+) +(\d\S+) +(\d\S+)(?: +(\d\S+))?(?:   (.+))?$", docstring, re.MULTILINE)
    return {row: ([number for number in numbers if number], what) for row, *numbers, what in found}


@pytest.mark.parametrize("name", ROWS)
def test_reference_numbers_of_the_docstring(name):
    assert {row: numbers for row, (numbers, _) in docstring_rows(name).items()} == ROWS[name]
    assert "Reference: FastReID's model zoo" in experiment_file(name).read_text()


@pytest.mark.parametrize(
    ("name", "row"), [(name, row) for name, rows in ROWS.items() for row in rows if row[0] in "RS"]
)
def test_the_change_that_makes_a_row(name, row):
    change = docstring_rows(name)[row][1]
    experiment = load_experiment(experiment_file(name))
    if change.startswith("--"):
        experiment = override(experiment, change.split())
    elif change != "this file":
        names = {**vars(recipes), **vars(ex)}
        exec(experiment_file(name).read_text(), names)
        experiment = eval(change, names)
        assert experiment.name == f"{name}_s50"
    backbone = experiment.model.backbone
    if row == "S50":
        assert backbone == ex.ResNeSt(depth=50, last_stride=1, non_local=False, pretrained="imagenet")
    else:
        assert (backbone.depth, backbone.ibn) == (int(row[1:].split("-")[0]), row.endswith("-ibn"))
    # Nothing else changes.
    unchanged = load_experiment(experiment_file(name))
    assert experiment.data == unchanged.data
    assert experiment.schedule == unchanged.schedule


def test_arguments_of_adapt():
    dataset = VehicleID("small")
    experiment = recipes.adapt("mine", "runs/source", dataset, depth=101, ibn=True)
    assert (experiment.name, experiment.adaptation.source) == ("mine", "runs/source")
    assert experiment.data.dataset is dataset
    backbone = experiment.model.backbone
    assert (backbone.depth, backbone.ibn, backbone.pretrained) == (
        101,
        True,
        None,
    )  # the source has the weights
    own = ex.OSNet()
    assert recipes.adapt("mine", "runs/source", dataset, backbone=own).model.backbone is own


@pytest.mark.parametrize("name", sorted({*recipes.__all__} - {"adapt"}))
def test_arguments_of_a_recipe(name):
    recipe = getattr(recipes, name)
    dataset = VehicleID("small")
    experiment = recipe("mine", dataset, pretrained=None)
    assert experiment.name == "mine"
    assert experiment.data.dataset is dataset
    assert experiment.model.backbone.pretrained is None
    assert recipe().name == name
    own = ex.OSNet()
    assert recipe(backbone=own).model.backbone is own
    transformer = name in ("vit", "transreid")
    other = recipe(depth="small" if transformer else 101)
    assert other.model.backbone.depth != recipe().model.backbone.depth
    if not transformer:
        ibn = recipe().model.backbone.ibn
        assert recipe(ibn=not ibn).model.backbone.ibn is not ibn


def test_transreid_without_its_jigsaw_branch():
    experiment = recipes.transreid(jigsaw=False, num_cameras=3, pretrained=None)
    assert experiment.model.backbone == ex.ViT(stride=(12, 12), num_cameras=3)
    assert experiment.model.head == ex.ClassTokenHead(num_parts=0)


RECALLS = {
    "cub": "69.46 79.57 87.53 92.61 95.75 97.35",
    "cars": "92.31 95.99 97.60 98.63 99.24 99.62",
    "sop": "82.46 92.56 96.78 98.95",
    "inshop": "91.97 98.29 98.85 99.11 99.24 99.35",
}


@pytest.mark.parametrize("name", RECALLS)
def test_reference_numbers_of_image_retrieval(name):
    docstring = experiment_file(f"{name}_retrieval").read_text().split('"""')[1]
    assert "Reference: FastReID's FastRetri" in docstring
    assert "  ".join(RECALLS[name].split()) + "; the paper's own code" in docstring
    ks = load_experiment(experiment_file(f"{name}_retrieval")).evaluation.recall
    assert f"Recall@{', '.join(map(str, ks[:-1]))} and {ks[-1]} in %" in docstring


def test_frozen_batch_normalization_of_image_retrieval():
    """Every normalisation of the backbone, and nothing else, learns in no step."""
    import keras

    from keras_reid.models.freezing import Freezing
    from keras_reid.run.model import build_model, compile_model

    experiment = recipes.retrieval(depth=18, pretrained=None)
    assert experiment.training.freeze_backbone_steps > 10**6
    small = replace(experiment, model=replace(experiment.model, backbone=ex.ResNet(depth=18, width=4)))
    model = compile_model(build_model(small, 5), small, steps_per_epoch=2)
    freezing = Freezing(model, experiment.training.freeze_layers)
    normalizations = [
        layer for layer in model.backbone.layers if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert len(normalizations) == 20
    assert {layer.name for layer in freezing.layers} == {layer.name for layer in normalizations}
    assert len(freezing.learning) == len(model.trainable_variables) - 2 * 20
    assert recipes.retrieval(backbone=ex.OSNet()).training.freeze_backbone_steps == 0


def test_the_vehicle_sets_are_tested_on_all_three_lists():
    for name in ("vehicleid_bot", "veriwild_bot"):
        data = load_experiment(experiment_file(name)).data
        assert [reader.size for reader in data.test_datasets] == ["small", "medium", "large"]
