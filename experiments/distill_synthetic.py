"""Distillation on the synthetic people of the quickstart: a quarter of its network learns from it.

Teacher: runs/quickstart, a ResNet-18-ibn of 2.9 million parameters. Student: half as wide, 0.7 million. 100 identities
to train on, 100 others to find. The teacher sees each training image once, as it is, and what it gives is kept on disk.
Measured for the seeds 0, 1, 2 (benchmarks/distillation.py): mAP 85.7, 84.2, 83.6 %, teacher 86.5 %; alone in as many
steps 72.7, 77.8, 77.2 %, alone in as much time 74.1, 80.4, 81.4 %. A distilled step takes as long as a plain one.

    python -m keras_reid.fit experiments/quickstart.py
    python -m keras_reid.fit experiments/distill_synthetic.py
Alone: python -m keras_reid.fit experiments/distill_synthetic.py --distillation.teachers
"""

from keras_reid import experiment as ex
from keras_reid.data import IdentitySampler, Synthetic
from keras_reid.data.augmentation import Flip, PadCrop, RandomErasing

experiment = ex.Experiment(
    name="distill_synthetic",
    data=ex.Data(
        dataset=Synthetic(preset="small"),
        sampler=IdentitySampler(identities_per_batch=16, images_per_identity=4),
        augmentation=(PadCrop(padding=5), Flip(), RandomErasing(probability=0.3)),
    ),
    model=ex.Model(
        backbone=ex.ResNet(depth=18, width=16, ibn=True),
        pooling=ex.GeM(),
        head=ex.BNNeckHead(classifier=ex.CircleSoftmax(scale=32.0)),
        image_size=(128, 64),
    ),
    optimizer=ex.Adam(learning_rate=1e-3),
    schedule=ex.Cosine(delay_epochs=2, floor=1e-6, warmup_steps=40),
    training=ex.Training(epochs=16),
    distillation=ex.Distillation(teachers=("runs/quickstart",), teacher_input="plain"),
    evaluation=ex.Evaluation(every=4),
)
