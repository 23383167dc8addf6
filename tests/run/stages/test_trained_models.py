import pytest

from keras_reid.run.stages.trained_models import check_trained, load_trained
from keras_reid.utils.errors import UserError
from tests.web_server import WebServer
from tests.zoo import small_model


def test_a_published_model_is_known_by_its_name():
    with pytest.raises(
        UserError, match=r"^distillation\.teachers: miewid/msv3 is listed, but cannot be used"
    ):
        check_trained("distillation.teachers", "miewid/msv3")


@pytest.mark.medium
def test_a_published_model_is_fetched_while_the_experiment_is_checked(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    with WebServer().running() as server:
        server.files[f"/{small_model.FILE}"] = small_model.content(tmp_path / small_model.FILE)
        small_model.publish(monkeypatch, server.address)
        check_trained("adaptation.source", small_model.NAME)
    (model,) = load_trained("adaptation.source", [small_model.NAME])
    assert model.metadata["provenance"]["zoo"]["name"] == small_model.NAME
