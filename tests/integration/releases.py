"""One release after the other into a namespace, and what others do to it meanwhile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.conftest import Kubectl, Outcome, Running, Step, poll
from tests.controlplane.plays import PREFIX
from tests.integration.objects import Object, write

HELD = "600s"  # as ``create_delay``: pods that don't start before somebody lets them


class Releases:
    """Releases objects with the step, reads and changes them with kubectl."""

    def __init__(self, step: Step, kubectl: Kubectl, namespace: str, folder: Path) -> None:
        self._step, self._folder = step, folder
        self.namespace = namespace
        self._kubectl = kubectl

    def __call__(self, *made: Object, options: tuple[str, ...] = (), command: str = "apply") -> Outcome:
        return self.start(*made, options=options, command=command).wait()

    def start(
        self, *made: Object, options: tuple[str, ...] = (), command: str = "apply", own_clock: bool = False
    ) -> Running:
        """The same in the background."""
        path = write(self._folder / "release.yaml", *made)
        line = (command, "-f", path, "-n", self.namespace, *options)
        return self._step.start(*line, report=True, own_clock=own_clock)

    def timed_out(self, *made: Object, after: str, options: tuple[str, ...] = ()) -> Outcome:
        """A release whose time is up once it has said ``after``."""
        path = write(self._folder / "release.yaml", *made)
        return self._step.timed_out("apply", "-f", path, "-n", self.namespace, *options, after=after, report=True)

    def kubectl(self, *words: str, input: str | None = None) -> str:
        """What kubectl says in this namespace."""
        return str(self._kubectl("-n", self.namespace, *words, input=input).stdout)

    def read(self, kind: str, name: str = "") -> Any:
        """An object, or all of a kind."""
        found = json.loads(self.kubectl("get", kind, *([name] if name else []), "-o", "json"))
        return found if name else found["items"]

    def living(self, count: int) -> list[str]:
        """The names of the pods, once so many of them are scheduled and none has ended."""

        def names() -> list[str]:
            pods = [pod for pod in self.read("pods") if pod["status"].get("phase") == "Pending"]
            ready = [pod["metadata"]["name"] for pod in pods if pod["spec"].get("nodeName")]
            return sorted(ready) if len(ready) == count else []

        return list(poll(names, f"{count} living pods", 60))

    def living_of(self, name: str) -> list[str]:
        """The names of the pods of one Deployment's newest revision, once one is scheduled that nobody asked to go."""

        def names() -> list[str]:
            owners = [one for one in self.read("deployments") if one["metadata"]["name"] == name]
            wanted = [one["spec"]["template"]["spec"]["containers"][0]["image"] for one in owners]
            pods = [pod for pod in self.read("pods") if pod["metadata"].get("labels", {}).get("app") == name]
            pods = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp") and pod["spec"].get("nodeName")]
            return [one["metadata"]["name"] for one in pods if one["spec"]["containers"][0]["image"] in wanted]

        return list(poll(names, f"a living pod of {name}", 60))

    def let_start(self) -> None:
        """Let the pods start that are held back now; some may vanish meanwhile."""
        self._kubectl("-n", self.namespace, "annotate", "pods", "--all", f"{PREFIX}/create-delay-", check=False)

    def say(self, name: str, *containers: Object, kind: str = "pod", **status: Any) -> None:
        """Write an object's status as its controller, or a pod's as the kubelet would."""
        if containers:
            status["containerStatuses"] = containers
        self.kubectl("patch", kind, name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))

    def say_ready(self, name: str, container: Object) -> None:
        """A pod is ready."""
        true = [{"type": kind, "status": "True"} for kind in ("PodScheduled", "ContainersReady", "Ready")]
        self.say(name, container, phase="Running", conditions=true)
