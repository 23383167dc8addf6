"""`python -m keras_reid.serving.client URL IMAGES… --output F.npz`: embeddings of image files from a server."""

import dataclasses
import pathlib
from typing import Annotated

import tyro

from keras_reid.embedding.named_images import find_images
from keras_reid.utils import command_line
from keras_reid.utils.errors import UserError


@dataclasses.dataclass(frozen=True)
class Embed:
    """Let a server compute the embeddings of image files, and write them to a file.

    The file has the format of `keras-reid embed`: `embeddings`, float32 of shape (images, dimensions) and
    unit length, and `paths`. It is written completely or not at all. Without images, the command prints what the server
    says about the model.
    """

    url: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="URL")]
    """http://HOST:8501 or https:// for REST, grpc://HOST:8500 or grpcs:// for gRPC"""
    images: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="IMAGES")] = ()
    """image files, and folders of images, including sub-folders"""
    output: pathlib.Path | None = None
    """the .npz file to write"""
    model: str = "reid"
    """name of the model on the server"""
    version: int | None = None
    """version number; by default the newest version"""
    label: str | None = None
    """version label, such as stable or canary, instead of a number"""
    batch_size: int = 32
    """images in a request"""
    in_flight: int = 4
    """number of requests at the same time"""
    timeout: float = 30.0
    """seconds for one request"""
    retries: int = 4
    """how often to repeat a request if the server cannot be reached, is starting or is full"""
    header: tuple[str, ...] = ()
    """header to send with each request, as 'Name: value'"""
    ca: pathlib.Path | None = None
    """PEM file of certificate authorities to trust instead of the system's"""


def main(arguments: list[str]) -> None:
    options = command_line.parse(Embed, arguments, prog="python -m keras_reid.serving.client")
    if options.images and (options.output is None or options.output.suffix != ".npz"):
        raise UserError(f"--output must be a file that ends in .npz. Received: {options.output}")
    if options.output is not None and not options.images:
        raise UserError("name at least one image or folder after the address")
    headers = dict(map(_header, options.header))
    paths = find_images(options.images)

    from keras_reid.serving.client import Client

    settings = dataclasses.asdict(options)
    for name in ("images", "output", "header"):
        del settings[name]
    with Client(**settings, headers=headers) as client:
        client.check_available()
        if paths:
            _embed(client, paths, options.output)
        else:
            _describe(client)


def _embed(client, paths, output):
    import numpy as np

    from keras_reid.utils.files import written_aside
    from keras_reid.utils.progress import progress

    with progress("embedding", len(paths)) as advance:
        embeddings = client.embed(paths, advance)
    bad = ~np.isfinite(embeddings).all(axis=1)
    if bad.any():
        raise UserError(f"{paths[bad.argmax()]}: the model returns NaN or infinity")
    with written_aside(output) as aside:
        np.savez(aside, embeddings=embeddings, paths=np.array(paths))
    print(f"{output}: {len(embeddings)} embeddings of {embeddings.shape[1]} numbers")


def _describe(client):
    import json

    for entry in client.status():
        print(f"version {entry['version']}: {entry['state']} {entry['error']}".rstrip())
    print(json.dumps(client.metadata(), indent=2))


def _header(text):
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise UserError(f"--header must be 'Name: value'. Received: {text}")
    return name.strip(), value.strip()


if __name__ == "__main__":
    command_line.run(main)
