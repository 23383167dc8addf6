"""Pictures and pages of results. Importing it needs neither TensorFlow nor Keras."""

from keras_reid.visualization.activation import similarity_maps
from keras_reid.visualization.comparison import write_comparison
from keras_reid.visualization.findings import Findings, find
from keras_reid.visualization.query_choice import choose_queries
from keras_reid.visualization.ranked_list import RankedImage, RankedList, ranked_lists
from keras_reid.visualization.ranked_list_picture import draw_ranked_lists
from keras_reid.visualization.report import write_report

__all__ = [
    "Findings",
    "RankedImage",
    "RankedList",
    "choose_queries",
    "draw_ranked_lists",
    "find",
    "ranked_lists",
    "similarity_maps",
    "write_comparison",
    "write_report",
]
