"""Cars-196: image retrieval with cross-entropy alone, ResNet-50.

Paper: Boudiaf et al., A unifying mutual information view of metric learning, ECCV 2020 (arXiv 2003.08983).
Reference: FastReID's FastRetri, ImageNet weights; Recall@1, 2, 4, 8, 16 and 32 in %:
    92.31  95.99  97.60  98.63  99.24  99.62; the paper's own code 89.3  93.9  96.6  98.4  99.3  99.7
Ours: not measured.
Data: ROOT/Cars_196/{car_ims,cars_annos.mat}, or one of the other layouts that `keras_reid.data.Cars196` describes.
Time: 100 epochs of 62 steps of 128 images at 224×224; a GPU is needed in practice.

    python -m keras_reid.fit experiments/cars_retrieval.py --data.root ROOT
"""

from keras_reid.data import Cars196
from keras_reid.data.augmentation import ColorJitter, Flip, RandomAreaCrop
from keras_reid.recipes import retrieval

crop = RandomAreaCrop(scale=(0.16, 1.0), ratio=(1.0, 1.0), squashed=True)
jitter = ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1, probability=1.0)
experiment = retrieval("cars_retrieval", Cars196()).with_changes(
    {
        "data.augmentation": (crop, jitter, Flip()),
        "losses.cross_entropy.label_smoothing": 0.4,
        "optimizer.learning_rate": 0.05,
        "optimizer.momentum": 0.0,
        "optimizer.nesterov": False,
        "schedule.floor": 5e-4,
        "evaluation.recall": (1, 2, 4, 8, 16, 32),
    }
)
