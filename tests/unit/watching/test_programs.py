"""Commands that are run for events: how many at once, in which order, with what, and what is known of their end."""

from __future__ import annotations

import queue
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from k8s_step.watching.programs import Ended, Event, Lanes, Line, Programs

PATH = {"PATH": "/usr/bin:/bin"}


def test_as_many_run_as_may() -> None:
    lanes: Lanes[str] = Lanes(2)
    for key in "abc":
        lanes.add(key, f"{key}1")
    assert list(lanes.next()) == ["a1", "b1"] and list(lanes.next()) == []
    lanes.ended("b")
    assert list(lanes.next()) == ["c1"]


def test_of_one_object_one_runs_at_a_time_and_in_order() -> None:
    lanes: Lanes[str] = Lanes(4)
    for task in ("a1", "a2", "b1", "a3"):
        lanes.add(task[0], task)
    assert list(lanes.next()) == ["a1", "b1"]
    lanes.ended("b")
    assert list(lanes.next()) == []
    lanes.ended("a")
    assert list(lanes.next()) == ["a2"]
    lanes.add("a", "a4")
    lanes.ended("a")
    assert list(lanes.next()) == ["a3"]
    lanes.ended("a")
    assert list(lanes.next()) == ["a4"]
    assert not lanes.is_idle
    lanes.ended("a")
    assert lanes.is_idle


def test_a_busy_object_holds_up_no_other() -> None:
    lanes: Lanes[str] = Lanes(1)
    for task in ("a1", "a2", "a3", "b1"):
        lanes.add(task[0], task)
    order = []
    while tasks := list(lanes.next()):
        order += tasks
        lanes.ended(tasks[0][0])
    assert order == ["a1", "b1", "a2", "a3"]


def test_what_waits_can_be_dropped() -> None:
    lanes: Lanes[str] = Lanes(1)
    for task in ("a1", "a2", "b1"):
        lanes.add(task[0], task)
    list(lanes.next())
    assert lanes.clear() == 2 and not lanes.is_idle
    lanes.ended("a")
    assert lanes.is_idle and list(lanes.next()) == []


class Stage:
    """Programs, and what they have told, in order."""

    def __init__(self, command: str, limit: int = 4, environ: dict[str, str] | None = None) -> None:
        self._told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.programs = Programs(command, {**PATH, **(environ or {})}, limit, self._told.put)

    def pass_on(self, key: str, text: str = "{}", **environ: str) -> None:
        self.programs.pass_on(Event(key, f"pod/{key}", text, environ))

    def told(self) -> Iterator[Line | Ended]:
        """Until all have ended."""
        while not self.programs.is_idle:
            news = self._told.get(timeout=60)
            self.programs.heard(news)
            yield news

    def next(self) -> Line | Ended:
        news: Line | Ended = self._told.get(timeout=60)
        self.programs.heard(news)
        return news


def texts(stage: Stage) -> list[str]:
    return [news.text for news in stage.told() if isinstance(news, Line)]


def test_the_event_is_on_stdin_and_in_the_environment() -> None:
    stage = Stage('cat; echo "$EVENT_NAME of $OWN"; pwd', environ={"OWN": "ours"})
    stage.pass_on("web", '{"type":"ADDED"}', EVENT_NAME="web")
    assert texts(stage) == ['{"type":"ADDED"}', "web of ours", str(Path.cwd())]


def test_nothing_else_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_OF_OURS", "x")
    stage = Stage('echo "[$TOKEN_OF_OURS]"')
    stage.pass_on("web")
    assert texts(stage) == ["[]"]


def test_a_command_need_not_read_its_stdin() -> None:
    stage = Stage("true")
    stage.pass_on("web", "x" * 1_000_000)
    assert [news.code for news in stage.told() if isinstance(news, Ended)] == [0]


def test_a_failure_is_told_with_the_last_line() -> None:
    stage = Stage("echo begun; echo 'no such pod' >&2; exit 3")
    stage.pass_on("web")
    (ended,) = (news for news in stage.told() if isinstance(news, Ended))
    assert (ended.event.title, ended.code, ended.last) == ("pod/web", 3, "no such pod")
    assert (stage.programs.runs, stage.programs.failures) == (1, 1)


def test_the_events_of_an_object_are_passed_on_in_order(tmp_path: Path) -> None:
    """Though each takes shorter than the one before."""
    stage = Stage(f'read n; sleep "0.$((4 - n))"; echo "$n" >> {tmp_path}/"$EVENT_NAME"')
    for number in range(1, 4):
        for name in "ab":
            stage.pass_on(name, str(number), EVENT_NAME=name)
    list(stage.told())
    assert [(tmp_path / name).read_text().split() for name in "ab"] == [["1", "2", "3"]] * 2


def test_what_runs_is_ended_with_all_that_it_started() -> None:
    stage = Stage("sleep 600 & echo up; wait")
    stage.pass_on("web")
    stage.pass_on("web")
    assert isinstance(stage.next(), Line)
    assert (stage.programs.running, stage.programs.drop()) == (1, 1)
    stage.programs.signal(signal.SIGTERM)
    (ended,) = stage.told()
    assert isinstance(ended, Ended) and ended.code == -signal.SIGTERM


def test_a_child_that_stays_behind_holds_nothing_up() -> None:
    stage = Stage("sleep 20 & echo done")
    stage.pass_on("web")
    *_, ended = stage.told()
    assert isinstance(ended, Ended) and ended.code == 0
