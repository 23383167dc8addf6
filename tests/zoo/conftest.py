import pytest

from tests.zoo import hub_server


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub on loopback, whose cache is in the test's folder; huggingface_hub speaks to no other."""
    from huggingface_hub import constants

    with hub_server.running() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
        yield hub
