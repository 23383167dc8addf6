"""Reads the files for TensorFlow Serving as TensorFlow Serving does."""

import http.server
import pathlib
import re
import subprocess
import threading

import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from tensorflow_serving.config import model_server_config_pb2

from keras_reid.serving.server.batching_config import read_batching_config

SERVING = pathlib.Path(__file__).parents[2] / "serving"


@pytest.fixture(scope="module")
def service():
    return yaml.safe_load((SERVING / "compose.yaml").read_text())["services"]["serving"]


def monitoring_config():
    """TensorFlow Serving's MonitoringConfig, which its Python package lacks."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="monitoring.proto", syntax="proto3")
    prometheus = file.message_type.add(name="PrometheusConfig")
    prometheus.field.add(name="enable", number=1, type=kinds.TYPE_BOOL, label=kinds.LABEL_OPTIONAL)
    prometheus.field.add(name="path", number=2, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL)
    whole = file.message_type.add(name="MonitoringConfig")
    whole.field.add(
        name="prometheus_config",
        number=1,
        type=kinds.TYPE_MESSAGE,
        type_name=".PrometheusConfig",
        label=kinds.LABEL_OPTIONAL,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("MonitoringConfig"))()


def test_models():
    text = (SERVING / "models.config").read_text()
    (model,) = text_format.Parse(text, model_server_config_pb2.ModelServerConfig()).model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == ("reid", "/models/reid", "tensorflow")
    assert model.model_version_policy.latest.num_versions == 2
    assert dict(model.version_labels) == {"stable": 1, "canary": 1}


def test_batching_fits_the_warm_up_of_exports():
    from keras_reid.export.__main__ import Export

    parameters = read_batching_config(SERVING / "batching.config")
    assert parameters.allowed_batch_sizes == Export.__dataclass_fields__["batch_sizes"].default
    assert parameters.max_batch_size == 32
    assert parameters.batch_timeout_micros == 2000


def test_monitoring():
    config = text_format.Parse((SERVING / "monitoring.config").read_text(), monitoring_config())
    assert config.prometheus_config.enable
    assert config.prometheus_config.path == "/monitoring/prometheus/metrics"


def test_compose_mounts_what_its_flags_name(service):
    flags = dict(flag.removeprefix("--").split("=") for flag in service["command"])
    for name in ("model_config_file", "batching_parameters_file", "monitoring_config_file"):
        folder, _, file = flags[name].rpartition("/")
        assert f".:{folder}:ro" in service["volumes"]
        assert (SERVING / file).is_file()
    assert any(volume.endswith(":/models:ro") for volume in service["volumes"])
    assert re.search(r":\$\{TF_SERVING_TAG:-\d+\.\d+\.\d+\}$", service["image"])
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["read_only"] is True


@pytest.mark.parametrize(("state", "healthy"), [("AVAILABLE", True), ("LOADING", False), (None, False)])
def test_health_check(service, state, healthy):
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            assert self.path == "/v1/models/reid"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f'{{"model_version_status": [{{"state": "{state}"}}]}}'.encode())

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    if state:
        thread.start()
    else:
        server.server_close()
    check = [part.replace("8501", str(port)).replace("$$", "$") for part in service["healthcheck"]["test"]]
    process = subprocess.run(check[1:], capture_output=True, timeout=20)
    if state:
        server.shutdown()
        thread.join()
        server.server_close()
    assert (process.returncode == 0) == healthy
