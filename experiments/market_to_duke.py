"""Market-1501 → DukeMTMC-reID without the target's identities: clusters and a memory of them.

Paper: Ge et al., Self-paced Contrastive Learning with Hybrid Memory for Domain Adaptive Object Re-ID, NeurIPS 2020
       (arXiv 2006.02713); Dai et al., Cluster Contrast for Unsupervised Person Re-Identification, ACCV 2022.
Reference: FastReID, R50; mAP and Rank-1 in %, and what the row is:
    direct transfer      34.1  51.3
    stronger baseline    66.7  80.0
    MLT                  71.2  83.9   not offered
Ours: not measured.
Data: DukeMTMC-reID is withdrawn by its authors and not downloaded; it is read from where you have it,
      ROOT/DukeMTMC-reID/{bounding_box_train,query,bounding_box_test}.
      The identities of its training part are not used.
Time: 50 epochs of 400 steps of 64 images at 256×128, and a forward pass of every training image before each; a GPU is
      needed.

    python -m keras_reid.fit experiments/market_bot.py --data.root ROOT
    python -m keras_reid.fit experiments/market_to_duke.py --data.root ROOT
Direct transfer: python -m keras_reid.evaluate runs/market_bot --dataset dukemtmc --root ROOT
"""

from keras_reid.data import DukeMTMC
from keras_reid.recipes import adapt

experiment = adapt("market_to_duke", "runs/market_bot", DukeMTMC())
