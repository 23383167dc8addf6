"""`keras-reid convert FILE.pth --output model.keras`: converts a PyTorch network to Keras."""

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
    """Convert a published re-identification network to a Keras model with the same embeddings.

    Reads complete models, including the head, from current FastReID and from its first releases, torchreid's OSNets,
    and the vision transformers of TransReID and PersonViT. The architecture is inferred from the names and shapes of
    the weights and, for FastReID, from the config. Pixel mean and deviation, image size and interpolation go into the
    model's metadata. The model is written only if every weight finds its place.

    A file without a head (torchvision, IBN-Net, timm) becomes a backbone to start training from.

    Code inside a checkpoint is never run.
    """

    file: Annotated[tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="FILE.pth")]
    """the checkpoint"""
    output: pathlib.Path
    """the .keras file to write"""
    config: pathlib.Path | None = None
    """FastReID's YAML file for the network; by default FILE.yml, FILE.yaml or config.yaml next to FILE.pth, if there is
    one from FastReID. Without a file, values that the weights do not determine are taken from FastReID's recipes, and
    listed"""
    backbone: bool = False
    """write the backbone alone, to start training from, and leave the head out"""


def main(arguments: list[str]) -> None:
    options = command_line.parse(Convert, arguments, prog="keras-reid convert")
    if options.output.suffix != ".keras":
        raise UserError(f"--output must be a file that ends in .keras. Received: {options.output}")
    if not options.file.is_file():
        raise UserError(f"{options.file}: there is no such file")
    if options.config is not None and not options.config.is_file():
        raise UserError(f"--config {options.config}: there is no such file")
    if options.config is not None and options.backbone:
        raise UserError("--config is of whole models: leave out either it or --backbone")

    command_line.load_tensorflow()
    from keras_reid.checkpoints import read_state_dict
    from keras_reid.utils.files import written_aside

    state = read_state_dict(options.file)
    try:
        with _notes_printed():
            model = _backbone(state) if options.backbone else _whole_model(state, options)
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


def _whole_model(state, options):
    from keras_reid.weights.fastreid_yaml import config_beside
    from keras_reid.weights.whole_model import layout_of, whole_model

    layout = layout_of(state)
    if layout is None and options.config is None:
        return _backbone(state)
    config = options.config
    if config is None and layout == "FastReID":
        config = config_beside(options.file)
    if config is not None:
        print(f"config: {config}")
    return whole_model(state, config, options.file.name)


def _backbone(state):
    from keras_reid.weights.backbone import fill_backbone

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
