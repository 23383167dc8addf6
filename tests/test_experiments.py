"""Every experiment file loads, is written down, builds in its full size, and smokes."""

import dataclasses
import functools
import importlib.util
import json
import math
import re
import subprocess
import sys

import pytest

from keras_reid.experiment import as_dict, load_experiment, smoke
from keras_reid.run import build_model
from tests.conftest import ROOT

EXPERIMENTS = sorted((ROOT / "experiments").glob("*.py"))
# One of each recipe; the others, which differ in their data, are slow.
QUICK = ["duke_circle", "market_bot", "market_agw", "market_mgn", "market_transreid"]
QUICK += ["market_to_duke", "partial_dsr", "cub_retrieval"]
OTHERS = [file.stem for file in EXPERIMENTS if file.stem not in QUICK]
# What an experiment needs that is not among the requirements.
PACKAGES = {"synthetic_dinov2": "keras_hub"}
CLASSES = 751
# Backbone, neck (without its offset, which is not trained), classifier: of the original, counted there.
TRAINABLE = {
    "market_bot": 25_048_128,
    "market_agw": 25_076_815,
    "market_sbs": 25_076_816,
    "market_mgn": 70_343_752,
    "market_vit": 85_746_432 + 768 + 751 * 768,
    # 11 blocks and two last ones with their normalisations, 211 positions, 6 cameras, five necks and classifiers.
    "market_transreid": 85_809_408 + 7_087_872 + 1_536 + 6 * 768 + 5 * (768 + 751 * 768),
}


@functools.cache
def loaded(name):
    return load_experiment(ROOT / "experiments" / f"{name}.py")


def shown(file):
    return file.stem


@pytest.mark.parametrize("file", EXPERIMENTS, ids=shown)
def test_is_a_lab_record(file):
    docstring = file.read_text().split('"""')[1]
    assert f"python -m keras_reid.fit experiments/{file.name}" in docstring
    if "Reference:" in docstring:
        assert "Paper:" in docstring
        assert "Data:" in docstring
        assert "Time:" in docstring
    # What we measured, with its numbers, or that we did not.
    assert re.search(r"^Ours: not measured\b|\bMeasured (for|on) [^:]*\d", docstring, re.MULTILINE)
    if "DukeMTMC" in docstring or "MSMT17" in docstring:
        assert "withdrawn" in docstring


@pytest.mark.parametrize("file", EXPERIMENTS, ids=shown)
def test_loads_and_is_written_down(file):
    experiment = loaded(file.stem)
    assert experiment.name == file.stem
    description = json.loads(json.dumps(as_dict(experiment)))
    assert description == as_dict(experiment)
    small, said = smoke(experiment)
    assert small.name == f"{file.stem}-smoke"
    assert said
    json.dumps(as_dict(small))


@functools.cache
def built(description):
    """Trainable parameters of the model; built once for all experiments that differ in their data only."""
    experiment = next(
        without_weights(file.stem)
        for file in EXPERIMENTS
        if model_as_text(without_weights(file.stem)) == description
    )
    model = build_model(experiment, num_classes=CLASSES)
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


def need_packages(name):
    if name in PACKAGES:
        pytest.importorskip(PACKAGES[name], reason=f"{PACKAGES[name]} is optional and not installed")


def without_weights(name):
    experiment = loaded(name)
    if not dataclasses.is_dataclass(experiment.model.backbone):
        return experiment
    backbone = dataclasses.replace(experiment.model.backbone, pretrained=None)
    return dataclasses.replace(experiment, model=dataclasses.replace(experiment.model, backbone=backbone))


def model_as_text(experiment):
    return json.dumps(as_dict(experiment.model))


@pytest.mark.medium
@pytest.mark.parametrize("file", EXPERIMENTS, ids=shown)
def test_builds_in_full_size(file):
    need_packages(file.stem)
    trainable = built(model_as_text(without_weights(file.stem)))
    assert trainable == TRAINABLE.get(file.stem, trainable)


PROGRAM = """
import gc, sys, traceback
from keras_reid import fit
from keras_reid.utils import command_line
command_line.load_tensorflow()
import keras
for file in sys.argv[1:]:
    print(f"======== {file}", flush=True)
    try:
        fit.main([file, "--smoke"])
    except BaseException:
        traceback.print_exc(file=sys.stdout)
    keras.backend.clear_session()
    gc.collect()
"""


def smoke_all(names, folder):
    """Smoke runs in one process, so that TensorFlow is loaded once; returns what each printed."""
    files = [str(ROOT / "experiments" / f"{name}.py") for name in names]
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, *files],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    printed = process.stdout.split("======== ")[1:]
    return dict(zip(names, printed, strict=True))


@pytest.fixture(scope="module")
def smoked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smoke")
    return folder, smoke_all(QUICK, folder)


@pytest.fixture(scope="module")
def others_smoked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smoke")
    there = [name for name in OTHERS if name not in PACKAGES or importlib.util.find_spec(PACKAGES[name])]
    return folder, smoke_all(there, folder)


def check_smoke_run(name, folder, printed):
    run = folder / "runs" / f"{name}-smoke"
    assert (run / "metrics.json").is_file(), printed[name]
    results = json.loads((run / "metrics.json").read_text())
    # With DSR also the distances of the embeddings alone.
    assert all(0 <= result["mAP"] <= 1 for result in results.values())
    assert len(results) == 1 + any("(cosine)" in name for name in results)
    assert (run / "model.keras").is_file()
    assert "smoke run: data set: Synthetic(preset='tiny')" in printed[name]


@pytest.mark.medium
@pytest.mark.parametrize("name", QUICK)
def test_smokes(name, smoked):
    check_smoke_run(name, *smoked)


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_the_others_smoke(name, others_smoked):
    need_packages(name)
    check_smoke_run(name, *others_smoked)
