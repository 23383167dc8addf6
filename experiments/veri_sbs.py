"""VeRi-776 with the stronger baseline (SBS) for vehicles, ResNet-50 with IBN.

Paper: He et al., FastReID: A Pytorch Toolbox for General Instance Re-identification, 2020 (arXiv 2006.02631).
Reference: FastReID's model zoo, ImageNet weights; Rank-1, mAP and mINP in %, and what makes the row:
    R50-ibn    97.0  81.9  46.3   this file
Its users measured 96.84, 80.65 and 42.70 with the published weights.
Ours: not measured.
Data: ROOT/veri/{image_train,image_query,image_test}, which its authors give on request.
Time: 60 epochs of 590 steps of 64 images at 256×256; a GPU is needed in practice.

    python -m keras_reid.fit experiments/veri_sbs.py --data.root ROOT
"""

from keras_reid.data import VeRi
from keras_reid.recipes import vehicle_sbs

experiment = vehicle_sbs("veri_sbs", VeRi())
