"""The files around the code: workflows, hooks, changelog, citation."""

import re

import pytest
import yaml

from tests.conftest import ROOT

TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def load(file):
    return yaml.safe_load(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_workflows_may_only_read(file):
    workflow = load(file)
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets." not in file.read_text()
    for job in workflow["jobs"].values():
        assert "permissions" not in job
        assert 0 < job["timeout-minutes"] < 360


def test_workflows_run_every_lane():
    commands = [
        step["run"]
        for file in WORKFLOWS
        for job in load(file)["jobs"].values()
        for step in job["steps"]
        if "run" in step
    ]
    called = {command.removeprefix("make ") for command in commands if command.startswith("make ")}
    assert {"test", "test-medium", "test-slow", "docs", "wheel"} <= called <= TARGETS


def test_hooks_are_those_of_make():
    (repository,) = load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"  # the pinned tools, not versions of their own
    assert [hook["entry"] for hook in repository["hooks"]] == [
        "make lint",
        ".venv/bin/python -m keras_reid.experiment.generate --check",
    ]


def test_the_changelog_keeps_its_form():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert all(
        re.fullmatch(r"\[\d+\.\d+\.\d+\] - (unreleased|\d{4}-\d\d-\d\d)", version) for version in versions
    )
    assert [version for version in versions if "unreleased" in version] in ([], versions[:1])
    kinds = set(re.findall(r"^### (.+)$", text, flags=re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert versions[0].startswith(f"[{load(ROOT / 'CITATION.cff')['version']}]")
