"""Search in a folder of pictures. Light to import: TensorFlow loads with the first image."""

from keras_reid.gallery.gallery_search import SearchHit, SearchResult, search_gallery
from keras_reid.gallery.index import Gallery, update_index
from keras_reid.gallery.scan import Scan, scan

__all__ = ["Gallery", "Scan", "SearchHit", "SearchResult", "scan", "search_gallery", "update_index"]
