"""The option `--trust-code`, which all commands share that may execute the code of a run."""

from typing import Annotated

import tyro

TrustCode = Annotated[
    bool,
    tyro.conf.arg(
        help="execute the experiment.py of a run that was not trained on this machine. It can do whatever you can: "
        "read it first. That of your own runs is known by its hash, and executed where it is needed"
    ),
]
