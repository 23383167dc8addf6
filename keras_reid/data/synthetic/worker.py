"""The process that draws a share of a data set; `generate` starts it. It reports each identity on standard output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

from keras_reid.data.synthetic import drawn_set, tracklets
from keras_reid.data.synthetic.drawn_set import FULL
from keras_reid.utils.full_disk import is_full

DRAWERS = {"images": drawn_set.draw_share, "tracklets": tracklets.draw_share}


def main(arguments: Sequence[str]) -> None:
    """Draws share `arguments[1]` of the job described in JSON by `arguments[0]`."""
    job, share = json.loads(arguments[0]), int(arguments[1])
    for done in DRAWERS[job["draws"]](job, share):
        os.write(
            sys.stdout.fileno(), f"{done}\n".encode()
        )  # a single write, so that lines of two processes never mix


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (KeyboardInterrupt, BrokenPipeError):  # the parent was stopped or has ended
        sys.stderr.close()
        sys.exit(130)
    except OSError as error:
        if not is_full(error):
            raise
        sys.exit(FULL)  # the parent reports it once
