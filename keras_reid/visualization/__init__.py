"""Pictures and pages of results. Importing it needs neither TensorFlow nor Keras."""

from keras_reid.utils.moved import warn
from keras_reid.visualization.activation import similarity_maps
from keras_reid.visualization.comparison import write_comparison
from keras_reid.visualization.findings import Findings, collect_findings
from keras_reid.visualization.query_choice import choose_queries
from keras_reid.visualization.ranked_list import RankedImage, RankedList, ranked_lists
from keras_reid.visualization.ranked_list_picture import draw_ranked_lists
from keras_reid.visualization.report import write_report
from keras_reid.visualization.retrieval_charts import draw_reliability
from keras_reid.visualization.schedule_picture import draw_schedule

__all__ = [
    "Findings",
    "RankedImage",
    "RankedList",
    "choose_queries",
    "collect_findings",
    "draw_ranked_lists",
    "draw_reliability",
    "draw_schedule",
    "ranked_lists",
    "similarity_maps",
    "write_comparison",
    "write_report",
]


def __getattr__(name):
    if name == "find":
        warn("keras_reid.visualization.find", "keras_reid.visualization.collect_findings")
        return collect_findings
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
