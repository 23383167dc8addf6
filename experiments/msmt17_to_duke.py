"""MSMT17 → DukeMTMC-reID without the target's identities: clusters and a memory of them.

Paper: Ge et al., Self-paced Contrastive Learning with Hybrid Memory for Domain Adaptive Object Re-ID, NeurIPS 2020
       (arXiv 2006.02713); Dai et al., Cluster Contrast for Unsupervised Person Re-Identification, ACCV 2022.
Reference: none; FastReID has the other directions.
Ours: not measured.
Data: DukeMTMC-reID is withdrawn by its authors and not downloaded; it is read from where you have it,
      ROOT/DukeMTMC-reID/{bounding_box_train,query,bounding_box_test}.
      The identities of its training part are not used.
      The source's, MSMT17, is withdrawn by its authors too: msmt17_bot.py.
Time: 50 epochs of 400 steps of 64 images at 256×128, and a forward pass of every training image before each; a GPU is
      needed.

    python -m keras_reid.fit experiments/msmt17_bot.py --data.root ROOT
    python -m keras_reid.fit experiments/msmt17_to_duke.py --data.root ROOT
Direct transfer: python -m keras_reid.evaluate runs/msmt17_bot --dataset dukemtmc --root ROOT
"""

from keras_reid.data import DukeMTMC
from keras_reid.recipes import adapt

experiment = adapt("msmt17_to_duke", "runs/msmt17_bot", DukeMTMC())
