"""CUB-200-2011: image retrieval with cross-entropy alone, ResNet-50.

Paper: Boudiaf et al., A unifying mutual information view of metric learning, ECCV 2020 (arXiv 2003.08983).
Reference: FastReID's FastRetri, ImageNet weights; Recall@1, 2, 4, 8, 16 and 32 in %:
    69.46  79.57  87.53  92.61  95.75  97.35; the paper's own code 69.2  79.2  86.9  91.6  95.0  97.3
Ours: not measured.
Data: ROOT/CUB_200_2011/{images,images.txt,image_class_labels.txt}, or FastReID's train.txt and test.txt there.
Time: 30 epochs of 45 steps of 128 images at 224×224; a GPU is needed in practice.
The warm-up has 10 epochs, as in the original when those numbers were published; 1000 steps, as it has later, would be
22 of the 30 epochs.

    python -m keras_reid.fit experiments/cub_retrieval.py --data.root ROOT
"""

from keras_reid.data import CUB200
from keras_reid.data.augmentation import ColorJitter, Flip, RandomAreaCrop
from keras_reid.recipes import retrieval

crop = RandomAreaCrop(scale=(0.16, 1.0), ratio=(3 / 4, 4 / 3))
jitter = ColorJitter(brightness=0.25, contrast=0.25, saturation=0.25, hue=0.0, probability=1.0)
experiment = retrieval("cub_retrieval", CUB200()).with_changes(
    {
        "data.augmentation": (crop, jitter, Flip()),
        "losses.cross_entropy.label_smoothing": 0.3,
        "optimizer.learning_rate": 0.02,
        "optimizer.momentum": 0.0,
        "optimizer.nesterov": False,
        "schedule.floor": 2e-5,
        "schedule.warmup_steps": 450,
        "training.epochs": 30,
        "evaluation.recall": (1, 2, 4, 8, 16, 32),
    }
)
