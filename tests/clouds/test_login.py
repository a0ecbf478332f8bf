"""A cloud's cluster by name, with the job's identity and what docs/clouds.md asks for: the real API server decides."""

from __future__ import annotations

from pathlib import Path

from tests.clouds.logins import Login, World, allow, release
from tests.conftest import Kubectl, Step
from tests.integration.outcomes import statuses


def test_github(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path, login: Login, world: World) -> None:
    """As an action, with the inputs of the example."""
    path = release(tmp_path)
    allow(step, kubectl, namespace, path, login)
    outcome = step(env=world.in_github(login, INPUT_FILENAME=path, INPUT_NAMESPACE=namespace), report=True)
    step.knows(*world.secrets)
    assert outcome.code == 0, outcome.text
    assert set(statuses(outcome).values()) == {"current"} and len(statuses(outcome)) == 3
    assert f"--{login.option} " in outcome.text and "by GitHub's ID token" in outcome.text
    assert login.given() and world.job.given


def test_gitlab(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path, login: Login, world: World) -> None:
    """With the variables of the example, and the audience that it gives the ID token."""
    world.gcp.provider = world.gcp.provider.replace("github", "gitlab")
    path = release(tmp_path)
    allow(step, kubectl, namespace, path, login)
    outcome = step("apply", "-f", path, "-n", namespace, env=world.in_gitlab(login), report=True)
    step.knows(*world.secrets)
    assert outcome.code == 0, outcome.text
    assert set(statuses(outcome).values()) == {"current"} and len(statuses(outcome)) == 3
    assert "by the CI's ID token" in outcome.text
