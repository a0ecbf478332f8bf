"""The events of a run that an output receives; each output overrides those that it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from k8s_step.errors import StepError
    from k8s_step.objects.reference import Reference
    from k8s_step.report.content import Content
    from k8s_step.report.difference import Difference
    from k8s_step.report.results.result import Result
    from k8s_step.verdict.judgement import Judgement


class Output:
    """Receives a run's events in order, from one thread but for :meth:`content` and :meth:`logged`.

    The journal has masked all text.
    """

    tick_every = 30.0  # seconds without events after which :meth:`tick` is called

    def begun(self, unfinished: Result) -> None:
        """The first event; ``unfinished`` is the result that remains if the run is killed."""

    def connected(self, server: str, origin: str, namespace: str) -> None:
        """The server's URL and namespace are known; ``origin`` names the settings' source."""

    def loaded(self, objects: int, files: int, namespaces: int) -> None:
        """The manifests have been read and checked."""

    def acted(self, reference: Reference, action: str) -> None:
        """The server accepted an object; ``action`` is created, configured, unchanged, …"""

    def tried(self, reference: Reference, action: str) -> None:
        """In a dry run, the server would accept an object; ``action`` is created, configured, …"""

    def differs(self, found: Difference) -> None:
        """Applying would change an object as ``found`` shows."""

    def content_follows(self) -> None:
        """Stdout is reserved for requested content, even if none follows, so the table goes elsewhere."""

    def content(self, text: str) -> None:
        """Requested content for stdout, without its last newline. Called from any thread."""

    def delivered(self, content: Content) -> None:
        """Requested content, as data; called once a run, if at all."""
        text = content.text
        if text:
            self.content(text)

    def wave(self, number: int, count: int, objects: int) -> None:
        """A wave of the release begins, the ``number``-th of ``count``, with so many objects."""

    def logged(self, reference: Reference, line: str, container: str) -> None:
        """A line of the log of a Job or a pod; ``container`` of a pod with several. Called from any thread."""

    def following(self, objects: int, timeout: float) -> None:
        """Following begins, for up to ``timeout`` seconds."""

    def progress(self, reference: Reference, judgement: Judgement, seconds: float) -> None:
        """An object has a new state, ``seconds`` after following began."""

    def rolling_back(self, result: Result, objects: int, timeout: float) -> None:
        """The release ended with ``result``; its writes to ``objects`` objects are undone in ``timeout`` seconds."""

    def rolled_back(self, reference: Reference, outcome: str, message: str) -> None:
        """An object's outcome in the rollback; :meth:`error` follows for the outcomes skipped and failed."""

    def gone(self, reference: Reference, seconds: float) -> None:
        """An object whose deletion was awaited is gone, ``seconds`` after following began."""

    def met(self, reference: Reference, told: str, seconds: float) -> None:
        """An object shows what was waited for, ``seconds`` after the run began; ``told`` says what."""

    def tick(self, remaining: float, waiting: list[tuple[Reference, str]]) -> None:
        """A silence: ``waiting`` lists unfinished objects with their messages, ``remaining`` the seconds left."""

    def notice(self, message: str) -> None:
        """A remark that is no warning."""

    def warning(self, message: str, where: str) -> None:
        """A warning of the server or the step; ``where`` is the place concerned, or empty."""

    def error(self, error: StepError) -> None:
        """A refusal of the server, or a mistake in the inputs."""

    def finished(self, result: Result) -> None:
        """The run has ended: time for the table, the findings and the verdict."""

    def close(self) -> None:
        """No more events follow."""
