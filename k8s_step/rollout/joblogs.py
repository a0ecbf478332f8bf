"""Streams the logs of Jobs' pods, also of those that came and ended between two events."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from k8s_step.api.client import Client
from k8s_step.api.request import Request
from k8s_step.errors import StepError
from k8s_step.objects.kinds.pods import controller_of
from k8s_step.objects.metadata import Object, uid_of
from k8s_step.objects.reference import Reference
from k8s_step.rollout.podlogs import PODS, REST, Container, PodLogs
from k8s_step.verdict.target import Target

Say = Callable[[str], bool]


class JobLogs:
    """Passes every log line of every container of these Jobs' pods to ``say``, from any thread, while it wants more.

    ``jobs``: the objects as the server returned them. ``several``: more than one container is expected, so each line
    begins with its pod and container. ``notice`` takes a line about a log that can't be read.
    """

    def __init__(
        self,
        client: Client,
        jobs: Sequence[Object],
        say: Say,
        notice: Callable[[str], None],
        *,
        several: bool,
        most_bytes: int | None = None,
    ) -> None:
        self._client = client
        self._jobs = {uid_of(job): Reference.to(job) for job in jobs}
        self._say_line, self._several = say, several
        self._first: Container | None = None
        self._logs = PodLogs(client, self._say, notice, most_bytes=most_bytes)

    def saw(self, target: Target, pods: Sequence[Object], _: Mapping[str, Object]) -> None:
        """Follow the containers of a target's pods, if it is one of these Jobs."""
        if target.uid in self._jobs:
            self._logs.saw(pods)

    def finish(self) -> None:
        """Wait for the rest of the logs of ended containers, then stop."""
        try:
            for uid, reference in self._jobs.items():
                self._logs.saw(self._pods(reference, uid))
            self._logs.finish()
        finally:
            self.stop()

    def stop(self) -> None:
        """Print no further line."""
        self._logs.stop()

    def _pods(self, job: Reference, uid: str) -> list[Object]:
        """All present pods of a Job: a quick pod may have come and ended between two events."""
        query = (("labelSelector", f"batch.kubernetes.io/controller-uid={uid}"),)
        request = Request("GET", PODS.path(job.namespace), query, where=str(job))
        try:
            found = self._client.until(time.monotonic() + REST).send(request).body.get("items") or []
        except StepError as error:
            self._logs.tell_once(f"the log of {job} may lack a pod: {error.message}")
            return []
        return [pod for pod in found if controller_of(pod).get("uid") == uid]

    def _say(self, container: Container, line: str) -> bool:
        self._first = self._first or container
        self._several = self._several or container != self._first
        return self._say_line(f"{container.label} {line}" if self._several else line)
