"""`keras-reid convert FILE --output FILE`: PyTorch networks to Keras, and Keras models to safetensors."""

import contextlib
import dataclasses
import pathlib
import warnings
from typing import Annotated

import tyro

from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class Convert:
    """Convert a published re-identification network to a Keras model with the same embeddings, or a Keras model to
    safetensors.

    Reads complete models, including the head, from current FastReID and from its first releases, torchreid's OSNets,
    and the vision transformers of TransReID and PersonViT. The architecture is inferred from the names and shapes of
    the weights and, for FastReID, from the config. Pixel mean and deviation, image size and interpolation go into the
    model's metadata. The model is written only if every weight finds its place.

    A file without a head (torchvision, IBN-Net, timm) becomes a backbone to start training from.

    Checkpoints are files of torch.save (.pth, .pt, .bin) or of safetensors. Code inside a checkpoint is never run.

    A .keras file becomes a safetensors file with FastReID's names and PyTorch's layouts, with its options as metadata:
    what is made of it again has the same embeddings.
    """

    file: Annotated[tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="FILE")]
    """the checkpoint, or a .keras file"""
    output: pathlib.Path
    """the .keras file to write; of a .keras file, the .safetensors file"""
    part: str | None = None
    """which of several sets of weights in the checkpoint, such as ema, teacher or student; by default that under model,
    state_dict, model_state_dict, net or network, or the only one. The output lists the others"""
    config: pathlib.Path | None = None
    """FastReID's YAML file for the network; by default FILE.yml, FILE.yaml or config.yaml next to FILE.pth, if there is
    one from FastReID. Without a file, values that the weights do not determine are taken from FastReID's recipes, and
    listed"""
    backbone: bool = False
    """write the backbone alone, to start training from, and leave the head out"""


def main(arguments: list[str]) -> None:
    options = command_line.parse(Convert, arguments, prog="keras-reid convert")
    writes = options.file.suffix == ".keras"
    suffix = ".safetensors" if writes else ".keras"
    if options.output.suffix != suffix:
        what = " for a .keras file" if writes else ""
        raise UserError(f"--output must be a file that ends in {suffix}{what}. Received: {options.output}")
    if not options.file.is_file():
        raise UserError(f"{options.file}: there is no such file")
    if writes and (options.config, options.part, options.backbone) != (None, None, False):
        raise UserError("--config, --part and --backbone are for checkpoints, and a .keras file is none")
    if options.config is not None and not options.config.is_file():
        raise UserError(f"--config {options.config}: there is no such file")
    if options.config is not None and options.backbone:
        raise UserError("--config is of whole models: leave out either it or --backbone")

    command_line.load_tensorflow()
    if writes:
        _write_weights(options)
        return
    from keras_reid.checkpoints import find_state_dict
    from keras_reid.utils.files import written_aside

    found = find_state_dict(options.file, options.part)
    if said := str(found):
        print(f"{options.file}: {said}{'; --part chooses others' * bool(found.others and not options.part)}")
    state = found.arrays
    try:
        with _notes_printed():
            model = _backbone(state) if options.backbone else _whole_model(found, options)
    except UserError as error:
        if str(options.file) in str(error):
            raise
        raise UserError(f"{options.file}: {error}") from error
    with written_aside(options.output) as aside:
        model.save(aside)
    print(f"{options.output}: {_summary(model)}")


@contextlib.contextmanager
def _notes_printed():
    """Prints our own warnings as notes, even if an error follows; other warnings stay warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        finally:
            for warning in caught:
                if warning.category is UserWarning:
                    print(f"note: {warning.message}")
    for warning in caught:
        if warning.category is not UserWarning:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def _write_weights(options):
    from keras_reid.models import load_model
    from keras_reid.utils.model_file import read_config
    from keras_reid.weights import write_fastreid

    try:
        if read_config(options.file)["class_name"] == "ReIDModel":
            model = load_model(options.file)
        else:
            model = _load_backbone(options.file)
        state = write_fastreid(model, options.output)
    except UserError as error:
        if str(options.file) in str(error):
            raise
        raise UserError(f"{options.file}: {error}") from error
    print(f"{options.output}: {len(state)} arrays with FastReID's names, {_summary(model)}")


def _load_backbone(file):
    import keras

    import keras_reid.backbones  # noqa: F401  # registers them
    from keras_reid.models.checked_file import bounded_weights

    try:
        with bounded_weights(file):
            return keras.saving.load_model(file, compile=False)
    except UserError:
        raise
    except Exception as error:  # a damaged configuration may end in any
        raise UserError(f"{file}: cannot be loaded: {' '.join(str(error).split())[:200]}") from error


def _whole_model(found, options):
    from keras_reid.weights.fastreid_writing import saved_config
    from keras_reid.weights.fastreid_yaml import config_beside
    from keras_reid.weights.whole_model import layout_of, whole_model

    layout, config = layout_of(found.arrays), options.config
    if layout is None and config is None:
        return _backbone(found.arrays)
    if layout == "FastReID":
        config = config or config_beside(options.file)
    if config is not None:
        print(f"config: {config}")
    elif config := saved_config(found.metadata):
        print("config: that in the file")
    return whole_model(found.arrays, config, options.file.name)


def _backbone(state):
    from keras_reid.checkpoints.parts import backbone_part
    from keras_reid.weights.backbone import fill_backbone

    if before := backbone_part(state)[1]:
        print(f"the backbone is what begins with {before!r}")
    model, report, assumed = fill_backbone(state)
    if report.unused:
        print(f"left out: {', '.join(report.unused)}")
    if report.unfilled:
        print(f"not in the file, left random: {', '.join(report.unfilled)}")
    if assumed:
        told = ", ".join(f"{argument}={value}" for argument, value in assumed.items())
        print(f"note: the weights do not determine these values, so they are assumed: {told}")
    return model


def _summary(model):
    parameters = f"{model.count_params():,} parameters"
    if not hasattr(model, "metadata"):
        return f"the backbone {type(model).__name__}, {parameters}, without a head"
    height, width = model.image_size
    return (
        f"{type(model.backbone).__name__} and {type(model.head).__name__}, {parameters}, "
        f"images {height} × {width} → {model.embedding_dim} numbers"
    )


if __name__ == "__main__":
    command_line.run(main)
