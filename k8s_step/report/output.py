"""What an output can be told; each output overrides what it has words for."""

from __future__ import annotations

from k8s_step.errors import StepError
from k8s_step.objects.reference import Reference
from k8s_step.report.difference import Difference
from k8s_step.report.result import Result
from k8s_step.verdict.judgement import Judgement


class Output:
    """Told of everything as it happens, in order, from one thread. All text is masked, by the journal."""

    tick_every = 30.0  # seconds of silence after which it wants a tick

    def begun(self, unfinished: Result) -> None:
        """The very first: what is to be read of this run if it is killed before its end."""

    def connected(self, server: str, origin: str, namespace: str) -> None:
        """The first line: where this goes, and how that was found."""

    def loaded(self, objects: int, files: int, namespaces: int) -> None:
        """The manifests have been read and checked."""

    def acted(self, reference: Reference, action: str) -> None:
        """The server has taken an object: created, configured, unchanged, …"""

    def tried(self, reference: Reference, action: str) -> None:
        """In a dry run: the server would take an object, which would be created, configured, …"""

    def differs(self, found: Difference) -> None:
        """What would become of an object."""

    def content_follows(self) -> None:
        """Stdout is for what the user asked to see, however little that will be: the table goes elsewhere."""

    def content(self, text: str) -> None:
        """What the user asked to see: for stdout, without its last newline. Told from any thread."""

    def following(self, objects: int, timeout: float) -> None:
        """Following begins, for up to ``timeout`` seconds."""

    def progress(self, reference: Reference, judgement: Judgement, seconds: float) -> None:
        """An object stands elsewhere than before."""

    def rolling_back(self, result: Result, objects: int, timeout: float) -> None:
        """The release has ended as ``result`` says; now what it did to so many objects is taken back."""

    def rolled_back(self, reference: Reference, outcome: str, message: str) -> None:
        """What became of that for an object; where it was skipped or failed, an error is told as well."""

    def gone(self, reference: Reference, seconds: float) -> None:
        """An object whose end was waited for is there no more."""

    def tick(self, remaining: float, waiting: list[tuple[Reference, str]]) -> None:
        """Nothing happened for a while; what is waited for, and for how many seconds more."""

    def notice(self, message: str) -> None:
        """Something the user should know of."""

    def warning(self, message: str, where: str) -> None:
        """The server, or the step, warns."""

    def error(self, error: StepError) -> None:
        """Something was refused or found wrong."""

    def finished(self, result: Result) -> None:
        """The end: table, findings, verdict."""

    def close(self) -> None:
        """Nothing will be told any more."""
