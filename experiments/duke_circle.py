"""DukeMTMC-reID with the stronger baseline (SBS) and circle softmax, ResNet-50.

Paper: He et al., FastReID: A Pytorch Toolbox for General Instance Re-identification, 2020 (arXiv 2006.02631).
Reference (FastReID's model zoo, one V100, ImageNet weights): Rank-1 90.3 %, mAP 80.3 %, mINP 46.5 %.
Ours: not measured. It starts from ImageNet weights, as the reference does.
Data: the set was withdrawn by its authors and is not downloaded; it is read from where you have it,
      ROOT/DukeMTMC-reID/{bounding_box_train,query,bounding_box_test}.
Time: a GPU is needed in practice: 60 epochs of 258 steps of 64 images at 384×128.

    python -m keras_reid.fit experiments/duke_circle.py --data.root ROOT
"""

from keras_reid.data import DukeMTMC
from keras_reid.recipes import sbs

experiment = sbs("duke_circle", DukeMTMC())
