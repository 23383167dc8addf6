"""Recipes for another domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_reid import experiment as ex
from keras_reid.recipes.persons import bot

if TYPE_CHECKING:
    from keras_reid.experiment.schema import Experiment


def adapt(
    name: str, source: Any, dataset: Any, depth: int = 50, ibn: bool = False, backbone: Any = None
) -> Experiment:
    """BoT's model that goes on with another domain's images, without their identities: clusters and their memory.

    Args:
        name: names the run.
        source: what it starts from, trained with `bot` on another data set: a run directory, a .keras file, or
            FastReID's .pth file.
        dataset: a data set reader, the target, of whose training part no identity is used.
        depth: layers of the source's ResNet.
        ibn: whether it has instance-batch normalisation.
        backbone: another backbone instead, as the source has it; the two arguments before it then say nothing.

    Example:
        >>> from keras_reid.data import DukeMTMC
        >>> adapt("mine", "runs/market_bot", DukeMTMC()).adaptation.eps
        0.6

    Source: Ge et al., Self-paced Contrastive Learning with Hybrid Memory for Domain Adaptive Object Re-ID, NeurIPS
    2020: clustering, temperature, batches, learning rate and length. Deliberate differences: outliers are left out
    instead of being instances of their own, clusters are not tested for their reliability, and the source's images are
    not seen again.
    """
    return bot(name, dataset, depth, ibn, pretrained=None, backbone=backbone).with_changes(
        {
            "losses": {"cluster_memory": ex.ClusterMemoryLoss(temperature=0.05, momentum=0.1)},
            "schedule": ex.MultiStep(milestones=(20, 40), gamma=0.1),
            "training.epochs": 50,
            "adaptation.source": source,
            "adaptation.eps": 0.6,
            "adaptation.min_samples": 4,
            "adaptation.k1": 30,
            "adaptation.k2": 6,
            "adaptation.steps_per_epoch": 400,
            "evaluation.every": 10,
        }
    )
