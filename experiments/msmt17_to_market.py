"""MSMT17 → Market-1501 without the target's identities: clusters and a memory of them.

Paper: Ge et al., Self-paced Contrastive Learning with Hybrid Memory for Domain Adaptive Object Re-ID, NeurIPS 2020
       (arXiv 2006.02713); Dai et al., Cluster Contrast for Unsupervised Person Re-Identification, ACCV 2022.
Reference: none; FastReID has the other directions.
Ours: not measured.
Data: ROOT/Market-1501-v15.09.15/{bounding_box_train,query,bounding_box_test}, which you must have obtained yourself.
      The identities of its training part are not used.
      The source's, MSMT17, is withdrawn by its authors: msmt17_bot.py.
Time: 50 epochs of 400 steps of 64 images at 256×128, and a forward pass of every training image before each; a GPU is
      needed.

    python -m keras_reid.fit experiments/msmt17_bot.py --data.root ROOT
    python -m keras_reid.fit experiments/msmt17_to_market.py --data.root ROOT
Direct transfer: python -m keras_reid.evaluate runs/msmt17_bot --dataset market1501 --root ROOT
"""

from keras_reid.data import Market1501
from keras_reid.recipes import adapt

experiment = adapt("msmt17_to_market", "runs/msmt17_bot", Market1501())
