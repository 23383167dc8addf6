"""A finished run without training: the files that a card and a push read."""

import json
import zipfile

from keras_reid.export.hashes import PARITY, file_hashes

METRICS = {
    "rank1": 0.9312,
    "rank5": 0.97,
    "rank10": 0.98,
    "mAP": 0.8444,
    "mINP": 0.5,
    "num_valid_queries": 3368,
}
CALIBRATION = {
    "metric": "cosine",
    "threshold": 0.2724,
    "false_positive_rate": 0.001,
    "operating_points": {"eer": 0.0472, "tpr@fpr=1e-3": 0.437},
    "thresholds": {"eer": 0.5459, "tpr@fpr=1e-3": 0.2724},
    "fitted_on": {"pairs": 32258},
}


def write_run(folder, name="market_r18", calibration=None, smoke=False):
    """Writes the run; returns its folder."""
    run = folder / name
    run.mkdir(parents=True)
    component = {"type": "ResNet", "depth": 18, "pretrained": "/home/me/weights/resnet18.pth"}
    description = {
        "type": "Experiment",
        "name": name,
        "data": {
            "type": "Data",
            "dataset": {"type": "Market1501"},
            "root": "/home/me/private/datasets",
            "augmentation": [{"type": "Flip", "probability": 0.5}],
        },
        "model": {
            "type": "Model",
            "backbone": component,
            "pooling": {"type": "GeM", "p": 3.0},
            "head": {"type": "BNNeckHead"},
            "image_size": [256, 128],
        },
        "training": {"type": "Training", "epochs": 60, "seed": 0},
    }
    metadata = {
        "provenance": {"dataset": "market1501", "versions": {"keras": "3.15.1"}},
        "calibration": calibration,
    }
    contents = {
        "experiment.json": description,
        "command.json": {"file": "a.py", "arguments": [], "smoke": smoke, "seed": None},
        "metrics.json": {"market1501": METRICS},
    }
    for file, content in contents.items():
        (run / file).write_text(json.dumps(content))
    (run / "experiment.py").write_text('"""ResNet-18 on Market-1501."""\n')
    with zipfile.ZipFile(run / "model.keras", "w") as file:
        file.writestr(
            "config.json", json.dumps({"class_name": "ReIDModel", "config": {"metadata": metadata}})
        )
        file.writestr("model.weights.h5", "weights")
    return run


def write_exports(folder, verified=True):
    """Writes an artefact as `keras-reid export` does; returns the folder for `--exports`."""
    artefact = folder / "exports" / "onnx" / "float32"
    artefact.mkdir(parents=True)
    (artefact / "model.onnx").write_bytes(b"graph")
    parity = {
        "verified": verified,
        "max_difference": 4.7e-7,
        "min_cosine": 1.0,
        "sha256": file_hashes(artefact),
    }
    (artefact / PARITY).write_text(json.dumps(parity))
    return folder / "exports"
