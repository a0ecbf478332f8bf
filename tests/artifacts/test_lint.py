"""The linters that the makers and users of each format trust, on what CI systems and Docker read of this project."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.artifacts import gitlab, jenkins, tools
from tests.docs.tables import ACTION, PAGES, ROOT

EXAMPLES = ROOT / "examples"
_GITHUB = [EXAMPLES / "github-workflow.yml", EXAMPLES / "github-matrix.yml"]
WORKFLOWS = [*sorted((ROOT / ".github" / "workflows").glob("*.yml")), *_GITHUB]
GITLAB = EXAMPLES / "gitlab-ci.yml"
GITLAB_MATRIX = EXAMPLES / "gitlab-matrix.yml"
JENKINS = [EXAMPLES / name for name in ("Jenkinsfile", "Jenkinsfile.kubernetes", "Jenkinsfile.matrix")]
SCHEMAS = {
    "github-workflows": WORKFLOWS,
    "github-actions": [ACTION],
    "gitlab-ci": [GITLAB, GITLAB_MATRIX],
    "renovate": [ROOT / "renovate.json"],
}


def passes(*line: str | Path, stdin: str | None = None) -> None:
    """Run a linter, which finds the others beside it; its findings are the failure's message."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    answer = subprocess.run(
        [str(word) for word in line],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("schema", SCHEMAS)
def test_schemas(schema: str) -> None:
    passes(tools.python_tool("check-jsonschema"), "--builtin-schema", f"vendor.{schema}", *SCHEMAS[schema])


def test_schema_of_the_gitlab_jobs_in_the_docs() -> None:
    pages = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
    blocks = re.findall(r"```yaml\n(.*?)```", pages, re.S)
    jobs = [block for block in blocks if "  script:" in block]
    assert jobs
    for job in jobs:
        passes(
            tools.python_tool("check-jsonschema"),
            "--default-filetype=yaml",
            "--builtin-schema=vendor.gitlab-ci",
            "-",
            stdin=job,
        )


@pytest.mark.timeout(900)  # cold, it is built first
def test_actionlint() -> None:
    """Workflows with their expressions, the action's inputs and outputs, and the shell in ``run``."""
    passes(tools.actionlint(), "-shellcheck", tools.python_tool("shellcheck"), *WORKFLOWS)


def test_zizmor() -> None:
    """What an attacker could use: code injected, permissions, credentials left behind, actions that may change."""
    config = tools.HERE / "zizmor.yml"
    line = [tools.python_tool("zizmor"), "--offline", "--no-progress", "--min-severity=medium", "--config", config]
    passes(*line, ".github", ACTION, *WORKFLOWS)


def test_hadolint() -> None:
    passes(tools.python_tool("hadolint"), "--failure-threshold=info", "Dockerfile")


def test_every_action_is_pinned_by_a_commit_with_its_version_beside_it() -> None:
    for path in WORKFLOWS:
        for line in re.findall(r"(?m)uses: (.*)$", path.read_text(encoding="utf-8")):
            own = line.startswith(("./", "OWNER/k8s-step@v"))
            assert own or re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_every_job_has_a_timeout_and_says_what_it_may() -> None:
    for path in WORKFLOWS:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert "permissions" in said
        for job in said["jobs"].values():
            assert "uses" in job or job["timeout-minutes"] <= 45


def test_one_commit_for_each_version_of_an_action() -> None:
    pins: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for action, pin in re.findall(r"uses: (.+?)@([0-9a-f]{40} # \S+)", path.read_text(encoding="utf-8")):
            pins.setdefault(action, set()).add(pin)
    assert all(len(found) == 1 for found in pins.values()), pins


@pytest.mark.parametrize(
    "job", [job for path in (GITLAB, GITLAB_MATRIX) for job in gitlab.jobs(path).values()], ids=lambda job: job.name
)
def test_shellcheck_of_gitlab_scripts(job: gitlab.Job) -> None:
    passes(tools.python_tool("shellcheck"), "--shell=sh", "--exclude=SC2154", "-", stdin=job.script)


@pytest.mark.timeout(900)  # cold, it is fetched first
def test_codenarc() -> None:
    rules = (tools.HERE / "groovy" / "rules.groovy").as_uri()
    limits = [f"-maxPriority{priority}Violations=0" for priority in (1, 2, 3)]
    where = [f"-basedir={EXAMPLES}", "-includes=Jenkinsfile*", f"-rulesetfiles={rules}", "-failOnError=true"]
    answer = tools.java("org.codenarc.CodeNarc", *where, "-report=text:stdout", *limits)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert f"TotalFiles={len(JENKINS)} " in answer.stdout


@pytest.mark.timeout(900)
def test_jenkinsfiles_are_sound() -> None:
    """What Jenkins itself would say, and what it would not: abort, evidence and secrets are seen to in every stage."""
    for name, pipeline in jenkins.read(JENKINS, {"TAG": "1.5.0", "PRODUCTION": True}).items():
        for stage in pipeline.stages:
            options = {option["name"] for option in stage.options}
            assert {"timeout", "disableConcurrentBuilds"} <= options, (name, stage.name)
            shown = {"stash"} if stage.name == "Share" else {"junit"}  # of the shares, one result is shown
            assert {call["name"] for call in stage.always} == {"archiveArtifacts", *shown}
            assert stage.shells
            for shell in stage.shells:
                assert not shell.interpolated, shell.script
                passes(tools.python_tool("shellcheck"), "--shell=sh", "-", stdin=shell.script)
