"""`keras-reid push RUN TARGET`: shares a model on the Hugging Face Hub, or as a folder."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from keras_reid.experiment.run_directory import finished_run
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class Push:
    """Share a run's model: on the Hugging Face Hub in one commit, or as a folder of the same layout.

    Sent are model.keras, the card, experiment.json (without the folders of this machine), metrics.json, the exports
    with their parity.json, and SHA256SUMS, against which every reader checks the files. Images and code are not sent.

    The token is that of HF_TOKEN or of `hf auth login`. What has been published can be copied by anybody at once: look
    at a folder first.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """finished run directory (runs/NAME). Its README.md, which `keras-reid card` writes, is the card; without one, the
    card is made now"""
    target: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="TARGET")]
    """hf://ORGANISATION/REPOSITORY[@BRANCH], which is created if need be, or a folder"""
    exports: Path | None = None
    """folder that `keras-reid export` wrote for this run"""
    licence: str | None = None
    """the licence for a card that is made now, as the Hub names it: apache-2.0, mit, cc-by-nc-4.0, other"""
    private: bool = False
    """create a private repository; one that is public is refused"""


def main(arguments: list[str]) -> None:
    options = command_line.parse(
        Push, arguments, prog="keras-reid push", config=(tyro.conf.FlagCreatePairsOff,)
    )
    run = finished_run(options.run)
    from keras_reid.visualization.model_card import model_card
    from keras_reid.zoo.hub import PREFIX, HubPath
    from keras_reid.zoo.sharing import CARD, check_share_target, find_exports, share

    on_hub = options.target.startswith(PREFIX)
    if on_hub:
        place = HubPath.parse(options.target)
    elif options.private:
        raise UserError(f"--private is for the Hub, and TARGET is a folder. Received: {options.target}")
    else:
        check_share_target(options.target)
    find_exports(options.exports, run.path)
    if (run / CARD).is_file():
        if options.licence:
            raise UserError(
                f"--licence is for a card that is made now, and {run / CARD} is there. Change it there"
            )
        card = (run / CARD).read_text(encoding="utf-8")
        print(f"card: {run / CARD}")
    else:
        address = f"{PREFIX}{place.repository}" if on_hub else "model.keras"
        card = model_card(run.path, options.exports, options.licence, address)
        print("card: made from the run's files; `keras-reid card` writes it for you to complete")
    where, hashes = share(run.path, options.target, card, options.exports, options.private)
    print(f"{where}: {len(hashes)} files and their SHA-256")
    for name, digest in hashes.items():
        print(f"  {digest[:12]}  {name}")


if __name__ == "__main__":
    command_line.run(main)
