"""Pictures and pages of results. Importing it needs neither TensorFlow nor Keras."""

from keras_reid.visualization.drawing import draw_ranked_lists
from keras_reid.visualization.ranked_list import RankedImage, RankedList, ranked_lists
from keras_reid.visualization.report import write_report

__all__ = ["RankedImage", "RankedList", "draw_ranked_lists", "ranked_lists", "write_report"]
