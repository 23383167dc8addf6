"""Images for tests: small, random but smooth, so that JPEG keeps them."""

import io

import numpy as np
from PIL import Image


def random_image(height, width, seed=0):
    """A PIL image with soft random colours."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (max(height // 4, 1), max(width // 4, 1), 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image, kind="JPEG", **options):
    """The bytes of a file."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def write_image(path, seed=0, size=(16, 8)):
    """Writes a small JPEG file with its folders; returns its path as a string."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random_image(*size, seed=seed).save(path, "JPEG")
    return str(path)
