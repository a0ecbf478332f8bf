"""SIGTERM while a write is under way: what the server has done by then is told, and nothing else is begun."""

from __future__ import annotations

import itertools
import json
import re
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Kubectl, Outcome, Running, Step, poll
from tests.faults.proxy import Exchange, Match, Proxy, Recorded, answer_later, on
from tests.integration.objects import config_map, deployment, job, through, write
from tests.integration.outcomes import actions, objects

pytestmark = pytest.mark.usefixtures("played")


def is_write(request: Recorded) -> bool:
    return request.method != "GET" and "dryRun" not in request.query and b'"dryRun"' not in request.body


@dataclass(frozen=True)
class Verb:
    """A command that writes one object: its words, the object's name in the report, and the action when it is done."""

    words: tuple[str, ...]
    object: str
    action: str
    match: Match = is_write


VERBS: dict[str, Verb] = {
    "apply": Verb(("apply", "-f", "{new}"), "ConfigMap/new", "created"),
    "apply over it": Verb(("apply", "-f", "{old}"), "ConfigMap/old", "configured"),
    "create": Verb(("create", "-f", "{new}"), "ConfigMap/new", "created"),
    "replace": Verb(("replace", "-f", "{old}"), "ConfigMap/old", "replaced"),
    "patch": Verb(
        ("patch", "cm/old", "--type", "merge", "-p", '{{"data":{{"a":"z"}}}}'), "ConfigMap/old", "configured"
    ),
    "delete": Verb(("delete", "cm/old"), "ConfigMap/old", "deleted"),
    "delete a collection": Verb(("delete", "cm", "-l", "is=old"), "ConfigMap/old", "deleted"),
    "scale": Verb(("scale", "deployment/web", "--replicas", "2"), "Deployment/web", "configured"),
    "restart": Verb(("restart", "deployment/web"), "Deployment/web", "configured"),
    "undo": Verb(("undo", "deployment/web"), "Deployment/web", "configured"),
    "run": Verb(("run", "-f", "{job}", "--on-cancel", "leave"), "Job/once", "created", on("POST", "/jobs$")),
}


@pytest.fixture
def files(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> dict[str, str]:
    """A ConfigMap ``old`` and a Deployment with two revisions are there; the manifests that change or join them."""
    old = config_map("old", a="b")
    old["metadata"]["labels"] = {"is": "old"}
    for number in (1, 2):
        path = write(tmp_path / "before.yaml", old, deployment(image=f"shop/web:{number}"))
        assert step("apply", "-f", path, "-n", namespace).code == 0
    return {
        "new": write(tmp_path / "new.yaml", config_map("new", a="b")),
        "old": write(tmp_path / "old.yaml", config_map("old", a="c")),
        "job": write(tmp_path / "job.yaml", job("once", "shop/job-hang:1")),
    }


@pytest.fixture
def let_go() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


CHANGES = {"created", "configured", "replaced", "deleted"}


def told_truthfully(before: dict[str, str], after: dict[str, str], outcome: Outcome) -> set[str]:
    """What has changed, by name; each is told as changed, or as unknown, and whatever is told as changed has."""
    told = actions(outcome)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    silent = {name: told.get(name) for name in changed if told.get(name) not in CHANGES | {"unknown"}}
    made_up = {name: action for name, action in told.items() if action in CHANGES and name not in changed}
    assert (silent, made_up) == ({}, {}), outcome.text
    return changed


def specs(kubectl: Kubectl, namespace: str) -> dict[str, str]:
    """What there is, by ``ConfigMap/old``, in a form that changes as soon as somebody writes to it."""
    found = json.loads(kubectl("-n", namespace, "get", "cm,deploy,job", "-o", "json").stdout)["items"]
    return {
        f"{one['kind']}/{one['metadata']['name']}": json.dumps(
            [one["metadata"]["uid"], one["metadata"].get("generation"), one.get("data"), one["metadata"].get("labels")]
        )
        for one in found
        if one["metadata"]["name"] != "kube-root-ca.crt"
    }


def ended(run: Running) -> Outcome:
    outcome = run.wait(60)
    assert outcome.code == 143 and "Traceback" not in outcome.text, outcome.text
    return outcome


def hold(
    verb: Verb, let_go: threading.Event, step: Step, proxy: Proxy, namespace: str, files: dict[str, str]
) -> Running:
    """The run, once the server has done what it was asked and its answer is held back."""
    rule = proxy.rule(verb.match, answer_later(let_go), times=None)
    words = [word.format(**files) for word in verb.words]
    run = step.start(*words, "-n", namespace, env=through(proxy), report=True, clock_stands=True)
    poll(lambda: any(one.fault == "held" for one in proxy.matching(verb.match)), "the write", 60)
    assert rule.used
    run.cancel(signal.SIGTERM)
    return run


@pytest.mark.parametrize("name", VERBS)
def test_what_is_answered_after_the_signal_is_told(
    name: str,
    step: Step,
    kubectl: Kubectl,
    namespace: str,
    proxy: Proxy,
    files: dict[str, str],
    let_go: threading.Event,
) -> None:
    verb, before = VERBS[name], specs(kubectl, namespace)
    run = hold(verb, let_go, step, proxy, namespace, files)
    let_go.set()
    outcome = ended(run)
    assert actions(outcome)[verb.object] == verb.action, outcome.text
    assert told_truthfully(before, specs(kubectl, namespace), outcome) == {verb.object}


@pytest.mark.parametrize("name", VERBS)
def test_what_is_never_answered_is_unknown(
    name: str,
    step: Step,
    kubectl: Kubectl,
    namespace: str,
    proxy: Proxy,
    files: dict[str, str],
    let_go: threading.Event,
) -> None:
    verb, before = VERBS[name], specs(kubectl, namespace)
    run = hold(verb, let_go, step, proxy, namespace, files)
    poll(lambda: run.time_passes(10) or run.process.poll() is not None, "the end of the second", 60)
    outcome = ended(run)
    assert actions(outcome)[verb.object] == "unknown", outcome.text
    assert told_truthfully(before, specs(kubectl, namespace), outcome) == {verb.object}, "it was done all the same"
    assert "was not answered before the cancelled step had to end" in outcome.stderr
    assert re.search(r"^unknown +\S", outcome.stderr, re.M) and re.search(r"^\S+ +unknown ", outcome.text, re.M)
    assert len(proxy.matching(verb.match)) == 1, "and not sent again"


def test_many_under_way(
    step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path, let_go: threading.Event
) -> None:
    """Each object that the server has is told, and each that is told is there: none is left out, none made up."""
    path = write(tmp_path / "release.yaml", *(config_map(f"c{number:03}", a="b") for number in range(150)))
    seen = itertools.count()

    def fortieth(request: Recorded) -> bool:
        return is_write(request) and next(seen) >= 40

    proxy.rule(fortieth, answer_later(let_go), times=None)
    run = step.start("apply", "-f", path, "-n", namespace, env=through(proxy), report=True, clock_stands=True)
    poll(lambda: sum(one.fault == "held" for one in proxy.matching(is_write)) >= 16, "sixteen writes under way", 60)
    run.cancel(signal.SIGTERM)
    let_go.set()
    outcome = ended(run)
    assert len(told_truthfully({}, specs(kubectl, namespace), outcome)) < 150
    assert set(actions(outcome).values()) == {"created", "none"} and len(actions(outcome)) == 150
    assert "not sent: configmap/c" in outcome.stderr and " more" in outcome.stderr


def test_what_stays_after_a_cancelled_release_is_listed(
    step: Step, namespace: str, proxy: Proxy, files: dict[str, str], let_go: threading.Event
) -> None:
    verb = Verb(("apply", "-f", "{old}", "--rollback-on-failure"), "ConfigMap/old", "configured")
    run = hold(verb, let_go, step, proxy, namespace, files)
    poll(lambda: run.time_passes(10) or run.process.poll() is not None, "the end of the second", 60)
    outcome = ended(run)
    assert f"what this run changed stays: configmap/{namespace}/old (unknown)" in " ".join(outcome.stderr.split())


WHOLESALE = {
    "apply": (("apply", "-f", "{changed}"), "configured"),
    "create": (("create", "-f", "{more}"), "created"),
    "replace": (("replace", "-f", "{changed}"), "replaced"),
    "delete": (("delete", "-f", "{changed}"), "deleted"),
}


@pytest.mark.parametrize("name", WHOLESALE)
def test_in_the_midst_of_many_writes(
    name: str, step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    """Nothing is held back: some writes are done, some on their way, some answered and not yet told.

    A signal that is handled late may find all of them done.
    """
    words, action = WHOLESALE[name]
    many = [f"c{number:03}" for number in range(100)]
    there = write(tmp_path / "there.yaml", *(config_map(each, a="b") for each in many))
    assert step("apply", "-f", there, "-n", namespace, "--no-preflight").code == 0
    files = {
        "changed": write(tmp_path / "changed.yaml", *(config_map(each, a="c") for each in many)),
        "more": write(tmp_path / "more.yaml", *(config_map(f"more-{each}", a="b") for each in many)),
    }
    twentieth, seen = threading.Event(), itertools.count(1)

    def noted(exchange: Exchange) -> None:
        exchange.forward()
        if next(seen) >= 20:
            twentieth.set()

    proxy.rule(is_write, noted, times=None)
    before = specs(kubectl, namespace)
    chosen = [word.format(**files) for word in words]
    run = step.start(*chosen, "-n", namespace, env=through(proxy), report=True)
    assert twentieth.wait(60)
    run.signal(signal.SIGTERM)
    outcome = run.wait(60)
    changed = told_truthfully(before, specs(kubectl, namespace), outcome)
    assert outcome.code in ((143,) if len(changed) < len(many) else (143, 0)), outcome.text
    assert "Traceback" not in outcome.text
    assert len(changed) >= 19 and action in actions(outcome).values()


def test_a_deletion_that_had_only_read(
    step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, files: dict[str, str], let_go: threading.Event
) -> None:
    before = specs(kubectl, namespace)
    reading = on("GET", "configmaps/old$")
    proxy.rule(reading, answer_later(let_go), times=None)
    words = ("delete", "cm/old", "-n", namespace)
    run = step.start(*words, env=through(proxy), report=True, clock_stands=True)
    poll(lambda: any(one.fault == "held" for one in proxy.matching(reading)), "the read", 60)
    run.cancel(signal.SIGTERM)
    let_go.set()
    outcome = ended(run)
    assert told_truthfully(before, specs(kubectl, namespace), outcome) == set()
    assert actions(outcome) == {"ConfigMap/old": "none"} and not proxy.matching(is_write)
    assert "not sent: configmap/old" in outcome.stderr


def test_what_is_put_back_by_the_second(
    step: Step,
    kubectl: Kubectl,
    namespace: str,
    proxy: Proxy,
    files: dict[str, str],
    tmp_path: Path,
    let_go: threading.Event,
) -> None:
    """A rollback that is cancelled while a write of its own is under way tells of that, too."""
    before = specs(kubectl, namespace)
    bad = write(tmp_path / "bad.yaml", config_map("old", a="c"), config_map("refused", **{"no/key": "b"}))
    seen = itertools.count()
    back = lambda one: is_write(one) and one.path.endswith("/old") and next(seen) == 1  # noqa: E731
    proxy.rule(back, answer_later(let_go), times=None)
    words = ("apply", "-f", bad, "-n", namespace, "--rollback-on-failure", "--no-preflight")
    run = step.start(*words, env=through(proxy), report=True, clock_stands=True)
    poll(lambda: any(one.fault == "held" for one in proxy.requests), "the write that takes it back", 60)
    run.cancel(signal.SIGTERM)
    let_go.set()
    outcome = ended(run)
    assert objects(outcome)["ConfigMap/old"]["rolled_back"] == "restored", outcome.text
    assert specs(kubectl, namespace) == before


def test_a_job_whose_creation_was_not_answered_does_not_run_on(
    step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, files: dict[str, str], let_go: threading.Event
) -> None:
    before = specs(kubectl, namespace)
    run = hold(Verb(("run", "-f", "{job}"), "", "", on("POST", "/jobs$")), let_go, step, proxy, namespace, files)
    poll(lambda: "unknown" in run.text or run.time_passes(1), "the end of the second", 60)
    outcome = ended(run)
    assert "deleted job.batch/once" in outcome.stderr and actions(outcome)["Job/once"] == "created"
    poll(lambda: specs(kubectl, namespace) == before, "the end of the Job", 60)
