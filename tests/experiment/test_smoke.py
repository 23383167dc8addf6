import dataclasses

from keras_reid import experiment as ex
from keras_reid.data import BalancedIdentitySampler, IdentitySampler, ShuffleSampler, Synthetic
from keras_reid.experiment import smoke
from keras_reid.recipes import bot, mgn, vehicle_sbs, vit


def with_sampler(experiment, sampler):
    return dataclasses.replace(experiment, data=dataclasses.replace(experiment.data, sampler=sampler))


def test_needs_neither_data_nor_network():
    experiment, said = smoke(vehicle_sbs("x"))
    assert experiment.data.dataset == Synthetic(preset="tiny")
    assert experiment.model.backbone.pretrained is None
    assert experiment.model.image_size == (64, 32)
    assert experiment.training.epochs == 1
    assert experiment.training.freeze_backbone_steps == 1
    assert experiment.schedule.warmup_steps == 1
    assert "backbone pretrained: None instead of 'imagenet'" in said
    assert "epochs (of two steps): 1 instead of 60" in said


def test_keeps_a_sampler_that_needs_identities_only():
    experiment, said = smoke(vehicle_sbs("x"))
    sampler = BalancedIdentitySampler(identities_per_batch=8, images_per_identity=3)
    assert experiment.data.sampler == sampler
    assert any(sentence.startswith("sampler: BalancedIdentitySampler(") for sentence in said)
    for other in (IdentitySampler(), ShuffleSampler(), lambda *_, **__: None):
        experiment, _ = smoke(with_sampler(bot("x"), other))
        assert experiment.data.sampler == IdentitySampler(identities_per_batch=8, images_per_identity=3)


def test_takes_the_smallest_of_the_family():
    assert smoke(bot("x", depth=101))[0].model.backbone.depth == 18
    assert smoke(mgn("x"))[0].model.backbone.width == 16
    small = smoke(vit("x"))[0].model.backbone
    assert (small.depth, small.width, small.pretrained) == ("small", 96, None)


def test_leaves_a_backbone_of_ones_own_and_its_size_alone():
    def backbone():
        raise AssertionError("not built by this")

    experiment, _ = smoke(bot("x", backbone=backbone))
    assert experiment.model.backbone is backbone
    assert experiment.model.image_size == (256, 128)


def test_says_nothing_of_what_stays():
    again, said = smoke(smoke(bot("x"))[0])
    assert said == []
    assert again.model == smoke(bot("x"))[0].model
    assert isinstance(again, ex.Experiment)
