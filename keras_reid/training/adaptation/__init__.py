"""Unsupervised adaptation to another domain: images without identities, clustered before every epoch."""

from keras_reid.training.adaptation.cluster_sampler import ClusterSampler
from keras_reid.training.adaptation.pseudo_labels import check_installed, pseudo_labels
from keras_reid.training.adaptation.target import Target, cluster_memory

__all__ = ["ClusterSampler", "Target", "check_installed", "cluster_memory", "pseudo_labels"]
