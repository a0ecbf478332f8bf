"""Plays the acts of one stage at their moments, while the step runs."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.chaos import currency, manifests, plane, wires
from tests.chaos.history import History
from tests.chaos.plan import Act, Stage, When
from tests.chaos.record import Key
from tests.chaos.world import World
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Action, Exchange, Proxy

_TICK = 0.02
_IN_FLIGHT_SECONDS = 0.3  # how long a request is held at which the step is cancelled
_SIGNALS = {"signal-term": signal.SIGTERM, "signal-int": signal.SIGINT}
_NOW = When("request", 0)


class Director:
    """One stage's acts. ``begin`` before the step starts, ``finish`` once it has ended."""

    def __init__(
        self, stage: Stage, cluster: Cluster, proxy: Proxy, history: History, world: World, said: Path
    ) -> None:
        self._stage, self._cluster, self._proxy, self._history = stage, cluster, proxy, history
        self._world, self._said = world, said
        self._waiting = [act for act in stage.acts if act.when.on in ("said", "current")]
        self._due: list[tuple[float, Callable[[], None]]] = []
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._direct, daemon=True)
        self.namespace = ""
        self.send_signal: Callable[[int], None] = lambda number: None

    def begin(self, namespace: str) -> None:
        """Lay the rules, watch for the other moments."""
        self.namespace = namespace
        for act in self._stage.acts:
            if act not in self._waiting:
                self._lay(act, act.when)
        self._thread.start()

    def finish(self) -> None:
        """What is still to be repaired is repaired now, and the servers are up again."""
        self._ended.set()
        self._thread.join(60)
        with self._lock:
            due, self._due = self._due, []
        for _, work in due:
            work()
        if any(act.what.startswith("kill") for act in self._stage.acts):
            plane.revive(self._cluster)
            plane.await_ready(self._cluster)

    def _lay(self, act: Act, when: When) -> None:
        """A rule for the moment; what is no fault of the wires is done before the request goes on."""
        match = wires.moment(self._proxy, when, act.what)
        if act.what in wires.WIRES:
            self._proxy.rule(match, self._noted(act, wires.action_of(act)), wires.times_of(act))
        else:
            self._proxy.rule(match, self._first(act))

    def _noted(self, act: Act, action: Action) -> Action:
        def noted(exchange: Exchange) -> None:
            self._world.note(act.what)
            action(exchange)

        return noted

    def _first(self, act: Act) -> Action:
        def action(exchange: Exchange) -> None:
            self._do(act)
            if act.what in _SIGNALS:
                exchange.proxy.stopping.wait(_IN_FLIGHT_SECONDS)
            exchange.forward()

        return action

    def _direct(self) -> None:
        widgets = {manifests.key(one, self.namespace): one for one in self._stage.objects if one.kind == "Widget"}
        while not self._ended.wait(_TICK):
            self._world.operate(widgets)
            for act in [act for act in self._waiting if self._has_come(act.when)]:
                self._waiting.remove(act)
                self._lay(act, _NOW) if act.what in wires.WIRES else self._do(act)
            self._repair()

    def _has_come(self, when: When) -> bool:
        if when.on == "said":
            return when.words in self._said.read_text(errors="replace")
        kind, _, name = when.words.partition("/")
        state = self._history.latest(Key(kind, self.namespace, name))
        return self._has_written() and state is not None and currency.is_current(state.object)

    def _has_written(self) -> bool:
        return any(wires.is_write(request) for request in list(self._proxy.requests))

    def _repair(self) -> None:
        now = time.monotonic()
        with self._lock:
            due = [one for one in self._due if one[0] <= now]
            self._due = [one for one in self._due if one not in due]
        for _, work in due:
            work()

    def _later(self, seconds: float, work: Callable[[], None]) -> None:
        with self._lock:
            self._due.append((time.monotonic() + seconds, work))

    def _do(self, act: Act) -> None:
        if act.what in _SIGNALS:
            self._world.note(act.what)
            with contextlib.suppress(ProcessLookupError):
                self.send_signal(_SIGNALS[act.what])
        elif act.what.startswith("kill"):
            self._kill(act)
        elif act.what == "compact":
            self._world.note(act.what)
            self._history.compact()
        elif act.what == "hang-up":
            self._world.note(act.what)
            self._proxy.hang_up()
        else:
            self._world.do(act)
            if act.what == "unready":
                self._later(act.seconds, lambda: self._world.do(replace(act, what="recover")))

    def _kill(self, act: Act) -> None:
        name = act.what.removeprefix("kill-")
        name = {"apiserver": "kube-apiserver"}.get(name, name)
        self._world.note(act.what)
        plane.kill(self._cluster, name)

        def back() -> None:
            plane.revive(self._cluster, name)
            self._world.note(f"{name} is back")

        self._later(act.seconds, back)
