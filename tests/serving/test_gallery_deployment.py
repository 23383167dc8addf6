"""The container, compose file and manifests of the gallery: valid, of one mind, without privileges; not built here."""

import pathlib
import re

import kubernetes_validate
import pytest
import yaml

from keras_reid.gallery.commands.serve import Serve
from keras_reid.utils import command_line

SERVING = pathlib.Path(__file__).parents[2] / "serving"
FOLDER = SERVING / "kubernetes_gallery"
FILES = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
MANIFESTS = {
    f"{manifest['kind']} {manifest['metadata']['name']}": manifest
    for file in FILES
    for manifest in yaml.safe_load_all((FOLDER / file).read_text())
}
COMPOSE = yaml.safe_load((SERVING / "compose.gallery.yaml").read_text())["services"]
VERSIONS = ("1.30", kubernetes_validate.latest_version())


def pod(name):
    (one,) = [each for key, each in MANIFESTS.items() if key in (f"Deployment {name}", f"StatefulSet {name}")]
    return one["spec"]["template"]["spec"]


def container(name):
    (one,) = pod(name)["containers"]
    return one


def test_every_file_is_applied():
    assert {file.name for file in FOLDER.glob("*.yaml")} == {*FILES, "kustomization.yaml"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", MANIFESTS)
def test_schema(name, version):
    kubernetes_validate.validate(MANIFESTS[name], version, strict=True)


@pytest.mark.parametrize("name", ["gallery", "gallery-postgres"])
def test_it_has_no_privileges(name):
    assert pod(name)["securityContext"]["runAsNonRoot"] is True
    assert pod(name)["automountServiceAccountToken"] is False
    containers = [*pod(name)["containers"], *pod(name).get("initContainers", [])]
    for one in containers:
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    mounts = {mount["name"] for one in containers for mount in one["volumeMounts"]}
    claims = MANIFESTS.get(f"StatefulSet {name}", {}).get("spec", {}).get("volumeClaimTemplates", [])
    assert mounts == {one["name"] for one in pod(name)["volumes"]} | {
        one["metadata"]["name"] for one in claims
    }


@pytest.mark.parametrize(
    "arguments", [container("gallery")["args"], COMPOSE["gallery"]["command"]], ids=["k8s", "compose"]
)
def test_the_command_is_one(arguments):
    assert arguments[:2] == ["gallery", "serve"]
    arguments = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", one) for one in arguments[2:]]
    options = command_line.parse(Serve, arguments, prog="keras-reid gallery serve")
    options.check()
    assert (options.host, options.port) == ("0.0.0.0", 8600)
    assert "@" in options.store
    assert ":" not in options.store.partition("//")[2].partition("@")[0]  # no password


def test_names_fit():
    labels = MANIFESTS["Deployment gallery"]["spec"]["template"]["metadata"]["labels"]
    for key in ("Service gallery", "NetworkPolicy gallery", "PodDisruptionBudget gallery"):
        spec = MANIFESTS[key]["spec"]
        selector = spec["selector"] if "selector" in spec else spec["podSelector"]
        assert selector.get("matchLabels", selector).items() <= labels.items()
    models = yaml.safe_load((SERVING / "kubernetes" / "deployment.yaml").read_text())
    policy = list(yaml.safe_load_all((SERVING / "kubernetes" / "service.yaml").read_text()))[1]
    (allowed,) = policy["spec"]["ingress"][0]["from"]
    assert allowed["podSelector"]["matchLabels"].items() <= labels.items()
    egress = MANIFESTS["NetworkPolicy gallery"]["spec"]["egress"]
    assert (
        egress[0]["to"][0]["podSelector"]["matchLabels"] == models["spec"]["template"]["metadata"]["labels"]
    )
    image = COMPOSE["postgres"]["image"].replace("${PGVECTOR_TAG:-", "").rstrip("}")
    assert container("gallery-postgres")["image"] == image
    serving = yaml.safe_load((SERVING / "compose.yaml").read_text())["services"]["serving"]
    assert COMPOSE["models"]["image"] == serving["image"]


@pytest.mark.parametrize("name", ["gallery", "models"])
def test_compose_gives_no_privileges(name):
    service = COMPOSE[name]
    assert service["read_only"] is True
    assert service["user"] == "65534:65534"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_no_password_is_in_a_file():
    for file in (SERVING / "compose.gallery.yaml", *FOLDER.glob("*.yaml"), SERVING / "Dockerfile.gallery"):
        assert not re.search(r"PASSWORD[:=]\s*\w", file.read_text()), file


def test_the_image_runs_as_nobody():
    lines = (SERVING / "Dockerfile.gallery").read_text().splitlines()
    assert "USER 65534:65534" in lines
    assert lines.index("USER 65534:65534") > max(n for n, line in enumerate(lines) if line.startswith("RUN"))
