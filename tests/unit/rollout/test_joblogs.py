"""The logs of Jobs' pods, also of those that no watch has told of."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.api.request import Answer, Request
from k8s_step.rollout.joblogs import JobLogs


class Faulty:
    """Answers a list of pods, and has a fault of ours where a log is read."""

    def __init__(self, *pods: dict[str, Any]) -> None:
        self._pods = list(pods)

    def until(self, _: float) -> Faulty:
        return self

    def send(self, _: Request) -> Answer:
        return Answer(200, {"items": self._pods}, b"")

    def stream(self, *_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("a fault of ours")


def test_a_fault_of_ours_in_the_thread_of_a_log_is_not_lost() -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a", "namespace": "shop", "uid": "j"}}
    owner = {"kind": "Job", "name": "a", "uid": "j", "controller": True}
    status = {"containerStatuses": [{"name": "app", "state": {"terminated": {"exitCode": 0}}}]}
    metadata = {"name": "a-1", "namespace": "shop", "uid": "p", "ownerReferences": [owner]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}
    faulty: Any = Faulty(pod)
    told: list[str] = []
    with pytest.raises(ZeroDivisionError, match="a fault of ours"):
        JobLogs(faulty, [job], lambda line: not told.append(line), told.append, several=False).finish()
    assert told == []
