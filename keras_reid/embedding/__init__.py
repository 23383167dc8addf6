"""Embeddings of image files: find the files, compute, store. Light to import: TensorFlow loads with the first image.

- `named_images`: which files a user's names stand for.
- `computing`: image files → embeddings, in memory (`embed_paths`) or into a store (`embed_into`).
- `store`, `store_files`: embeddings on disk that survive a kill; `npz_file`: the file that `embed` writes.
- `vectors`: checks and normalises embeddings.
"""

from keras_reid.embedding.computing import embed_into, embed_paths
from keras_reid.embedding.named_images import ImageFile, find_images
from keras_reid.embedding.store import EmbeddingStore
from keras_reid.embedding.vectors import check_finite, l2_normalize

__all__ = [
    "EmbeddingStore",
    "ImageFile",
    "check_finite",
    "embed_into",
    "embed_paths",
    "find_images",
    "l2_normalize",
]
