"""A release goes on and its verdict stays right when the network, a proxy or the API server misbehaves."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import Outcome, Running, Step, poll
from tests.controlplane.cluster import Cluster
from tests.faults import proxy as faults
from tests.faults.proxy import Action, Match, Proxy, on
from tests.integration.objects import claim, config_map, deployment, through, write
from tests.integration.outcomes import actions, statuses, the_failure

pytestmark = pytest.mark.usefixtures("played")

DEPLOYMENTS = "/deployments$"
LISTS = on("GET", "/(deployments|pods|replicasets)$", watch=False)


def start(step: Step, proxy: Proxy, namespace: str, folder: Path, image: str = "shop/web:1", **notes: str) -> Running:
    path = write(folder / "release.yaml", deployment("web", image, **notes))
    return step.start("apply", "-f", path, "-n", namespace, env=through(proxy), report=True)


# -- watches


@pytest.mark.parametrize(
    "action",
    [faults.cut_watch(1), faults.cut_watch(1, reset=True), faults.end_watch(1), faults.cut_watch(0), faults.html(502)],
    ids=["cut", "reset", "ended", "cut at once", "HTML"],
)
def test_a_watch_is_resumed_where_it_was_cut(
    action: Action, step: Step, proxy: Proxy, namespace: str, tmp_path: Path
) -> None:
    proxy.rule(on("GET", DEPLOYMENTS, watch=True), action, times=2)
    outcome = start(step, proxy, namespace, tmp_path, delay="1s").wait()
    assert (outcome.code, statuses(outcome)) == (0, {"Deployment/web": "current"}), outcome.text
    watches = proxy.matching(on("GET", DEPLOYMENTS, watch=True))
    assert len(watches) == 3
    versions = [int(watch.query["resourceVersion"]) for watch in watches]
    seen = [watch.events > 0 for watch in watches]
    for before, after, some in zip(versions, versions[1:], seen, strict=False):
        assert after > before if some else after == before
    assert proxy.matching(on("GET", DEPLOYMENTS, watch=False)) == [], "nothing was listed anew"


def test_every_watch_is_cut_again_and_again(step: Step, proxy: Proxy, namespace: str, tmp_path: Path) -> None:
    proxy.rule(on("GET", watch=True), faults.cut_watch(1, reset=True), times=12)
    outcome = start(step, proxy, namespace, tmp_path, "shop/crash:1").wait()
    assert (outcome.code, the_failure(outcome)["reason"]) == (1, "CrashLoopBackOff"), outcome.text
    assert len(proxy.matching(LISTS)) == 2, "pods and ReplicaSets, once each"


def test_connections_that_break_all_at_once(step: Step, proxy: Proxy, namespace: str, tmp_path: Path) -> None:
    run = start(step, proxy, namespace, tmp_path, delay="1s")
    poll(lambda: len(proxy.matching(on(watch=True))) == 3, "the watches")
    proxy.hang_up()
    outcome = run.wait()
    assert (outcome.code, statuses(outcome)) == (0, {"Deployment/web": "current"}), outcome.text
    assert len(proxy.matching(LISTS)) == 2


@pytest.mark.parametrize("action", [faults.gone(), faults.gone_event()], ids=["answer", "event"])
@pytest.mark.parametrize("what", ["deployments", "pods"])
def test_a_version_that_is_too_old_is_listed_anew(
    what: str, action: Action, step: Step, proxy: Proxy, namespace: str, tmp_path: Path
) -> None:
    proxy.rule(on("GET", f"/{what}$", watch=True), action)
    outcome = start(step, proxy, namespace, tmp_path, "shop/pull-fail:1", create_delay="1s").wait()
    assert (outcome.code, the_failure(outcome)["image"]) == (1, "shop/pull-fail:1"), outcome.text
    listed = proxy.matching(on("GET", f"/{what}$", watch=False))
    assert len(listed) == (1 if what == "deployments" else 2)
    assert len(proxy.matching(on("GET", f"/{what}$", watch=True))) == 2


def test_deleted_while_the_watch_was_away(
    step: Step, proxy: Proxy, namespace: str, tmp_path: Path, cluster: Cluster
) -> None:
    """The new list lacks the object: it is gone, and not waited for."""
    held = proxy.rule(on("GET", DEPLOYMENTS, watch=True), faults.delay(1))
    proxy.rule(on("GET", DEPLOYMENTS, watch=True), faults.gone())
    run = start(step, proxy, namespace, tmp_path, "shop/never-ready:1")
    poll(lambda: held.used, "the watch")
    cluster.request("DELETE", f"/apis/apps/v1/namespaces/{namespace}/deployments/web")
    proxy.hang_up()
    outcome = run.wait()
    assert (outcome.code, statuses(outcome)) == (1, {"Deployment/web": "not found"}), outcome.text


@pytest.mark.parametrize(("image", "code"), [("shop/web:1", 0), ("shop/pull-fail:1", 1)])
def test_where_watching_is_forbidden_it_asks_again(
    image: str, code: int, step: Step, proxy: Proxy, namespace: str, tmp_path: Path
) -> None:
    proxy.rule(on("GET", watch=True), faults.forbid(), times=None)
    outcome = start(step, proxy, namespace, tmp_path, image, create_delay="1s").wait()
    assert outcome.code == code, outcome.text
    assert "may not watch" in outcome.stderr


@pytest.mark.parametrize("image", ["shop/web:1", "shop/pull-fail:1"])
@pytest.mark.parametrize("watch", [True, None], ids=["no watch", "no list"])
@pytest.mark.parametrize("names", [("web",), ("web", "api")], ids=["one", "two"])
def test_a_kind_that_has_no_such_verb_is_asked_again(
    names: tuple[str, ...], watch: bool | None, image: str, step: Step, proxy: Proxy, namespace: str, tmp_path: Path
) -> None:
    """Such as the RoleBindings of authorization.openshift.io, or what an aggregated API computes."""
    refusal = faults.status(405, "MethodNotAllowed", "watch is not supported on resources of kind deployments")
    proxy.rule(on("GET", DEPLOYMENTS, watch=watch), refusal, times=None)
    path = write(tmp_path / "release.yaml", *(deployment(name, image, create_delay="1s") for name in names))
    outcome = step("apply", "-f", path, "-n", namespace, env=through(proxy), report=True)
    assert outcome.code == (image == "shop/pull-fail:1"), outcome.text
    assert "may not watch deployments.apps" in outcome.stderr


def test_where_watching_is_not_supported_by_what_is_in_between(
    step: Step, proxy: Proxy, namespace: str, tmp_path: Path
) -> None:
    proxy.rule(on("GET", watch=True), faults.html(502), times=8)
    outcome = start(step, proxy, namespace, tmp_path, delay="500ms").wait()
    assert outcome.code == 0, outcome.text


# -- the server goes away


@pytest.mark.parametrize(("image", "code"), [("shop/web:1", 0), ("shop/pull-fail:1", 1)])
def test_the_server_is_away_while_it_happens(
    image: str, code: int, step: Step, proxy: Proxy, namespace: str, tmp_path: Path, cluster: Cluster
) -> None:
    run = start(step, proxy, namespace, tmp_path, image, create_delay="1s")
    poll(lambda: len(proxy.matching(on(watch=True))) == 3, "the watches")
    proxy.stop()
    pods = f"/api/v1/namespaces/{namespace}/pods"
    poll(lambda: any(one["status"].get("containerStatuses") for one in cluster.get(pods)["items"]), "the pod's start")
    run.wait_for("trying again")
    proxy.start()
    outcome = run.wait()
    assert outcome.code == code, outcome.text
    assert statuses(outcome) == {"Deployment/web": "failed" if code else "current"}


def test_the_server_is_away_when_the_release_begins(step: Step, proxy: Proxy, namespace: str, tmp_path: Path) -> None:
    proxy.rule(on(), faults.html(502), times=3)
    proxy.rule(on(), faults.fail(503), times=3)
    outcome = start(step, proxy, namespace, tmp_path).wait()
    assert (outcome.code, actions(outcome)) == (0, {"Deployment/web": "created"}), outcome.text
    assert "<html>" not in outcome.text


def test_time_is_up_while_the_server_is_away(step: Step, proxy: Proxy, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", deployment("web", "shop/never-ready:1"))
    run = step.start("apply", "-f", path, "-n", namespace, env=through(proxy), report=True, own_clock=True)
    poll(lambda: len(proxy.matching(on(watch=True))) == 3, "the watches")
    proxy.stop()
    run.wait_for("trying again")
    run.time_passes()
    outcome = run.wait()
    assert outcome.code == 3, outcome.text
    assert statuses(outcome) == {"Deployment/web": "in progress"}


CLASS = on("GET", "/storageclasses/wait-for-consumer$")


def claiming(step: Step, proxy: Proxy, namespace: str, folder: Path) -> Running:
    """A run that has asked twice in vain for the storage class of its claim."""
    path = write(folder / "release.yaml", claim("data", "wait-for-consumer"))
    words = ("apply", "-f", path, "-n", namespace, "--request-timeout", "1s")
    run = step.start(*words, env=through(proxy), report=True, own_clock=True)
    poll(lambda: len(proxy.matching(CLASS)) >= 2, "a second try")
    return run


@pytest.mark.parametrize(
    ("action", "code"),
    [(faults.stall(), 3), (faults.throttle(1), 3), (faults.fail(503), 5)],
    ids=["none", "429", "503"],
)
def test_time_is_up_before_it_is_known_when_a_claim_binds(
    action: Action, code: int, step: Step, proxy: Proxy, namespace: str, tmp_path: Path
) -> None:
    proxy.rule(CLASS, action, times=None)
    run = claiming(step, proxy, namespace, tmp_path)
    run.time_passes()
    outcome = run.wait()
    assert outcome.code == code, outcome.text
    assert ("time is up" in outcome.stderr) is (code == 3)


@pytest.mark.parametrize("action", [faults.stall(), faults.throttle(1), faults.fail(503)], ids=["none", "429", "503"])
def test_a_minute_without_its_storage_class_ends_no_release(
    action: Action, step: Step, proxy: Proxy, namespace: str, tmp_path: Path
) -> None:
    rule = proxy.rule(CLASS, action, times=None)
    run = claiming(step, proxy, namespace, tmp_path)
    run.time_passes(60)
    tries = rule.used
    poll(lambda: rule.used >= tries + 2, "another try")
    rule.times = rule.used
    outcome = run.wait()
    assert (outcome.code, statuses(outcome)) == (0, {"PersistentVolumeClaim/data": "current"}), outcome.text


# -- writes

PATCH = on("PATCH")


@pytest.mark.parametrize(
    "action",
    [
        faults.throttle(1),
        faults.throttle(None),
        faults.fail(500),
        faults.fail(503),
        faults.html(502),
        faults.garbage(),
        faults.cut_before(),
        faults.cut_before(reset=True),
        faults.cut_after(),
        faults.cut_after(reset=True),
        faults.cut_midway(),
    ],
    ids=["429", "429 at once", "500", "503", "HTML", "garbage", "FIN", "RST", "FIN after", "RST after", "half"],
)
def test_an_apply_is_repeated_and_reported_truthfully(
    action: Action, step: Step, proxy: Proxy, namespace: str, tmp_path: Path
) -> None:
    def run(tone: str) -> dict[str, str]:
        path = write(tmp_path / "release.yaml", config_map(tone=tone))
        outcome = step("apply", "-f", path, "-n", namespace, env=through(proxy), report=True)
        assert outcome.code == 0, outcome.text
        return actions(outcome)

    for tone, expected in (("low", "created"), ("high", "configured")):
        rule = proxy.rule(_write, action)
        assert (run(tone), rule.used) == ({"ConfigMap/settings": expected}, 1)
    proxy.clear()
    assert run("high") == {"ConfigMap/settings": "unchanged"}
    assert proxy.writes == []


def _write(request: faults.Recorded) -> bool:
    return request.method == "PATCH" and "dryRun" not in request.query


def test_a_throttled_release_lowers_its_concurrency(step: Step, proxy: Proxy, namespace: str, tmp_path: Path) -> None:
    proxy.rule(PATCH, faults.throttle(0), times=6)
    path = write(tmp_path / "release.yaml", *(config_map(f"c{number}", a="b") for number in range(20)))
    outcome = step("apply", "-f", path, "-n", namespace, env=through(proxy), report=True)
    assert outcome.code == 0, outcome.text
    assert set(actions(outcome).values()) == {"created"}


def test_a_500_that_stays_is_told(step: Step, proxy: Proxy, namespace: str, tmp_path: Path) -> None:
    proxy.rule(PATCH, faults.fail(500), times=None)
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    outcome = step("apply", "-f", path, "-n", namespace, env=through(proxy), report=True)
    assert outcome.code == 4, outcome.text
    assert "currently unable to handle the request" in outcome.stderr and "release.yaml:1" in outcome.stderr


def out_of_time(step: Step, proxy: Proxy, *line: str, objects: int = 1) -> Outcome:
    """A run whose time is up once it has tried to write each of its objects twice, so that it knows how each fares."""
    run = step.start(*line, env=through(proxy), report=True, own_clock=True)
    tries = lambda: Counter(one.path for one in proxy.matching(PATCH))  # noqa: E731
    poll(lambda: sum(count >= 2 for count in tries().values()) == objects, "a second try of each")
    run.time_passes()
    return run.wait()


@pytest.mark.parametrize(
    ("action", "code"),
    [(faults.throttle(1), 3), (faults.stall(), 3), (faults.fail(503), 5), (faults.html(502), 5)],
    ids=["429", "none", "503", "HTML"],
)
def test_time_is_up_before_the_release_is_out(
    action: Action, code: int, step: Step, proxy: Proxy, namespace: str, tmp_path: Path
) -> None:
    proxy.rule(PATCH, action, times=None)
    path = write(tmp_path / "release.yaml", config_map(a="b"), deployment())
    outcome = out_of_time(step, proxy, "apply", "-f", path, "-n", namespace, "--request-timeout", "2s", objects=2)
    assert outcome.code == code, outcome.text
    assert set(actions(outcome).values()) == {"none"}
    assert "error: " in outcome.stderr and "Traceback" not in outcome.text
    assert ("time is up" in outcome.stderr) is (code == 3)


@pytest.mark.parametrize("action", [faults.cut_after(), faults.html(502)], ids=["cut", "HTML"])
def test_nobody_says_that_nothing_was_changed_where_an_answer_was_lost(
    action: Action, step: Step, proxy: Proxy, namespace: str, tmp_path: Path
) -> None:
    proxy.rule(_write, action, times=None)
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    outcome = out_of_time(step, proxy, "apply", "-f", path, "-n", namespace)
    assert outcome.code == 5, outcome.text
    assert "nothing was" not in outcome.text


@pytest.mark.parametrize("match", [on("GET", "configmaps/settings"), _write], ids=["GET", "PATCH"])
@pytest.mark.parametrize("action", [faults.delay(20), faults.stall()], ids=["late", "never"])
def test_one_slow_request_is_cut_off_and_repeated(
    action: Action, match: Match, step: Step, proxy: Proxy, namespace: str, tmp_path: Path
) -> None:
    rule = proxy.rule(match, action)
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    outcome = step("apply", "-f", path, "-n", namespace, "--request-timeout", "1s", env=through(proxy), report=True)
    assert (outcome.code, rule.used) == (0, 1), outcome.text
    assert actions(outcome) == {"ConfigMap/settings": "created"}


def test_what_was_scaled_is_told_though_the_object_may_not_be_read(
    step: Step, proxy: Proxy, namespace: str, cluster: Cluster
) -> None:
    cluster.create(f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment())
    proxy.rule(on("GET", "deployments/web$"), faults.forbid(), times=None)
    outcome = step("scale", "deployment/web", "--replicas", "3", "-n", namespace, env=through(proxy), report=True)
    assert (outcome.code, actions(outcome)) == (4, {"Deployment/web": "configured"}), outcome.text


# -- evidence


@pytest.mark.parametrize("action", [faults.cut_before(), faults.forbid()], ids=["cut", "forbidden"])
def test_evidence_that_cannot_be_had_does_not_change_the_verdict(
    action: Action, step: Step, proxy: Proxy, namespace: str, tmp_path: Path
) -> None:
    proxy.rule(on("GET", "/log$|/events$"), action, times=None)
    outcome = start(step, proxy, namespace, tmp_path, "shop/crash:1").wait()
    assert (outcome.code, the_failure(outcome)["reason"]) == (1, "CrashLoopBackOff"), outcome.text
    assert "Traceback" not in outcome.text and "<html>" not in outcome.text
