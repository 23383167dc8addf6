"""In-Shop Clothes Retrieval: image retrieval with cross-entropy alone, ResNet-50.

Paper: Boudiaf et al., A unifying mutual information view of metric learning, ECCV 2020 (arXiv 2003.08983).
Reference: FastReID's FastRetri, ImageNet weights; Recall@1, 10, 20, 30, 40 and 50 in %:
    91.97  98.29  98.85  99.11  99.24  99.35; the paper's own code 90.6  98.0  98.6  98.9  99.1  99.2
Ours: not measured.
Data: ROOT/InShop/{list_eval_partition.txt,img}, the images of 256×256; or FastReID's lists there.
Time: 100 epochs of 202 steps of 128 images at 224×224; a GPU is needed in practice.

    python -m keras_reid.fit experiments/inshop_retrieval.py --data.root ROOT
"""

from keras_reid.data import InShop
from keras_reid.data.augmentation import Flip, RandomAreaCrop
from keras_reid.recipes import retrieval

crop = RandomAreaCrop(scale=(0.16, 1.0), ratio=(3 / 4, 4 / 3))
experiment = retrieval("inshop_retrieval", InShop()).with_changes(
    {"data.augmentation": (crop, Flip()), "evaluation.recall": (1, 10, 20, 30, 40, 50)}
)
