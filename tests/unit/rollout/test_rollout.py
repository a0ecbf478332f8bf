"""The loop that follows: what it tells its listener, by a clock of the test's own and without a server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from k8s_step.api.request import Answer, Request
from k8s_step.errors import ForbiddenError, NotFoundError
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource, required
from k8s_step.rollout.follower import Limits
from k8s_step.rollout.rollout import Rollout
from k8s_step.rollout.termination import Termination
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.states import State
from k8s_step.verdict.target import Target

SHOP = Resource("example.com", "v1", "Shop", "shops", True)


def shop(version: int, text: str) -> dict[str, Any]:
    metadata = {"name": "one", "namespace": "shop", "uid": "u", "resourceVersion": str(version)}
    conditions = [{"type": "Ready", "status": "False", "message": text}]
    return {"apiVersion": "example.com/v1", "kind": "Shop", "metadata": metadata, "status": {"conditions": conditions}}


class Stream:
    """A watch that tells of a change, other than the one before, as soon as the last one has been told on."""

    def __init__(self, told_on: threading.Semaphore, states: int) -> None:
        self._told_on, self._states = told_on, states
        self._closed = False

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[bytes]:
        version = 1
        while self._told_on.acquire(timeout=60) and not self._closed:
            version += 1
            yield json.dumps({"type": "MODIFIED", "object": shop(version, f"step {version % self._states}")}).encode()

    def close(self) -> None:
        self._closed = True
        self._told_on.release()


class Server:
    """Answers a watch, which tells of so many different states in turn, and nothing else."""

    def __init__(self, told_on: threading.Semaphore, states: int = 2) -> None:
        self._told_on, self._states = told_on, states

    def stream(self, request: Request, *, idle_timeout: float) -> Stream:
        return Stream(self._told_on, self._states)


class Clock:
    """A second later at each look."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


class Listener:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.told_on = threading.Semaphore(0)
        self.ticks: list[tuple[float, float]] = []
        self.told: list[str] = []

    def progress(self, reference: Reference, judgement: Judgement, seconds: float) -> None:
        self.told.append(judgement.message)
        self.told_on.release()

    def tick(self, remaining: float) -> None:
        self.ticks.append((self._clock.now, remaining))

    def notice(self, message: str) -> None:
        raise AssertionError(message)


DEPLOYMENT = required("apps/v1", "Deployment")


@pytest.mark.parametrize(
    ("by_manifest", "live", "state"),
    [
        (True, True, "current: paused, as its manifest says"),
        (True, False, "in progress: 0 of 3 pods updated, 3 available"),  # somebody has resumed it since
        (False, True, "in progress: paused: resume it to roll out; 0 of 3 pods updated, 3 available"),
    ],
)
def test_paused_by_its_manifest_or_by_somebody_else(by_manifest: bool, live: bool, state: str) -> None:
    metadata = {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "1", "generation": 2}
    status = {"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "availableReplicas": 3}
    spec = {"replicas": 3, "paused": live}
    obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec, "status": status}
    target = Target(Reference("apps/v1", "Deployment", "shop", "web", "", 0), DEPLOYMENT, obj, paused=by_manifest)
    nobody: Any = None
    listener = Listener(Clock())
    assert Rollout(nobody, [target], listener, Limits()).look() == (0 if state.startswith("current") else 1)
    assert target.judgement is not None
    assert f"{target.judgement.state}: {target.judgement.message}" == state


def test_it_ticks_while_something_happens_all_the_time() -> None:
    """A crash loop goes round in circles, and whoever prints has told each line of it before."""
    clock = Clock()
    listener = Listener(clock)
    reference = Reference("example.com/v1", "Shop", "shop", "one", "", 0)
    target = Target(reference, SHOP, shop(1, "step 1"), changed=False)
    server: Any = Server(listener.told_on)
    assert not Rollout(server, [target], listener, Limits(600, tick=30.0), clock).follow()
    assert target.timed_out and target.judgement is not None and target.judgement.state is State.IN_PROGRESS
    assert set(listener.told) == {"step 0", "step 1"}
    assert {at + remaining for at, remaining in listener.ticks} == {601.0}, "how much time is left"
    times = [0.0, *(at for at, _ in listener.ticks), 600.0]
    assert max(after - before for before, after in pairwise(times)) < 45, "half a minute, and one round's looks at it"


# -- what was current goes on being judged


class Steady:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def ready(name: str, status: str, **annotations: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "uid": name, "resourceVersion": "1", "annotations": annotations}
    conditions = [{"type": "Ready", "status": status, "message": f"Ready is {status}"}]
    return {"apiVersion": "example.com/v1", "kind": "Shop", "metadata": metadata, "status": {"conditions": conditions}}


def target(name: str, status: str, **annotations: str) -> Target:
    reference = Reference("example.com/v1", "Shop", "shop", name, "", 0)
    return Target(reference, SHOP, ready(name, status, **annotations), changed=False)


def looked_at(clock: Steady, *targets: Target) -> Rollout:
    """A rollout whose targets have been judged once; it asks no server."""
    silent: Any = None
    listener: Any = Listener(Clock())
    rollout = Rollout(silent, targets, listener, Limits(600), clock)
    rollout.look()
    return rollout


@pytest.mark.parametrize("is_first", [True, False])
def test_what_was_current_is_judged_anew_and_has_its_time_once_more(is_first: bool) -> None:
    clock, one, other = Steady(), target("one", "True", **{"k8s-step/timeout": "60s"}), target("other", "False")
    rollout = looked_at(clock, *((one, other) if is_first else (other, one)))
    assert (one.is_open, other.is_open, one.ends) == (False, True, 60)
    clock.now, one.object = 100, ready("one", "False")
    assert rollout.look() == 2
    assert one.judgement is not None and (one.judgement.state, one.judgement.was_current) == (State.IN_PROGRESS, True)
    assert one.ends == 160, "its own minute, counted anew"


def test_what_falls_back_has_no_longer_than_all_had_from_the_start() -> None:
    clock, one = Steady(), target("one", "True")
    rollout = looked_at(clock, one)
    clock.now, one.object = 590, ready("one", "False")
    rollout.look()
    assert one.ends == 600
    clock.now, one.timed_out = 600, True
    assert one.is_late
    one.object = ready("one", "True")
    rollout.look()
    assert not one.is_late, "current after all"


def test_the_seconds_are_those_at_which_it_became_current_for_good() -> None:
    clock, one = Steady(), target("one", "False")
    rollout = looked_at(clock, one)
    for now, status, seconds in ((5, "True", 5), (9, "True", 5), (12, "False", 12), (20, "True", 20), (30, "True", 20)):
        clock.now, one.object = now, ready("one", status)
        rollout.look()
        assert one.seconds == seconds


def test_what_has_failed_is_not_judged_again() -> None:
    clock, one = Steady(), target("one", "False")
    one.object["status"]["conditions"] = [{"type": "Stalled", "status": "True", "message": "no"}]
    rollout = looked_at(clock, one)
    assert one.is_lost
    one.object = ready("one", "True")
    rollout.look()
    assert one.is_lost


def test_a_claim_that_waits_for_its_consumer_is_not_current_when_it_is_lost_or_goes() -> None:
    claim = Target(
        Reference("v1", "PersistentVolumeClaim", "shop", "data", "", 0),
        Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", True),
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"uid": "u"}, "status": {"phase": "Pending"}},
        waits_for_consumer=True,
    )
    rollout = looked_at(Steady(), claim)
    assert claim.judgement is not None and claim.judgement.state is State.CURRENT
    claim.object = {**claim.object, "metadata": {"uid": "u", "deletionTimestamp": "2026-11-26T10:00:00Z"}}
    rollout.look()
    assert claim.judgement.state is State.TERMINATING
    claim.object = {**claim.object, "metadata": {"uid": "u"}, "status": {"phase": "Lost"}}
    rollout.look()
    assert claim.judgement.state is State.FAILED


class Faulty:
    """A client in which there is a fault of ours."""

    def stream(self, *_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("a fault of ours")

    send = stream


def test_a_fault_of_ours_in_the_thread_of_a_watch_ends_the_rollout() -> None:
    faulty: Any = Faulty()
    listener: Any = Listener(Clock())
    with pytest.raises(ZeroDivisionError, match="a fault of ours"):
        Rollout(faulty, [target("one", "False")], listener, Limits(60)).follow()


def test_a_fault_of_ours_in_the_thread_of_a_watch_ends_the_waiting_for_what_goes() -> None:
    faulty: Any = Faulty()
    listener: Any = Listener(Clock())
    with pytest.raises(ZeroDivisionError, match="a fault of ours"):
        Termination(faulty, [target("one", "False")], listener, Limits(60)).follow()


class Classes:
    """A client that knows one storage class, or has ``error`` for whoever asks."""

    def __init__(self, mode: str, error: Exception | None = None) -> None:
        self._mode, self._error = mode, error

    def until(self, _: float) -> Classes:
        return self

    def send(self, request: Request) -> Answer:
        if self._error:
            raise self._error
        return Answer(200, {"volumeBindingMode": self._mode}, b"")

    def stream(self, *_: Any, **__: Any) -> Any:
        raise ForbiddenError("no watching here", code=403)


class Noted(Listener):
    def __init__(self) -> None:
        super().__init__(Clock())
        self.noted: list[str] = []

    def notice(self, message: str) -> None:
        self.noted.append(message)


@pytest.mark.parametrize(
    ("mode", "error", "state", "noted"),
    [
        ("WaitForFirstConsumer", None, State.CURRENT, ""),
        ("Immediate", None, State.IN_PROGRESS, ""),
        ("", NotFoundError("no such class", code=404), State.IN_PROGRESS, ""),
        ("", ForbiddenError("no", code=403), State.IN_PROGRESS, "may not read storageclass/fast"),
    ],
)
def test_a_pending_claim_by_when_its_class_binds(mode: str, error: Exception | None, state: State, noted: str) -> None:
    metadata = {"name": "data", "namespace": "shop", "uid": "u", "resourceVersion": "1"}
    obj = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata}
    obj |= {"spec": {"storageClassName": "fast"}, "status": {"phase": "Pending"}}
    claim = Target(Reference.to(obj), required("v1", "PersistentVolumeClaim"), obj)
    listener, client = Noted(), Classes(mode, error)
    rollout = Rollout(client, [claim], listener, Limits(60), clock=Clock())  # type: ignore[arg-type]
    rollout.look()
    rollout._look_at_claims()
    assert claim.judgement is not None and claim.judgement.state is state
    assert [bool(noted), *(noted in each for each in listener.noted)] == [bool(noted)] * (1 + bool(noted))


# -- waves


def test_a_later_wave_has_what_is_left_of_the_time_and_counts_its_own_seconds() -> None:
    clock, one = Steady(), target("one", "True")
    rollout = looked_at(clock, one)
    clock.now = 100
    plain, own = target("plain", "False"), target("own", "False", **{"k8s-step/timeout": "60s"})
    rollout.add([plain, own])
    assert (rollout.look(), plain.ends, own.ends, rollout.longest) == (2, 600, 160, 500)
    clock.now, plain.object = 130, ready("plain", "True")
    rollout.look()
    assert plain.seconds == 30


def test_objects_of_earlier_waves_are_judged_with_the_later_ones() -> None:
    clock, one, two = Steady(), target("one", "True"), target("two", "True")
    rollout = looked_at(clock, one)
    rollout.add([two])
    assert rollout.look() == 0
    one.object = ready("one", "False")
    assert rollout.look() == 1 and one.judgement is not None and one.judgement.was_current


def test_the_time_left_is_that_of_the_object_whose_time_is_up_first() -> None:
    """Once that time is over, and the others are followed on, it is theirs."""
    clock = Clock()
    listener = Listener(clock)
    one = Target(Reference("example.com/v1", "Shop", "shop", "one"), SHOP, shop(1, "step 1"), changed=False)
    other = target("other", "False", **{"k8s-step/timeout": "300s"})
    server: Any = Server(listener.told_on, states=10_000)
    limits = Limits(600, fail_fast=False, tick=30.0)
    assert not Rollout(server, [one, other], listener, limits, clock).follow()
    assert one.timed_out and other.timed_out
    told = [at + remaining for at, remaining in listener.ticks]
    assert len(told) >= 12 and told == sorted(told) and len(set(told)) == 2
    assert told[0] == other.ends and told[-1] == one.ends
