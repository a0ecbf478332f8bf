"""SIGTERM at each moment of a run: the process ends, and its result file says where things stand."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Outcome, Running, Step, poll
from tests.controlplane.cluster import Cluster
from tests.faults import proxy as faults
from tests.faults.proxy import Match, Proxy, Recorded, on
from tests.integration.objects import config_map, custom, definition, deployment, through, write
from tests.integration.outcomes import actions, failures, statuses

pytestmark = pytest.mark.usefixtures("played")

CREATED = {"ConfigMap/settings": "created", "Deployment/web": "created"}
NOTHING = dict.fromkeys(CREATED, "none")


def written(request: Recorded) -> bool:
    return request.method == "PATCH" and "dryRun" not in request.query


@dataclass(frozen=True)
class Moment:
    """The request that is never answered, and what the result file says of a run that is cancelled then."""

    held: Match
    actions: dict[str, str]
    status: str
    failed: tuple[str, ...] = ()
    image: str = "shop/crash:1"


FOLLOWED = ("Deployment/web",)
MOMENTS: dict[str, Moment] = {
    "reading": Moment(on("GET", "deployments/web$"), NOTHING, ""),
    "trying out": Moment(on("PATCH", "deployments/web$", query={"dryRun": "All"}), NOTHING, ""),
    "writing": Moment(
        lambda one: written(one) and one.path.endswith("/web"), {**CREATED, "Deployment/web": "unknown"}, ""
    ),
    "listing": Moment(on("GET", "/pods$", watch=False), CREATED, "in progress", FOLLOWED),
    "following": Moment(on("GET", "/pods$", watch=True), CREATED, "in progress", FOLLOWED, "shop/never-ready:1"),
    "reading its log": Moment(on("GET", "/log$"), CREATED, "failed", FOLLOWED),
    "reading its events": Moment(on("GET", "/events$"), CREATED, "failed", FOLLOWED),
}


def cancelled(run: Running) -> Outcome:
    run.signal(signal.SIGTERM)
    outcome = run.wait(30)
    assert outcome.code == 143 and "Traceback" not in outcome.text, outcome.text
    assert outcome.report is not None, outcome.text
    assert (outcome.report["result"], outcome.report["exit_code"]) == ("cancelled", 143)
    return outcome


@pytest.mark.parametrize("name", MOMENTS)
def test_cancelled_while(name: str, step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    moment = MOMENTS[name]
    rule = proxy.rule(moment.held, faults.stall(), times=None)
    path = write(tmp_path / "release.yaml", config_map(a="b"), deployment(image=moment.image))
    run = step.start("apply", "-f", path, "-n", namespace, env=through(proxy), report=True)
    poll(lambda: rule.used, "the request that is not answered", 60)
    if name == "writing":
        run.wait_for("configmap/settings")
    outcome = cancelled(run)
    assert actions(outcome) == moment.actions
    assert statuses(outcome)["Deployment/web"] == moment.status
    assert tuple(failures(outcome)) == moment.failed
    if moment.status == "failed":
        assert failures(outcome)["Deployment/web"]["reason"] == "CrashLoopBackOff"


def test_cancelled_while_a_kind_is_being_established(
    step: Step, cluster: Cluster, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    group = f"{namespace}.example"
    rule = proxy.rule(on("GET", "customresourcedefinitions$", watch=True), faults.stall(), times=None)
    path = write(tmp_path / "release.yaml", definition(group), custom(group, "one", spec={"size": 1}))
    run = step.start("apply", "-f", path, "-n", namespace, "--no-preflight", env=through(proxy), report=True)
    poll(lambda: rule.used, "the watch", 60)
    outcome = cancelled(run)
    cluster.request("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}")
    assert actions(outcome)["Widget/one"] == "none"


def test_cancelled_while_it_rolls_back(step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    good = write(tmp_path / "good.yaml", deployment(image="shop/web:1"))
    assert step("apply", "-f", good, "-n", namespace).code == 0
    bad = write(tmp_path / "bad.yaml", deployment(image="shop/pull-fail:2"))
    seen: list[Recorded] = []
    rule = proxy.rule(lambda one: written(one) and bool(seen.append(one) or len(seen) > 1), faults.stall(), times=None)
    words = ("apply", "-f", bad, "-n", namespace, "--rollback-on-failure")
    run = step.start(*words, env=through(proxy), report=True)
    poll(lambda: rule.used, "the write that takes it back", 60)
    outcome = cancelled(run)
    assert statuses(outcome) == {"Deployment/web": "failed"}
    assert failures(outcome)["Deployment/web"]["image"] == "shop/pull-fail:2"
    assert "rollback failed" in outcome.stderr
