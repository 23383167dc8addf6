import numpy as np
import pytest

from keras_reid.data import ReIDDataset, Sample
from keras_reid.data.doctor.examination import Examination
from keras_reid.data.doctor.finding import Finding, Picture
from keras_reid.data.doctor.subject import Subject
from keras_reid.evaluation.analysis import model_findings as module
from keras_reid.evaluation.analysis.model_findings import model_findings
from keras_reid.utils.errors import UserError
from tests.evaluation.analysis.test_suspect_identities import embedded


@pytest.fixture
def judge(monkeypatch):
    """What is found of a training set of 30 identities and a test set of the same names, by given embeddings."""

    def findings(embeddings, labels, cameras, conflicting=(), unreadable=()):
        samples = [
            Sample(f"{place}.jpg", int(label), int(camera))
            for place, (label, camera) in enumerate(zip(labels, cameras, strict=True))
        ]
        half = len(samples) // 2
        tested = samples[half:]
        dataset = ReIDDataset("mine", samples[:half], tested[::2], tested[1::2])
        rows = {sample.path: row for sample, row in zip(samples, embeddings, strict=True)}
        paths = [path for path in rows if path not in unreadable]
        monkeypatch.setattr(
            module, "embed_paths", lambda model, some, batch_size: np.stack([rows[path] for path in some])
        )
        cases = (tuple(Picture(path) for path in conflicting),)
        found = [Finding("t", "error", "s", cases, ("conflicting_labels",))] if conflicting else []
        return model_findings(Subject(dataset, (dataset,)), None, Examination("x", [], found, paths))

    return findings


@pytest.fixture
def two_parts():
    """Identity 0 in training is not identity 0 in the test."""
    (one, labels, cameras), (other, _, _) = embedded(seed=0), embedded(seed=1)
    return np.concatenate([one, other]), np.concatenate([labels, labels]), np.concatenate([cameras, cameras])


def test_parts_are_judged_apart(judge, two_parts):
    embeddings, labels, cameras = two_parts
    assert judge(embeddings, labels, cameras) == []
    labels[4] = 20
    labels[240 + 60] = 3
    one, other = judge(embeddings, labels, cameras)
    assert (one.paths(), other.paths()) == (["4.jpg"], ["300.jpg"])
    assert one.lists == ("suspect_identities",)
    assert one.sentence.startswith(
        "1 of 240 training images of mine look like another identity and not like their own, such as 4.jpg, labelled "
        "'20', which looks like '0'"
    )
    first, own, looks_like = one.cases[0]
    assert first.caption == "labelled 20"
    assert labels[int(own.path[:-4])] == 20
    assert labels[int(looks_like.path[:-4])] == 0


def test_copies_under_two_identities_are_left_out(judge, two_parts):
    embeddings, labels, cameras = two_parts
    labels[4] = 20
    assert judge(embeddings, labels, cameras, conflicting=["4.jpg", "7.jpg"]) == []
    assert judge(embeddings, labels, cameras, unreadable=["4.jpg"]) == []


def test_references_that_raise_the_ceiling(judge, two_parts):
    embeddings, labels, cameras = two_parts
    embeddings = embeddings + 1.0
    embeddings[[5, 100]] = embeddings.mean(axis=0) * [[1.0], [1.1]]
    found = [one for one in judge(embeddings, labels, cameras) if one.lists == ("impostor_references",)]
    assert [(one.severity, set(one.paths())) for one in found] == [("note", {"5.jpg", "100.jpg"})]


def test_embeddings_that_are_not_finite_are_refused(judge, two_parts):
    embeddings, labels, cameras = two_parts
    embeddings[7, 0] = np.nan
    with pytest.raises(UserError, match=r"embedding of 7\.jpg holds NaN"):
        judge(embeddings, labels, cameras)


def test_no_image_can_be_read():
    dataset = ReIDDataset("mine", [Sample("a.jpg", 1)])
    assert model_findings(Subject(dataset), None, Examination("x", [], [], [])) == []
