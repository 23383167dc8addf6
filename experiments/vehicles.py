"""Your own photographs of vehicles, from file names such as car_0003_cam1.jpg: TYPE_NUMBER_camC.

A small ResNet-18 from random weights. 107 vehicles are held out (--data.dataset.seed); camera 1 is searched in 2.
Measured on 1014 photographs of 507 vehicles by two cameras (M. K. Truong Nguyen et al., Vehicle-Re-ID-Dataset, training
part, at most 112 pixels), trained on 400 vehicles, for the seeds 0, 1, 2 of split and training:
    mAP 82.7, 89.8, 84.7 %, Rank-1 73.8, 83.2, 76.6 %; about 6 minutes each on two CPU cores, no GPU.
A striped colour histogram on the same splits: mAP 54.8, 53.3, 59.2 %, Rank-1 43.9, 42.1, 51.4 %
(benchmarks/colour_histogram.py --folder FOLDER --pattern PATTERN --test-identities 107 --seed SEED).

python -m keras_reid.fit experiments/vehicles.py --data.root FOLDER
"""

from keras_reid import experiment as ex
from keras_reid.data import Folder, IdentitySampler
from keras_reid.data.augmentation import Flip, PadCrop, RandomErasing

experiment = ex.Experiment(
    name="vehicles",
    data=ex.Data(
        dataset=Folder(
            pattern=r"(?P<identity>[a-z]+_\d+)_cam(?P<camera>\d+)", test_identities=107, name="vehicles"
        ),
        sampler=IdentitySampler(identities_per_batch=32, images_per_identity=2),
        augmentation=(PadCrop(padding=8), Flip(), RandomErasing(probability=0.3)),
    ),
    model=ex.Model(
        backbone=ex.ResNet(depth=18, width=32, ibn=True),
        pooling=ex.GeM(),
        head=ex.BNNeckHead(classifier=ex.CircleSoftmax(scale=32.0)),
        image_size=(96, 96),
    ),
    optimizer=ex.Adam(learning_rate=1e-3),
    schedule=ex.Cosine(delay_epochs=8, floor=1e-6, warmup_steps=60),
    training=ex.Training(epochs=25),
)
