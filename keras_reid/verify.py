"""`keras-reid verify RUN_OR_MODEL A B`: do two images show the same one or not?"""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import tyro

from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError
from keras_reid.utils.fetch_options import AcceptLicence, Offline
from keras_reid.utils.model_file import find_model_file
from keras_reid.utils.trust_option import TrustCode
from keras_reid.zoo.resolving import resolved


@dataclasses.dataclass(frozen=True)
class Verify:
    """Say whether two images show the same one: same, different or unsure, with the probability.

    The model must be calibrated: `keras-reid calibrate` does that. The verdict comes with the distance and
    the threshold, for a yes-or-no decision at the false-positive rate of the calibration.
    """

    run_or_model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_OR_MODEL")]
    """a run directory (runs/NAME) or a .keras file, calibrated; or the address of one"""
    a: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="A")]
    """an image file"""
    b: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="B")]
    """another one"""
    prior: float | None = None
    """how likely it is, before looking, that they show the same one: the share of same pairs, 0 to 1, among the pairs
    that you ask about. By default that of the calibration's test set, often below one in a hundred, as for a query and
    any image of its gallery; 0.5 is for pairs that are as often the same as not"""
    cameras: tuple[str, str] | None = None
    """the cameras of A and B, named as in the data set of the calibration. The threshold is then that of this pair of
    cameras; for a camera that was not calibrated it is a conservative one, and the answer says so"""
    json: bool = False
    """print it as JSON"""
    trust_code: TrustCode = False
    offline: Offline = False
    accept_licence: AcceptLicence = False


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Verify, arguments, prog="keras-reid verify", config=(tyro.conf.FlagCreatePairsOff,)
    )
    for image in (options.a, options.b):
        if not image.is_file():
            raise UserError(f"{image}: there is no such image file.")
    named = options.run_or_model
    options = resolved(options)
    file = find_model_file(options.run_or_model)
    # Every mistake is reported before the wait for TensorFlow.
    from keras_reid.evaluation.calibration.calibration import KEY, check_prior
    from keras_reid.utils.model_metadata import read_metadata

    if options.prior is not None:
        check_prior(options.prior)
    if not read_metadata(file).get(KEY):
        raise UserError(
            f"{file}: the model is not calibrated. Run `keras-reid calibrate {named}` first, "
            "with --dataset and a test set for a model file."
        )

    command_line.load_tensorflow()
    from keras_reid.evaluation import verify
    from keras_reid.models import load_model

    model = load_model(options.run_or_model, trust_code=options.trust_code)
    verdict = verify(model, options.a, options.b, options.prior, options.cameras)
    print(json.dumps(verdict.to_dict()) if options.json else verdict)


if __name__ == "__main__":
    command_line.run(main)
