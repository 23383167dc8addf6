"""`keras-reid convert`: PyTorch files in, Keras models out."""

import re
import shutil
import warnings

import keras
import numpy as np
import pytest

from keras_reid.backbones import ResNet
from keras_reid.checkpoints import find_state_dict, read_state_dict
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

    def counted(source, part=None):
        reads.append(source)
        return read_state_dict(source, part)

    def found(source, part=None):
        reads.append(source)
        return find_state_dict(source, part)

    monkeypatch.setattr("keras_reid.checkpoints.find_state_dict", found)
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


def test_parts_and_prefixes_are_found_and_told(tmp_path, capsys):
    file, output = tmp_path / "a.pth", tmp_path / "a.keras"
    state = {f"module.{name}": value for name, value in small_state().items()}
    averaged = {name: np.asarray(value * 0.5, "float32") for name, value in state.items()}
    write_torch_file(file, {"epoch": 3, "model_state_dict": state, "model_ema": {"state_dict": averaged}})
    config(tmp_path)
    main([str(file), "--output", str(output)])
    told = (
        f"{file}: the weights under 'model_state_dict', not those under 'model_ema.state_dict', names without"
    )
    assert f"{told} 'module.'; --part chooses others\n" in capsys.readouterr().out
    kernel = np.asarray(load_model(output).backbone.get_layer("conv1").kernel)
    main([str(file), "--output", str(output), "--part", "model_ema"])
    assert "the weights under 'model_ema.state_dict'" in capsys.readouterr().out
    np.testing.assert_array_equal(load_model(output).backbone.get_layer("conv1").kernel, kernel / 2)
    with pytest.raises(UserError, match=r"a\.pth has no part 'teacher'\. It has model_state_dict"):
        main([str(file), "--output", str(output), "--part", "teacher"])


def test_a_backbone_within_another_network(tmp_path, capsys):
    state = {
        f"base.{name.removeprefix('backbone.')}": value
        for name, value in small_state().items()
        if "heads" not in name
    }
    write_torch_file(tmp_path / "a.pth", {**state, "bottleneck.weight": np.ones(32, "float32")})
    main([str(tmp_path / "a.pth"), "--output", str(tmp_path / "a.keras")])
    printed = capsys.readouterr().out
    assert "the backbone is what begins with 'base.'\n" in printed
    assert "left out: bottleneck.weight\n" in printed


@pytest.mark.medium
def test_to_safetensors_and_back(checkpoint, capsys):
    config(checkpoint.parent)
    folder, first = checkpoint.parent, checkpoint.with_suffix(".keras")
    main([str(checkpoint), "--output", str(first)])
    weights, second = folder / "elsewhere" / "a.safetensors", folder / "b.keras"
    main([str(first), "--output", str(weights)])
    assert "a.safetensors: " in capsys.readouterr().out
    main([str(weights), "--output", str(second)])
    printed = capsys.readouterr().out
    assert "config: that in the file\n" in printed
    assert "note:" not in printed
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 32, 3)).astype("uint8")
    first, second = (load_model(file).predict(images, verbose=0) for file in (first, second))
    np.testing.assert_array_equal(first, second)


def test_only_checkpoints_have_parts(tmp_path):
    (tmp_path / "a.keras").touch()
    for options, message in (
        (["--output", "b.keras"], r"ends in \.safetensors for a \.keras file"),
        (["--output", "b.safetensors", "--part", "ema"], "are for checkpoints, and a .keras file is none"),
        (["--output", "b.safetensors"], r"a\.keras: not a Keras model file"),
    ):
        with pytest.raises(UserError, match=message):
            main([str(tmp_path / "a.keras"), *options])
