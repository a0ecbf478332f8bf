from __future__ import annotations

import pytest

from k8s_step.errors import MissingFileError, StepError
from k8s_step.surroundings import Surroundings, System


@pytest.mark.parametrize(
    ("environ", "system", "workspace"),
    [
        ({}, System.OTHER, ""),
        ({"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": "/github/workspace"}, System.GITHUB, "/github/workspace"),
        ({"GITHUB_ACTIONS": "false", "GITLAB_CI": ""}, System.OTHER, ""),
        ({"GITLAB_CI": "true", "CI": "true", "CI_PROJECT_DIR": "/builds/shop"}, System.GITLAB, "/builds/shop"),
        ({"JENKINS_URL": "https://ci.example", "WORKSPACE": "/var/jenkins"}, System.OTHER, "/var/jenkins"),
    ],
)
def test_which_system_it_is(environ: dict[str, str], system: System, workspace: str) -> None:
    found = Surroundings.of(environ)
    assert (found.system, found.workspace, found.is_action) == (system, workspace, False)


def test_an_action_has_inputs() -> None:
    assert Surroundings.of({"GITHUB_ACTIONS": "true", "INPUT_FILENAME": "k8s/"}).is_action
    assert not Surroundings.of({"INPUT_FILENAME": "k8s/"}).is_action, "somebody else's variables"


def test_where_the_repository_shows_a_file() -> None:
    environ = {"GITHUB_SERVER_URL": "https://git.example", "GITHUB_REPOSITORY": "shop/web", "GITHUB_SHA": "abc"}
    assert Surroundings.of(environ).source_url == "https://git.example/shop/web/blob/abc"
    assert Surroundings.of({**environ, "GITHUB_SHA": ""}).source_url == ""


COMMIT = "4f2a9c1d" * 5
GITHUB = {
    "GITHUB_SERVER_URL": "https://git.example",
    "GITHUB_REPOSITORY": "shop/web",
    "GITHUB_RUN_ID": "42",
    "GITHUB_SHA": COMMIT,
}


@pytest.mark.parametrize(
    ("environ", "source"),
    [
        ({}, ""),
        (GITHUB, f"commit {COMMIT} by https://git.example/shop/web/actions/runs/42"),
        (
            {**GITHUB, "GITHUB_RUN_ATTEMPT": "2"},
            f"commit {COMMIT} by https://git.example/shop/web/actions/runs/42/attempts/2",
        ),
        (
            {"CI_COMMIT_SHA": COMMIT, "CI_JOB_URL": "https://lab.example/shop/-/jobs/7"},
            f"commit {COMMIT} by https://lab.example/shop/-/jobs/7",
        ),
        (
            {"GIT_COMMIT": COMMIT, "BUILD_URL": "http://ci:8080/job/web/7/"},
            f"commit {COMMIT} by http://ci:8080/job/web/7/",
        ),
        ({"BUILD_URL": "https://user:password@ci.example/job/web/7/"}, ""),
        ({"CI_COMMIT_SHA": "main; rm -rf", "CI_JOB_URL": "https://ci.example/a b"}, ""),
    ],
)
def test_which_commit_and_run(environ: dict[str, str], source: str) -> None:
    assert Surroundings.of(environ).source == source


@pytest.mark.parametrize(
    ("environ", "has_colours"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False)],
)
def test_colours(environ: dict[str, str], has_colours: bool) -> None:
    assert Surroundings.of(environ).has_colours is has_colours


_ACTION = {"GITHUB_ACTIONS": "true", "INPUT_FILENAME": "k8s/", "GITHUB_WORKSPACE": "/github/workspace"}


@pytest.mark.parametrize("path", ["/home/runner/work/_temp/kubeconfig", "/github/home/.kube/config", "~/.kube/config"])
def test_what_a_container_action_does_not_see(path: str) -> None:
    error = MissingFileError("it is not there", path=path, hint="mend the path")
    told = Surroundings.of(_ACTION).explained(error)
    assert "a container action sees the workspace alone, as /github/workspace" in str(told)


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        (_ACTION, "/github/workspace/kubeconfig"),
        (_ACTION, "kubeconfig"),
        ({**_ACTION, "GITHUB_WORKSPACE": "/home/runner/work/shop/shop"}, "/home/runner/.kube/config"),
        ({"GITLAB_CI": "true", "CI_PROJECT_DIR": "/builds/shop"}, "/root/.kube/config"),
    ],
)
def test_elsewhere_a_missing_file_is_missing(environ: dict[str, str], path: str) -> None:
    error = MissingFileError("it is not there", path=path, hint="mend the path")
    assert Surroundings.of(environ).explained(error).hint == "mend the path"
    assert Surroundings.of(_ACTION).explained(StepError("other")).hint is None
