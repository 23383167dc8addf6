"""Weights that others published, trained on ImageNet: where they are, and fetching them."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
from typing import TYPE_CHECKING

from keras_reid.checkpoints.torch_file import why_no_torch_file
from keras_reid.utils.errors import UserError
from keras_reid.utils.fetching import cache_folder, fetch_file, problem_of

if TYPE_CHECKING:
    from pathlib import Path

# ImageNet is given to researchers for non-commercial research and education only. Whether that binds weights trained on
# it is for those to decide who use them.
_IMAGENET = "trained on ImageNet, whose terms of access are for non-commercial research and education"


@dataclasses.dataclass(frozen=True)
class Published:
    """A weights file that somebody published.

    Args:
        url: Where it is.
        file: Its name in the cache.
        sha256_prefix: The first digits of its SHA-256, or None where the publisher gives none.
        licence: What is known of its terms.
        source: Who published it.
    """

    url: str
    file: str
    sha256_prefix: str | None
    licence: str
    source: str


def _hashed(name, url, licence, source):
    """A file whose name ends with the first digits of its SHA-256, as PyTorch's hub expects."""
    file = url.rsplit("/", 1)[1]
    prefix = re.fullmatch(r".*-([0-9a-f]{8})\.pth", file)[1]
    return {name: Published(url, file, prefix, f"{licence}; {_IMAGENET}", source)}


def _torchvision(name, digits):
    url = f"https://download.pytorch.org/models/{name}-{digits}.pth"
    licence = "code BSD-3-Clause, the weights may have terms of their own"
    return _hashed(name, url, licence, "https://github.com/pytorch/vision")


def _ibn_net(name, digits, file=None):
    url = f"https://github.com/XingangPan/IBN-Net/releases/download/v1.0/{file or name}-{digits}.pth"
    return _hashed(name, url, "see the LICENSE of the source", "https://github.com/XingangPan/IBN-Net")


def _resnest(name, digits):
    source = "https://github.com/zhanghang1989/ResNeSt"
    return _hashed(
        name, f"{source}/releases/download/weights_step1/{name}-{digits}.pth", "Apache-2.0", source
    )


def _torchreid(name, drive_id):
    url = f"https://drive.usercontent.google.com/download?id={drive_id}&export=download&confirm=t"
    source = "https://github.com/KaiyangZhou/deep-person-reid"
    return {name: Published(url, f"{name}_imagenet.pth", None, f"MIT; {_IMAGENET}", source)}


# The files that FastReID starts from, and torchvision's for networks that FastReID has no weights for.
PUBLISHED = {
    **_torchvision("resnet18", "5c106cde"),
    **_torchvision("resnet34", "333f7ec4"),
    **_torchvision("resnet50", "19c8e357"),
    **_torchvision("resnet101", "5d3b4d8f"),
    **_torchvision("resnet152", "b121ed2d"),
    **_torchvision("resnext50_32x4d", "7cdf4587"),
    **_torchvision("mobilenet_v2", "b0353104"),
    **_ibn_net("resnet18_ibn_a", "2f571257"),
    **_ibn_net("resnet34_ibn_a", "94bc1577"),
    **_ibn_net("resnet50_ibn_a", "d9d0bb7b"),
    **_ibn_net("resnet101_ibn_a", "59ea0ac6"),
    **_ibn_net("se_resnet101_ibn_a", "fabed4e2"),
    **_ibn_net("resnext101_32x4d_ibn_a", "6ace051d", file="resnext101_ibn_a"),
    **_resnest("resnest50", "528c19ca"),
    **_resnest("resnest101", "22405ba7"),
    **_resnest("resnest200", "75117900"),
    **_resnest("resnest269", "0cc87c48"),
    **_torchreid("osnet_x1_0", "1LaG1EJpHrxdAxKnSCJ_i0u-nbxSAeiFY"),
    **_torchreid("osnet_x0_75", "1uwA9fElHOk3ZogwbeY5GkLI6QPTX70Hq"),
    **_torchreid("osnet_x0_5", "16DGLbZukvVYgINws8u8deSaOqjybZ83i"),
    **_torchreid("osnet_x0_25", "1rb8UN5ZzPKRc_xvtHlyDh-cSz88YX9hs"),
    **_torchreid("osnet_ibn_x1_0", "1sr90V6irlYYDd4_4ISU2iruoRG8J__6l"),
    **_torchreid("osnet_ain_x1_0", "1-CaioD9NaqbHK_kzSMW8VE4_3KcsRjEo"),
    **_torchreid("osnet_ain_x0_75", "1apy0hpsMypqstfencdH-jKIUEFOW4xoM"),
    **_torchreid("osnet_ain_x0_5", "1KusKvEYyKGDTUBVRxRiz55G31wkihB6l"),
    **_torchreid("osnet_ain_x0_25", "1SxQt2AvmEcgWNhaRb2xC4rP6ZwVDP0Wt"),
}


def fetch(name: str, cache: str | os.PathLike[str] | None = None, offline: bool = False) -> Path:
    """The path of a published weights file, fetched if it is not in the cache yet.

    A file of the right name in the cache is taken only if it is the published one, by its SHA-256 where the
    publisher gives one.

    Args:
        name: Key of `PUBLISHED`, as "resnet50".
        cache: Folder to keep files in. Defaults to `keras_reid` in Keras' own folder (`KERAS_HOME`, else
            `~/.keras`).
        offline: fetch nothing: the file must be in the cache.

    Raises:
        ValueError: if nobody published weights of this name.
        UserError: if the file cannot be fetched, or may not (`offline`), or if the fetched or cached file
            is not the published one.

    Example:
        >>> path = keras_reid.checkpoints.fetch("resnet50")  # doctest: +SKIP
        >>> path.name  # doctest: +SKIP
        'resnet50-19c8e357.pth'
    """
    if name not in PUBLISHED:
        raise ValueError(
            f"There are published weights for {', '.join(sorted(PUBLISHED))}. Received: {name}. Use None for random "
            "weights, or the path of a weights file."
        )
    published = PUBLISHED[name]
    path = pathlib.Path(cache or cache_folder()) / published.file
    expected = {
        "sha256": published.sha256_prefix,
        "check": why_no_torch_file if published.sha256_prefix is None else None,
    }
    if path.exists():
        problem = problem_of(path, **expected)
        if problem:
            raise UserError(
                f"{path} is not the file published at {published.url}: {problem}. Move it away to have it fetched "
                f'again, or pass your own file by its path: `pretrained="PATH"`.'
            )
        return path
    otherwise = f'put the file at {path}, or pass its path: `pretrained="PATH"`.'
    fetch_file(published.url, path, **expected, otherwise=otherwise, offline=offline)
    return path
