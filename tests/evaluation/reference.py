"""Retrieval metrics by definition: a full stable sort for each query, in plain Python and float64."""

import numpy as np


def distance_matrix(query, gallery, metric):
    q, g = query.embeddings.astype(np.float64), gallery.embeddings.astype(np.float64)
    if metric == "cosine":
        q = q / np.maximum(np.linalg.norm(q, axis=1, keepdims=True), 1e-30)
        g = g / np.maximum(np.linalg.norm(g, axis=1, keepdims=True), 1e-30)
        return np.array([[1 - float(np.float32((a * b).sum())) for b in g] for a in q])
    return np.array([[np.float32(np.sqrt(((a - b) ** 2).sum())) for b in g] for a in q])


def brute_force(query, gallery, distances, protocol):
    """`(cmc up to rank 50, AP, INP, valid)` from a full distance matrix."""
    first, ap, inp, valid = [], [], [], []
    for i, row in enumerate(distances):
        junk = np.zeros(len(gallery), bool)
        if protocol == "cross_camera":
            junk = (gallery.identities == query.identities[i]) & (gallery.cameras == query.cameras[i])
        order = [j for j in np.argsort(row, kind="stable") if not junk[j]]
        hits = [rank for rank, j in enumerate(order, 1) if gallery.identities[j] == query.identities[i]]
        valid.append(bool(hits))
        if hits:
            first.append(hits[0])
            ap.append(np.mean([count / rank for count, rank in enumerate(hits, 1)]))
            inp.append(len(hits) / hits[-1])
    cmc = [np.mean(np.array(first) <= rank) for rank in range(1, min(50, len(gallery)) + 1)]
    return np.array(cmc), np.array(ap), np.array(inp), np.array(valid)
