"""``watch`` tells of each change once when the network, a proxy or the API server misbehaves."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

import pytest
import requests

from tests.chaos import plane
from tests.chaos.history import History
from tests.conftest import Running, Step, poll
from tests.controlplane import build
from tests.controlplane import cluster as clusters
from tests.controlplane.cluster import Cluster
from tests.faults import proxy as faults
from tests.faults.proxy import Action, Proxy, on
from tests.integration.deeds import Deeds, Event, names, told, without_deletions
from tests.integration.objects import through

MAPS = on("GET", "/configmaps$", watch=True)
LISTS = on("GET", "/configmaps$", watch=False)


@pytest.fixture
def deeds(cluster: Cluster, namespace: str) -> Deeds:
    return Deeds(cluster, namespace)


def start(step: Step, proxy: Proxy, namespace: str, *more: str) -> Running:
    return step.start("watch", "cm", "-n", namespace, *more, env=through(proxy))


def end(running: Running) -> str:
    """Cancel it; its log."""
    running.signal(signal.SIGTERM)
    outcome = running.wait()
    assert outcome.code == 143 and "Traceback" not in outcome.text, outcome.text
    return outcome.stderr


@pytest.mark.parametrize(
    "action",
    [
        faults.cut_watch(1),
        faults.cut_watch(1, reset=True),
        faults.end_watch(2),
        faults.end_watch(0),
        faults.html(502),
        faults.fail(503),
    ],
    ids=["cut", "reset", "closed again and again", "closed at once", "HTML", "503"],
)
def test_a_watch_goes_on_where_it_was(action: Action, step: Step, proxy: Proxy, namespace: str, deeds: Deeds) -> None:
    deeds.create("there")
    proxy.rule(MAPS, action, times=6)
    running = start(step, proxy, namespace)
    poll(lambda: deeds.are_told_by(running), "what is there")
    for number in range(8):
        deeds.create(f"map-{number}")
        deeds.change("there")
        deeds.change(f"map-{number}")
    deeds.delete("map-0")
    poll(lambda: deeds.are_told_by(running), "all changes", 120)
    assert len(proxy.matching(LISTS)) == 1, "nothing was listed anew"
    end(running)


@pytest.mark.parametrize("action", [faults.gone(), faults.gone_event()], ids=["answer", "event"])
def test_what_the_server_forgot_is_told_by_its_differences(
    action: Action, step: Step, proxy: Proxy, namespace: str, deeds: Deeds
) -> None:
    for name in ("changed", "deleted", "kept", "replaced"):
        deeds.create(name)
    running = start(step, proxy, namespace)
    poll(lambda: deeds.are_told_by(running), "what is there")
    poll(lambda: proxy.matching(MAPS), "the watch")
    before = len(told(running))
    proxy.stop()
    deeds.change("changed")
    deeds.change("changed")
    deeds.delete("deleted")
    deeds.delete("replaced")
    deeds.create("replaced")
    deeds.create("new")
    proxy.rule(MAPS, action)
    proxy.start()
    poll(lambda: len(told(running)) >= before + 5, "the differences")
    deeds.change("kept")
    poll(lambda: ("MODIFIED", "kept") in names(running), "the next change")
    found = names(running)[before:]
    assert sorted(found[:-1]) == [
        ("ADDED", "new"),
        ("ADDED", "replaced"),
        ("DELETED", "deleted"),
        ("DELETED", "replaced"),
        ("MODIFIED", "changed"),
    ]
    assert found.index(("DELETED", "replaced")) < found.index(("ADDED", "replaced"))
    assert "listed anew" in end(running)


def test_a_proxy_that_holds_back_until_the_end(step: Step, proxy: Proxy, namespace: str, deeds: Deeds) -> None:
    """Not even the head of an answer comes before the whole answer."""
    deeds.create("there")
    proxy.rule(MAPS, faults.hold_back(), times=None)
    running = start(step, proxy, namespace, "--request-timeout", "8s")
    poll(lambda: any(one.query["timeoutSeconds"] == "4" for one in proxy.matching(MAPS)), "a short watch", 180)
    for number in range(3):
        deeds.create(f"map-{number}")
        deeds.change("there")
    poll(lambda: deeds.are_told_by(running), "all changes", 120)
    deeds.delete("map-0")
    poll(lambda: deeds.are_told_by(running), "the deletion", 120)
    assert len(proxy.matching(LISTS)) == 1
    end(running)


def test_where_watching_is_forbidden_lists_are_compared(step: Step, proxy: Proxy, namespace: str, deeds: Deeds) -> None:
    deeds.create("there")
    proxy.rule(on("GET", watch=True), faults.forbid(), times=None)
    running = start(step, proxy, namespace)
    poll(lambda: deeds.are_told_by(running), "what is there")
    deeds.change("there")
    poll(lambda: deeds.are_told_by(running), "the change")
    deeds.delete("there")
    poll(lambda: deeds.are_told_by(running), "the deletion")
    assert "may not watch configmaps" in end(running)


def test_a_watch_by_name_that_is_forbidden_for_a_while_replays_nothing(
    step: Step, proxy: Proxy, namespace: str, deeds: Deeds
) -> None:
    deeds.create("there")
    refused = proxy.rule(MAPS, faults.forbid(), times=None)
    running = step.start("watch", "cm/there", "-n", namespace, env=through(proxy))
    poll(lambda: deeds.are_told_by(running), "what is there")
    poll(lambda: refused.used, "the refusal")
    deeds.delete("there")
    deeds.create("there")
    poll(lambda: deeds.are_told_by(running), "the one created anew")
    refused.times = refused.used
    running.wait_for("may watch configmaps", 120)
    deeds.change("there")
    poll(lambda: ("MODIFIED", "there") in names(running), "the change")
    assert deeds.are_told_by(running), told(running)
    end(running)


# -- the API server itself is stopped and started


@pytest.fixture(scope="module")
def mortal(owned: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A control plane of its own, whose API server may be killed."""
    folder = tmp_path_factory.mktemp("mortal") / "plane"
    yield clusters.start(folder, build.find(), "tests.chaos.plane")
    clusters.release(folder)


def test_the_api_server_is_stopped_while_objects_change(mortal: Cluster, step: Step) -> None:
    """All that is told is true, in order and once; after a restart the server may have forgotten states in between."""
    namespace = mortal.namespace("watched")
    history = History(mortal.etcd, f"/{namespace}/")
    deeds = Deeds(mortal, namespace)
    deeds.create("there")
    running = step.start("watch", "cm", "-n", namespace, env={"KUBECONFIG": str(mortal.kubeconfig)})
    poll(lambda: deeds.are_told_by(running), "what is there")
    for life in range(3):
        change_many(deeds, f"before-{life}")
        plane.kill(mortal, "kube-apiserver")
        with contextlib.suppress(requests.RequestException):
            deeds.change("there")
        plane.revive(mortal, "kube-apiserver")
        plane.await_ready(mortal)
        change_many(deeds, f"after-{life}")
        if life == 1:
            mortal.compact()
    deeds.create("the-last")
    poll(lambda: ("ADDED", "the-last") in names(running), "the last change", 120)
    history.caught_up()
    truth = truth_of(history, namespace)
    history.close()
    log, found = end(running), told(running)
    assert all(event in truth for event in found if event[0] != "DELETED")
    assert len({event for event in found if event[0] != "DELETED"}) == sum(event[0] != "DELETED" for event in found)
    assert standing(found) == standing(truth)
    assert [version for _, _, version in of("there", found)] == sorted(
        (version for _, _, version in of("there", found)), key=int
    )
    if "listed anew" not in log:
        assert without_deletions(found) == without_deletions(truth)


def change_many(deeds: Deeds, name: str) -> None:
    for number in range(5):
        deeds.create(f"{name}-{number}")
        deeds.change("there")
        deeds.change(f"{name}-{number}")
    deeds.delete(f"{name}-0")
    deeds.delete(f"{name}-1")
    deeds.create(f"{name}-1")


def truth_of(history: History, namespace: str) -> list[Event]:
    """What etcd held, as the events that it has to be told as."""
    events: list[Event] = []
    alive: set[str] = set()
    for one in history.states(namespace):
        name = one.key.name
        if one.key.kind != "ConfigMap" or name == "kube-root-ca.crt":
            continue
        kind = "DELETED" if one.object is None else "MODIFIED" if name in alive else "ADDED"
        alive ^= {name} if kind != "MODIFIED" else set()
        events.append((kind, name, str(one.revision)))
    return events


def of(name: str, events: list[Event]) -> list[Event]:
    return [event for event in events if event[1] == name]


def standing(events: list[Event]) -> dict[str, str]:
    """The last version of each object that is there in the end."""
    last = {name: (kind, version) for kind, name, version in events}
    return {name: version for name, (kind, version) in last.items() if kind != "DELETED"}
