"""The options `--offline` and `--accept-licence`, shared by all commands that take a published model by its name."""

from typing import Annotated

import tyro

Offline = Annotated[
    bool,
    tyro.conf.arg(
        help="fetch nothing: a published model is taken from the cache. The environment variable KERAS_REID_OFFLINE=1 "
        "says the same"
    ),
]
AcceptLicence = Annotated[
    bool,
    tyro.conf.arg(
        help="accept the licence of a published model that forbids commercial use. The environment variable "
        "KERAS_REID_ACCEPT_LICENCES=NAME,NAME says the same"
    ),
]
