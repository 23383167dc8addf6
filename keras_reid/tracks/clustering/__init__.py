"""Groups items into identities by calibrated evidence: how many there are is not given, but found.

- `log_odds`: the evidence of a pair's distance; `neighbours`: that of common neighbours;
  `expected_neighbours`: that of neighbours where identities differ in size; `prior`: how many pairs are
  the same at all.
- `agglomeration`: average linkage under constraints; `model_calibration`: what a model says of distances.
"""

from keras_reid.tracks.clustering.agglomeration import agglomerate, check_count, clusters_of, joins
from keras_reid.tracks.clustering.expected_neighbours import add_expected_neighbours
from keras_reid.tracks.clustering.log_odds import check_options, log_odds_of, pair_log_odds
from keras_reid.tracks.clustering.model_calibration import calibration_of
from keras_reid.tracks.clustering.neighbours import add_neighbours
from keras_reid.tracks.clustering.prior import estimated_prior

__all__ = [
    "add_expected_neighbours",
    "add_neighbours",
    "agglomerate",
    "calibration_of",
    "check_count",
    "check_options",
    "clusters_of",
    "estimated_prior",
    "joins",
    "log_odds_of",
    "pair_log_odds",
]
