"""VERI-Wild with the bag of tricks (BoT) for vehicles, ResNet-50 with IBN, tested on all three lists.

Paper: Luo et al., Bag of Tricks and A Strong Baseline for Deep Person Re-identification, 2019 (arXiv 1903.07071);
       FastReID's configuration for vehicles.
Reference: FastReID's model zoo, four GPUs, ImageNet weights; Rank-1, mAP and mINP in %:
    small      96.4  87.7  69.2
    medium     95.1  83.5  61.2
    large      92.5  77.3  49.8
Its users report an mAP of 81.2, 75.9 and 68.4 % or less.
Ours: not measured.
Data: ROOT/VERI-Wild/{images,train_test_split}, which its authors give on request.
Time: 120 epochs of 542 steps of 512 images at 256×256: four GPUs in the original. On less memory take fewer identities
      a batch, --data.sampler.identities-per-batch 32, which is another experiment.

    python -m keras_reid.fit experiments/veriwild_bot.py --data.root ROOT
"""

from keras_reid.data import VeRiWild
from keras_reid.recipes import vehicle_bot

tests = tuple(VeRiWild(size) for size in ("small", "medium", "large"))
experiment = vehicle_bot("veriwild_bot", VeRiWild("large")).with_changes(
    {
        "data.test_datasets": tests,
        "schedule.milestones": (30, 70, 90),
        "schedule.warmup_steps": 5000,
        "training.epochs": 120,
    }
)
