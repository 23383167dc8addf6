"""The option `--trust-code`, shared by all commands that may execute a run's code."""

from typing import Annotated

import tyro

TrustCode = Annotated[
    bool,
    tyro.conf.arg(
        help="execute the experiment.py of a run that was not trained on this machine. It can do anything you can, "
        "so read it first. For runs from this machine its hash is known, and it is executed when needed"
    ),
]
