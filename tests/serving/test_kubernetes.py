"""The Kubernetes manifests are valid, agree with the other files of serving/, and keep their promises."""

import pathlib

import kubernetes_validate
import pytest
import yaml

SERVING = pathlib.Path(__file__).parents[2] / "serving"
FOLDER = SERVING / "kubernetes"
FILES = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
MANIFESTS = {
    manifest["kind"]: manifest
    for file in FILES
    for manifest in yaml.safe_load_all((FOLDER / file).read_text())
}
# The oldest version that is supported somewhere, and the newest that the tool knows.
VERSIONS = ("1.30", kubernetes_validate.latest_version())


def pod():
    return MANIFESTS["Deployment"]["spec"]["template"]["spec"]


def container():
    (one,) = pod()["containers"]
    return one


def test_every_file_is_applied():
    assert {file.name for file in FOLDER.glob("*.yaml")} == {*FILES, "kustomization.yaml"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", MANIFESTS)
def test_schema(kind, version):
    """`strict` also rejects fields that the schema does not know, such as a misspelt one."""
    kubernetes_validate.validate(MANIFESTS[kind], version, strict=True)


def test_the_schema_would_notice():
    wrong = {**MANIFESTS["Service"], "spec": {**MANIFESTS["Service"]["spec"], "selectors": {}}}
    with pytest.raises(kubernetes_validate.ValidationError, match="selectors"):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_the_config_map_holds_the_files():
    held = MANIFESTS["ConfigMap"]["data"]
    assert held == {file.name: file.read_text() for file in SERVING.glob("*.config")}


def test_what_is_named_is_there():
    (config,) = [one for one in pod()["volumes"] if "configMap" in one]
    (models,) = [one for one in pod()["volumes"] if "persistentVolumeClaim" in one]
    assert config["configMap"]["name"] == MANIFESTS["ConfigMap"]["metadata"]["name"]
    claim = models["persistentVolumeClaim"]
    assert claim == {
        "claimName": MANIFESTS["PersistentVolumeClaim"]["metadata"]["name"],
        "readOnly": True,
    }
    mounts = {one["name"]: one for one in container()["volumeMounts"]}
    assert set(mounts) == {one["name"] for one in pod()["volumes"]}
    assert all("subPath" not in one for one in mounts.values())
    assert [name for name, one in mounts.items() if not one.get("readOnly")] == ["tmp"]
    labels = MANIFESTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for selector in (
        MANIFESTS["Deployment"]["spec"]["selector"]["matchLabels"],
        MANIFESTS["Service"]["spec"]["selector"],
        MANIFESTS["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        MANIFESTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector == labels
    scaled = MANIFESTS["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (scaled["kind"], scaled["name"]) == ("Deployment", MANIFESTS["Deployment"]["metadata"]["name"])
    ports = {one["name"] for one in container()["ports"]}
    assert {one["targetPort"] for one in MANIFESTS["Service"]["spec"]["ports"]} == ports


def test_it_is_what_compose_runs():
    service = yaml.safe_load((SERVING / "compose.yaml").read_text())["services"]["serving"]
    assert container()["image"] == service["image"].replace("${TF_SERVING_TAG:-", "").rstrip("}")
    assert container()["args"] == ["--port=8500", "--rest_api_port=8501", *service["command"]]
    limit = container()["resources"]["limits"]["memory"]
    assert service["mem_limit"] == f"${{MEMORY:-{limit.replace('Gi', 'g')}}}"
    user, _, group = service["user"].partition(":")
    assert (pod()["securityContext"]["runAsUser"], pod()["securityContext"]["runAsGroup"]) == (
        int(user),
        int(group),
    )


def test_it_has_no_privileges():
    assert pod()["securityContext"]["runAsNonRoot"] is True
    assert pod()["automountServiceAccountToken"] is False
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert MANIFESTS["Service"]["spec"]["type"] == "ClusterIP"


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe"])
def test_probes_succeed_where_the_model_is_there(probe, tiny_server):
    asked = container()[probe]["httpGet"]
    assert asked["port"] == "rest"
    assert tiny_server.get(asked["path"]).status_code == 200
    assert tiny_server.get(asked["path"].replace("reid", "nobody")).status_code == 404
