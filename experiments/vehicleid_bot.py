"""VehicleID with the bag of tricks (BoT) for vehicles, ResNet-50 with IBN, tested on all three lists.

Paper: Luo et al., Bag of Tricks and A Strong Baseline for Deep Person Re-identification, 2019 (arXiv 1903.07071);
       FastReID's configuration for vehicles.
Reference: FastReID's model zoo, four GPUs, ImageNet weights; Rank-1 and Rank-5 in %:
    small      86.6  97.9
    medium     82.9  96.0
    large      80.6  93.9
Its page speaks of ten draws of the gallery, its code makes one. So does the training, with seed 0;
`python -m keras_reid.evaluate runs/vehicleid_bot` gives the mean of ten, the benchmark's protocol, for each list.
Ours: not measured.
Data: ROOT/vehicleid/{image,train_test_split}, which its authors give on request.
Time: 60 epochs of 221 steps of 512 images at 256×256: four GPUs in the original. On less memory take fewer identities
      a batch, --data.sampler.identities-per-batch 32, which is another experiment.

    python -m keras_reid.fit experiments/vehicleid_bot.py --data.root ROOT
"""

from keras_reid.data import VehicleID
from keras_reid.recipes import vehicle_bot

tests = tuple(VehicleID(size) for size in ("small", "medium", "large"))
experiment = vehicle_bot("vehicleid_bot", VehicleID("large")).with_changes({"data.test_datasets": tests})
