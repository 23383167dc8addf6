"""Embeddings of image files: computing, storing and writing them. Light to import: TensorFlow loads with the first image."""

from keras_reid.embedding.computing import check_finite, embed_paths, l2_normalize
from keras_reid.embedding.image_files import ImageFile, find_images
from keras_reid.embedding.store import EmbeddingStore

__all__ = ["EmbeddingStore", "ImageFile", "check_finite", "embed_paths", "find_images", "l2_normalize"]
