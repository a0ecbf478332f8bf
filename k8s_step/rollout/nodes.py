"""Nodes that have dropped out while a DaemonSet lacks pods there; read by name, since nodes change all the time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from k8s_step.api.client import Client
from k8s_step.api.concurrency import gather
from k8s_step.api.request import Request
from k8s_step.errors import ForbiddenError, NotFoundError, StepError
from k8s_step.objects.metadata import Object
from k8s_step.objects.resource import required as resource
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.states import State
from k8s_step.verdict.target import Target
from k8s_step.verdict.terms.required import fallen_out, lacking_nodes

_NODES = resource("v1", "Node")
_FIRST = 5.0  # seconds that pods get to become ready before their nodes are looked at
_EVERY = 15.0  # seconds between two looks
_ANSWER = 3.0  # seconds that a look may take: meanwhile nothing else is judged
_ASKED = 50  # nodes of one look
_AT_ONCE = 8


class LostNodes:
    """Remembers which nodes of DaemonSets have dropped out."""

    def __init__(self, client: Client, notice: Callable[[str], None]) -> None:
        self._client = client
        self._notice = notice
        self._looks: dict[str, float] = {}
        self._lost: dict[str, dict[str, str]] = {}
        self._is_forbidden = False

    def of(self, target: Target, pods: Sequence[Object], found: Judgement, now: float) -> dict[str, str]:
        """Why nodes where the target lacks a pod have dropped out, by name; read anew once in a while."""
        is_short = found.state in (State.IN_PROGRESS, State.FAILED)
        names = lacking_nodes(target.object, pods) if is_short and not self._is_forbidden else set()
        if not names:
            self._looks.pop(target.uid, None)
            return self._lost.get(target.uid, {}) if is_short else {}
        due = self._looks.setdefault(target.uid, now + _FIRST)
        if now >= due or found.state is State.FAILED:
            self._looks[target.uid] = now + _EVERY
            self._lost[target.uid] = self._read(sorted(names)[:_ASKED])
        return self._lost.get(target.uid, {})

    def until_next(self, target: Target, found: Judgement) -> Judgement:
        """``found``, due again at the next look at the target's nodes."""
        due = self._looks.get(target.uid)
        if due is None or found.state is not State.IN_PROGRESS:
            return found
        return replace(found, due=min(due, found.due or math.inf))

    def _read(self, names: Sequence[str]) -> dict[str, str]:
        client = self._client.until(time.monotonic() + _ANSWER)
        lost: dict[str, str] = {}
        for name, answer in gather(lambda each: _why_lost(client, each), names, _AT_ONCE):
            if isinstance(answer, ForbiddenError):
                self._forbid()
            elif isinstance(answer, Exception) and not isinstance(answer, StepError):
                raise answer
            elif answer and not isinstance(answer, Exception):
                lost[name] = answer
        return lost

    def _forbid(self) -> None:
        if not self._is_forbidden:
            self._notice("may not get nodes, so a DaemonSet's pods are waited for on nodes that are NotReady, too")
        self._is_forbidden = True


def _why_lost(client: Client, name: str) -> str:
    try:
        return fallen_out(client.send(Request("GET", _NODES.path(name=name), where=f"node/{name}")).body)
    except NotFoundError:
        return "is gone"
