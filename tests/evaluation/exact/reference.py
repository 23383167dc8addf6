"""What `keras_reid.evaluation.exact` computes, by definition: slow, and short enough to be read."""

import numpy as np

from keras_reid.evaluation import Distances
from keras_reid.evaluation.ground_truth import GroundTruth


def ranks_by_definition(query, gallery, metric, protocol):
    """`(matches,)` ranks from 1, query after query: a full stable sort of exact distances without the junk."""
    truth, ranks = GroundTruth(query, gallery, protocol), []
    for index, row in enumerate(np.asarray(Distances(query, gallery, metric))):
        positives, junk = truth[index]
        row[junk] = np.inf
        rank = np.empty(len(row), int)
        rank[np.argsort(row, kind="stable")] = np.arange(1, len(row) + 1)
        ranks.append(np.sort(rank[positives]))
    return np.concatenate(ranks)


def nearest_by_definition(query, gallery, k, metric, protocol):
    """`(indices, distances)` of `nearest`: a full stable sort of exact distances without the junk."""
    truth = GroundTruth(query, gallery, protocol)
    k = min(k, len(gallery))
    indices = np.full((len(query), k), -1)
    values = np.full((len(query), k), np.inf, np.float32)
    for index, row in enumerate(np.asarray(Distances(query, gallery, metric))):
        junk = set(truth[index][1].tolist())
        order = [item for item in np.argsort(row, kind="stable").tolist() if item not in junk][:k]
        indices[index, : len(order)], values[index, : len(order)] = order, row[order]
    return indices, values


def counts_by_definition(scores, offsets, low, high):
    """`above` of a `BlockCounter`, and the set of `(row, column)` of its doubtful scores."""
    above, doubtful = np.zeros(len(low), int), set()
    for row, line in enumerate(scores):
        intervals = range(offsets[row], offsets[row + 1])
        for column, score in enumerate(line):
            if any(low[i] <= score <= high[i] for i in intervals):
                doubtful.add((row, column))
            else:
                for i in intervals:
                    above[i] += score > high[i]
    return above, doubtful
