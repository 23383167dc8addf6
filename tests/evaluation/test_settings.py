import dataclasses

import pytest

from keras_reid.evaluation import EvaluationSettings
from keras_reid.utils.errors import UserError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metric": "manhattan"}, r"^metric must be one of cosine, euclidean, dsr\. Received: 'manhattan'$"),
        (
            {"protocol": "none"},
            "^protocol must be one of cross_camera, all, leave_one_out. Received: 'none'$",
        ),
        ({"single_shot": 0}, "^single_shot is a number of draws and must be at least 1. Received: 0$"),
        ({"open_set": 1.0}, "^open_set must lie between 0 and 1. Received: 1.0$"),
        ({"memory": 2**20}, "^memory must be at least 64MiB. Received: 1.04858 MB$"),
        (
            {"query_expansion": 0},
            "^query_expansion takes one number of gallery images, at least 1. Received: 0$",
        ),
        ({"metric": "dsr", "dsr_lambda": 1.5}, "^dsr_lambda must be from 0 to 1. Received: 1.5$"),
        ({"recall": (1, 0)}, "^recall takes numbers of images, at least 1. Received: 1 0$"),
        ({"batch_size": 0}, "^batch_size must be at least 1. Received: 0$"),
        ({"dsr_lambda": 0.5}, "^dsr_lambda is for metric dsr. Received: cosine$"),
        ({"metric": "dsr", "rerank": True}, "^rerank is for distances of embeddings: use metric cosine or"),
        ({"metric": "dsr", "flip": True}, "^flip is for embeddings, not for feature maps.* with metric dsr$"),
        ({"metric": "dsr", "remove_camera_bias": True}, "^remove_camera_bias is for embeddings"),
        (
            {"single_shot": 2, "roc": True},
            "^roc is for the whole gallery: leave out either roc or single_shot$",
        ),
        ({"single_shot": 2, "metric": "dsr"}, "^metric dsr is for the whole gallery"),
        ({"per_camera": True, "rerank": True}, "^per_camera is for the distances of embeddings as they are"),
        ({"open_set": 0.5, "query_expansion": 5}, "^open_set is for the distances of embeddings as they are"),
        ({"open_set": 0.5, "metric": "dsr"}, "leave out rerank, query_expansion and metric dsr with it$"),
    ],
)
def test_what_has_no_meaning_is_refused(settings, message):
    with pytest.raises(UserError, match=message):
        EvaluationSettings(**settings)


def test_an_error_names_fields_as_the_user_knows_them():
    with pytest.raises(
        UserError, match=r"^--per_camera is .*leave out --rerank, --query_expansion and --metric dsr"
    ):
        EvaluationSettings(per_camera=True, rerank=True, named="--{}".format)


def test_what_changes_no_number_is_not_in_the_json():
    settings = EvaluationSettings(recall=(1, 10), batch_size=3)
    values = settings.to_dict()
    assert not {"batch_size", "recall", "dsr_lambda", "named"} & values.keys()
    assert values["metric"] == "cosine"
    dsr = dataclasses.replace(settings, metric="dsr", dsr_lambda=0.25)
    assert dsr.to_dict()["dsr_lambda"] == 0.25
