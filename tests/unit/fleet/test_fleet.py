from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from k8s_step.errors import ExitCode
from k8s_step.fleet.fleet import Fleet
from k8s_step.fleet.member import Member
from k8s_step.inputs import Inputs
from k8s_step.redaction import Redactor
from k8s_step.release.planning.session import Run
from k8s_step.report.fleet.result import ClustersResult
from k8s_step.report.journal import Journal

GOOD, BAD, BACK = ExitCode.SUCCEEDED, ExitCode.FAILED, ExitCode.ROLLED_BACK


@dataclass
class World:
    """Clusters whose release ends with a given code; ``rolling`` ones ask whether what they wrote stays."""

    codes: dict[str, ExitCode]
    rolling: bool = False
    events: list[str] = field(default_factory=list)
    most: int = 0
    _under_way: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wave(self, number: int, waves: int, names: Sequence[str]) -> None:
        self.events.append(f"wave {number}")

    def not_begun(self, names: Sequence[str], why: str) -> None:
        self.events.append(f"not begun: {' '.join(names)}: {why}")

    def work(self, run: Run) -> ExitCode:
        with self._lock:
            self._under_way += 1
            self.most = max(self.most, self._under_way)
        code = self.codes[run.cluster]
        with self._lock:
            self._under_way -= 1
        if self.rolling and not (run.stays(code) and code is GOOD):
            return BACK
        return code

    def run(self, waves: str, *, parallel: int = 10, failures: int | None = 0) -> ClustersResult:
        def run_of(one: Member, stays: Callable[[ExitCode], bool]) -> Run:
            return Run(one.inputs, {}, Journal("apply", ()), Redactor(), cluster=one.name, stays=stays)

        fleet = Fleet("apply", self.work, run_of, self, max_parallel=parallel, max_failures=failures)
        return fleet.run([[Member(name, Inputs()) for name in wave.split()] for wave in waves.split(";")])


def words(result: ClustersResult) -> str:
    return " ".join(f"{one.name}={one.word}" for one in result.clusters)


def test_waves_come_one_after_the_other() -> None:
    world = World(dict.fromkeys("abc", GOOD))
    result = world.run("a;b c")
    assert words(result) == "a=succeeded b=succeeded c=succeeded"
    assert [one.wave for one in result.clusters] == [1, 2, 2]
    assert (result.exit_code, world.events) == (GOOD, ["wave 1", "wave 2"])


def test_an_empty_wave_is_passed_by() -> None:
    world = World(dict.fromkeys("ab", GOOD))
    result = world.run("a;;b")
    assert [(one.name, one.wave) for one in result.clusters] == [("a", 1), ("b", 3)]
    assert world.events == ["wave 1", "wave 3"]


def test_no_wave_begins_after_a_failure() -> None:
    world = World({**dict.fromkeys("abcd", GOOD), "b": BAD})
    result = world.run("a b;c;d")
    assert words(result) == "a=succeeded b=failed c=not_begun d=not_begun"
    assert (result.exit_code, world.events) == (BAD, ["wave 1", "not begun: c d: b failed"])


@pytest.mark.parametrize(("failures", "begun"), [(0, "ab"), (1, "abcd"), (None, "abcde")])
def test_so_many_may_fail(failures: int | None, begun: str) -> None:
    world = World({**dict.fromkeys("abcde", GOOD), "b": BAD, "d": BAD})
    result = world.run("a;b;c;d;e", failures=failures)
    assert "".join(one.name for one in result.clusters if one.result) == begun


def test_no_other_of_the_wave_is_begun_after_a_failure() -> None:
    world = World({**dict.fromkeys("abc", GOOD), "a": BAD})
    assert words(world.run("a b c", parallel=1)) == "a=failed b=not_begun c=not_begun"
    assert world.most == 1


def test_a_wave_is_taken_back_as_a_whole() -> None:
    world = World({**dict.fromkeys("abcd", GOOD), "c": BAD}, rolling=True)
    assert words(world.run("a;b c;d")) == "a=succeeded b=rolled_back c=rolled_back d=not_begun"
    assert world.events[-1] == "not begun: d: c failed"


@pytest.mark.parametrize("parallel", [1, 2, 10])
def test_one_that_waits_for_its_wave_lets_others_begin(parallel: int) -> None:
    world = World(dict.fromkeys("abcd", GOOD), rolling=True)
    assert words(world.run("a b c d", parallel=parallel)) == " ".join(f"{name}=succeeded" for name in "abcd")


def test_a_failure_that_is_allowed_takes_nobody_back() -> None:
    world = World({**dict.fromkeys("abc", GOOD), "b": BAD}, rolling=True)
    assert words(world.run("a b;c", failures=1)) == "a=succeeded b=rolled_back c=succeeded"


def test_a_bug_in_the_thread_of_a_cluster_is_its_result() -> None:
    world = World({"a": GOOD})  # nothing is known of b
    result = world.run("a b")
    assert words(result) == "a=succeeded b=failed" and result.exit_code is ExitCode.BUG
