"""`python -m keras_reid.convert FILE.pth --output model.keras`: a network trained in PyTorch as a Keras model."""

import dataclasses
import pathlib
import warnings
from typing import Annotated

import tyro

from keras_reid import command_line
from keras_reid.errors import UserError


@dataclasses.dataclass(frozen=True)
class Convert:
    """Turn a checkpoint of FastReID into a Keras model with the same embeddings.

    Reads the checkpoints of today's FastReID and of its first releases, whole models with their head. The architecture
    follows from the names and shapes of the weights and from the config; pixel mean and deviation, image size and
    interpolation go into the model's metadata. Every weight must find its place, or nothing is written.

    A file without a head (torchvision, IBN-Net, timm, torchreid) becomes a backbone instead, to start training from.

    No code that a checkpoint may carry is run.
    """

    file: Annotated[tyro.conf.Positional[pathlib.Path], tyro.conf.arg(metavar="FILE.pth")]
    """the checkpoint"""
    output: pathlib.Path
    """the .keras file to write"""
    config: pathlib.Path | None = None
    """FastReID's YAML file of the network; if not given, FILE.yml, FILE.yaml or config.yaml beside FILE.pth is read
    where it exists. Without any, what the weights do not tell is assumed as in the original's recipes, and said"""


def main(arguments):
    options = command_line.parse(Convert, arguments, prog="python -m keras_reid.convert")
    if options.output.suffix != ".keras":
        raise UserError(f"--output must be a file that ends in .keras. Received: {options.output}")
    if not options.file.is_file():
        raise UserError(f"{options.file}: there is no such file")
    if options.config is not None and not options.config.is_file():
        raise UserError(f"--config {options.config}: there is no such file")

    command_line.load_tensorflow()
    from keras_reid.checkpoints import read_state_dict
    from keras_reid.files import written_aside
    from keras_reid.weights import build_backbone, build_fastreid

    state = read_state_dict(options.file)
    config = options.config or _config_beside(options.file)
    with warnings.catch_warnings(record=True) as assumed:
        warnings.simplefilter("always", UserWarning)
        if _has_head(state):
            if config is not None:
                print(f"config: {config}")
            model = build_fastreid(options.file, config)
        else:
            model = build_backbone(state)
    for warning in assumed:
        if issubclass(warning.category, UserWarning):
            print(f"note: {warning.message}")
    with written_aside(options.output) as aside:
        model.save(aside)
    print(f"{options.output}: {_summary(model)}")


def _config_beside(file):
    """The YAML file that belongs to a checkpoint: of its name, or what FastReID writes into its output folder."""
    candidates = [file.with_suffix(suffix) for suffix in (".yml", ".yaml")]
    candidates += [file.with_name(f"config{suffix}") for suffix in (".yaml", ".yml")]
    return next((path for path in candidates if path.is_file()), None)


def _has_head(state):
    return any(name.removeprefix("module.").startswith(("backbone.", "heads.")) for name in state)


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
