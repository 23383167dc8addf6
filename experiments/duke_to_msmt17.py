"""DukeMTMC-reID → MSMT17 without the target's identities: clusters and a memory of them.

Paper: Ge et al., Self-paced Contrastive Learning with Hybrid Memory for Domain Adaptive Object Re-ID, NeurIPS 2020
       (arXiv 2006.02713); Dai et al., Cluster Contrast for Unsupervised Person Re-Identification, ACCV 2022.
Reference: FastReID, R50; mAP and Rank-1 in %, and what the row is:
    direct transfer      12.5  34.8
    adapted              27.7  59.5
Ours: not measured.
Data: MSMT17 is withdrawn by its authors and not downloaded; it is read from where you have it, ROOT/MSMT17_V1 or
      ROOT/MSMT17_V2 with its four lists.
      The identities of its training part are not used.
      The source's, DukeMTMC-reID, is withdrawn by its authors too: duke_bot.py.
Time: 50 epochs of 400 steps of 64 images at 256×128, and a forward pass of every training image before each; a GPU is
      needed.

    python -m keras_reid.fit experiments/duke_bot.py --data.root ROOT
    python -m keras_reid.fit experiments/duke_to_msmt17.py --data.root ROOT
Direct transfer: python -m keras_reid.evaluate runs/duke_bot --dataset msmt17 --root ROOT
"""

from keras_reid.data import MSMT17
from keras_reid.recipes import adapt

experiment = adapt("duke_to_msmt17", "runs/duke_bot", MSMT17())
