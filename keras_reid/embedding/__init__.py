"""Embeddings of images: find the files, compute, store. Light to import: TensorFlow loads with the first model.

- `embedder`: `Embedder`, images of any kind → embeddings, at once; `backends/`: what computes them.
- `frame_embedder`, `frame_crops`: `FrameEmbedder`, a frame and boxes → embeddings, as trackers call it.
- `image_inputs`, `image_reader`, `pixel_batches`: what may be embedded, and how it becomes pixels: by TensorFlow
  (`tensorflow_reader`) or without it (`pillow_reader`).
- `named_images`: which files a user's names stand for.
- `computing`: image files → embeddings, in memory (`embed_paths`) or into a store (`embed_into`).
- `store`, `store_files`: embeddings on disk that survive a kill; `npz_file`: the file that `embed` writes.
- `vectors`: checks and normalises embeddings.
"""

from keras_reid.embedding.computing import embed_into, embed_paths
from keras_reid.embedding.embedder import Embedder
from keras_reid.embedding.frame_embedder import FrameEmbedder
from keras_reid.embedding.image_inputs import UnreadableImage
from keras_reid.embedding.named_images import ImageFile, find_images
from keras_reid.embedding.store import EmbeddingStore
from keras_reid.embedding.vectors import check_finite, l2_normalize

__all__ = [
    "Embedder",
    "EmbeddingStore",
    "FrameEmbedder",
    "ImageFile",
    "UnreadableImage",
    "check_finite",
    "embed_into",
    "embed_paths",
    "find_images",
    "l2_normalize",
]
