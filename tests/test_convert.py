"""`keras-reid convert`: PyTorch files in, Keras models out."""

import re
import shutil
import warnings

import keras
import numpy as np
import pytest

from keras_reid.backbones import ResNet
from keras_reid.checkpoints import read_state_dict
from keras_reid.convert import main
from keras_reid.heads import BNNeckHead
from keras_reid.models import ReIDModel, load_model
from keras_reid.utils.errors import UserError
from tests.checkpoints.writing import write_torch_file
from tests.weights.test_fastreid import CLASSES, small_state
from tests.weights.test_torchreid import ain_state, check

YAML = """
MODEL:
  META_ARCHITECTURE: Baseline
  BACKBONE: {NAME: build_resnet_backbone, DEPTH: 18x, LAST_STRIDE: 2}
  HEADS: {NAME: EmbeddingHead, WITH_BNNECK: True, POOL_LAYER: GlobalMaxPool, NUM_CLASSES: COUNT}
INPUT:
  SIZE_TEST: [64, 32]
"""


@pytest.fixture
def checkpoint(tmp_path):
    """A file as FastReID writes it: the weights under "model", beside other things."""
    file = tmp_path / "model_final.pth"
    write_torch_file(file, {"model": small_state(), "epoch": 59})
    return file


def config(folder, name="config.yaml", classes=CLASSES):
    (folder / name).write_text(YAML.replace("COUNT", str(classes)))


def test_whole_model_with_the_config_beside_it(checkpoint, capsys):
    config(checkpoint.parent)
    output = checkpoint.parent / "new" / "model.keras"
    main([str(checkpoint), "--output", str(output)])
    printed = capsys.readouterr().out
    assert f"config: {checkpoint.parent / 'config.yaml'}" in printed
    assert "ResNet and BNNeckHead" in printed
    assert "images 64 × 32 → 32 numbers" in printed
    assert "note:" not in printed
    model = load_model(output)
    assert model.backbone.last_stride == 2
    assert type(model.pooling).__name__ == "GlobalMaxPooling2D"
    assert model.metadata["provenance"]["file"] == "model_final.pth"
    assert model.metadata["interpolation"] == "bicubic"
    weight = small_state()["backbone.layer1.0.conv1.weight"]
    kernel = np.asarray(model.backbone.get_layer("layer1.0.conv1").kernel)
    np.testing.assert_array_equal(kernel, np.transpose(weight, (2, 3, 1, 0)))


def test_config_of_the_files_own_name_comes_first(checkpoint, capsys):
    config(checkpoint.parent)
    config(checkpoint.parent, "model_final.yml")
    main([str(checkpoint), "--output", str(checkpoint.with_suffix(".keras"))])
    assert "model_final.yml" in capsys.readouterr().out


def test_config_of_another_program_is_skipped(checkpoint, capsys):
    (checkpoint.parent / "model_final.yml").write_text("trainer: {gpus: 1}")
    config(checkpoint.parent)
    main([str(checkpoint), "--output", str(checkpoint.with_suffix(".keras"))])
    printed = capsys.readouterr().out
    assert re.search(r"note: not used: .*model_final\.yml is not a FastReID config", printed)
    assert f"config: {checkpoint.parent / 'config.yaml'}" in printed
    own = str(checkpoint.parent / "model_final.yml")
    with pytest.raises(UserError, match=r"model_final\.yml is not a FastReID config"):
        main([str(checkpoint), "--output", str(checkpoint.with_suffix(".keras")), "--config", own])


def test_the_file_is_read_once(checkpoint, monkeypatch):
    reads = []

    def counted(source):
        reads.append(source)
        return read_state_dict(source)

    monkeypatch.setattr("keras_reid.checkpoints.read_state_dict", counted)
    monkeypatch.setattr("keras_reid.weights.fastreid.read_state_dict", counted)
    main([str(checkpoint), "--output", str(checkpoint.with_suffix(".keras"))])
    assert [source for source in reads if not isinstance(source, dict)] == [checkpoint]


def test_notes_are_printed_before_an_error(checkpoint, capsys):
    state = small_state()
    state["backbone.bn1.bias"] = np.zeros(9, "float32")
    write_torch_file(checkpoint, state)
    with pytest.raises(UserError, match=r"^\S+model_final\.pth: Weights and network do not fit"):
        main([str(checkpoint), "--output", str(checkpoint.with_suffix(".keras"))])
    assert "note: Neither the weights nor `config` tell" in capsys.readouterr().out


def test_warnings_of_others_stay_warnings(checkpoint, monkeypatch, capsys):
    def warns(*_, **__):
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        return ResNet(18, width=2)

    monkeypatch.setattr("keras_reid.weights.whole_model.build_model", warns)
    with pytest.warns(DeprecationWarning, match="old"):
        main([str(checkpoint), "--output", str(checkpoint.with_suffix(".keras"))])
    assert "note:" not in capsys.readouterr().out


def test_without_config_says_what_is_assumed(checkpoint, capsys):
    main([str(checkpoint), "--output", str(checkpoint.with_suffix(".keras"))])
    assert "note: Neither the weights nor `config` tell" in capsys.readouterr().out


def test_network_without_head_becomes_a_backbone(tmp_path, capsys):
    state = {
        name.removeprefix("backbone."): value
        for name, value in small_state().items()
        if name.startswith("backbone.")
    }
    state |= {"fc.weight": np.zeros((1000, 32), "float32"), "fc.bias": np.zeros(1000, "float32")}
    write_torch_file(tmp_path / "resnet18.pth", state)
    main([str(tmp_path / "resnet18.pth"), "--output", str(tmp_path / "resnet18.keras")])
    printed = capsys.readouterr().out
    assert "the backbone ResNet" in printed
    assert "left out: fc.weight, fc.bias" in printed
    assert "so they are assumed: last_stride=1\n" in printed
    backbone = keras.saving.load_model(tmp_path / "resnet18.keras")
    assert (backbone.depth, backbone.width) == (18, 4)
    np.testing.assert_array_equal(np.asarray(backbone.get_layer("bn1").gamma), state["bn1.weight"])
    model = ReIDModel(backbone, keras.layers.GlobalAveragePooling2D(), BNNeckHead(3), (64, 32))
    assert model.predict(np.zeros((1, 64, 32, 3), "uint8"), verbose=0).shape == (1, 32)
    assert ResNet(18, width=4, pretrained=str(tmp_path / "resnet18.pth")).depth == 18


@pytest.mark.medium
def test_torchreids_file_becomes_a_whole_model_or_a_backbone(tmp_path, capsys):
    state, expected = ain_state()
    write_torch_file(tmp_path / "osnet_ain.pth", {"state_dict": state, "epoch": 3})
    main([str(tmp_path / "osnet_ain.pth"), "--output", str(tmp_path / "whole.keras")])
    assert "OSNetAIN and FullyConnectedHead" in capsys.readouterr().out
    check(load_model(tmp_path / "whole.keras"), state, expected)
    main([str(tmp_path / "osnet_ain.pth"), "--output", str(tmp_path / "backbone.keras"), "--backbone"])
    printed = capsys.readouterr().out
    assert "the backbone OSNetAIN" in printed
    assert "left out: fc.0.weight" in printed


def test_backbone_of_fastreids_file(checkpoint, capsys):
    config(checkpoint.parent)
    output = checkpoint.with_suffix(".keras")
    main([str(checkpoint), "--output", str(output), "--backbone"])
    printed = capsys.readouterr().out
    assert "the backbone ResNet" in printed
    assert "left out: heads." in printed
    given = ["--backbone", "--config", str(checkpoint.parent / "config.yaml")]
    with pytest.raises(UserError, match="leave out either it or --backbone"):
        main([str(checkpoint), "--output", str(output), *given])


class Attack:
    def __reduce__(self):
        import os

        return os.system, ("touch attacked",)


def bad_inputs(folder):
    """`{what is wrong: (file, what the error says)}`."""
    import pickle

    good = (folder / "model_final.pth").read_bytes()
    (folder / "truncated.pth").write_bytes(good[: len(good) // 2])
    (folder / "attack.pth").write_bytes(pickle.dumps({"model": Attack()}))
    (folder / "empty.pth").touch()
    (folder / "page.pth").write_text("<!DOCTYPE html><html>Not found</html>")
    other = {"encoder.layers.0.weight": np.zeros((2, 2), "float32")}
    write_torch_file(folder / "other.pth", other)
    missing = small_state()
    del missing["backbone.layer1.0.conv1.weight"]
    write_torch_file(folder / "half.pth", missing)
    return ["truncated", "attack", "empty", "page", "other", "half", "absent"]


def test_bad_files_are_refused_and_nothing_is_written(checkpoint, monkeypatch):
    folder = checkpoint.parent
    monkeypatch.chdir(folder)
    for name in bad_inputs(folder):
        before = sorted(path.name for path in folder.iterdir())
        with pytest.raises(UserError) as caught:
            main([f"{name}.pth", "--output", "out.keras"])
        assert f"{name}.pth" in str(caught.value)
        assert sorted(path.name for path in folder.iterdir()) == before, name
    assert not (folder / "attacked").exists()


def test_wrong_number_of_classes(checkpoint):
    config(checkpoint.parent, classes=751)
    with pytest.raises(UserError, match=rf"disagree about MODEL\.HEADS\.NUM_CLASSES: 751 and {CLASSES}"):
        main([str(checkpoint), "--output", str(checkpoint.with_suffix(".keras"))])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["FILE", "--output", "model.h5"], r"must be a file that ends in \.keras"),
        (["FILE", "--output", "model.keras", "--config", "no.yml"], r"no\.yml: there is no such file"),
        (["FILE"], "output"),
    ],
)
def test_bad_arguments(arguments, message, checkpoint):
    arguments = [str(checkpoint) if value == "FILE" else value for value in arguments]
    with pytest.raises(UserError, match=message):
        main(arguments)


@pytest.mark.slow
def test_as_a_command(command, checkpoint):
    process = command("convert", checkpoint, "--output", command.folder / "converted.keras")
    assert "converted.keras: ResNet and BNNeckHead" in process.stdout
    shutil.copy(checkpoint, command.folder / "broken.pth")
    (command.folder / "broken.pth").write_bytes(checkpoint.read_bytes()[:1000])
    process = command("convert", "broken.pth", "--output", "no.keras", ok=False, cwd=command.folder)
    assert process.returncode == 2
    assert process.stderr.count("\n") == 1
    assert "Traceback" not in process.stderr
