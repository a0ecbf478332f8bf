"""The log for machines: a JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from k8s_step.errors import StepError
from k8s_step.objects.reference import Reference
from k8s_step.report.output import Output
from k8s_step.report.results.result import Result, to_json
from k8s_step.report.wording import standing

if TYPE_CHECKING:
    from k8s_step.report.difference import Difference
    from k8s_step.verdict.judgement import Judgement


class JsonLines(Output):
    """Each line has ``time`` (UTC) and ``event``; the last one, ``finished``, carries the result file's content.

    ``cluster``, where several share the log, is a field of each line.
    """

    def __init__(self, log: Callable[[str], None], data: Callable[[str], None], cluster: str = "") -> None:
        self._log = log
        self._data = data
        self._lead = {"cluster": cluster} if cluster else {}

    def connected(self, server: str, origin: str, namespace: str) -> None:
        self._line("connected", server=server, origin=origin, namespace=namespace)

    def loaded(self, objects: int, files: int, namespaces: int) -> None:
        self._line("loaded", objects=objects, files=files)

    def acted(self, reference: Reference, action: str) -> None:
        self._line("acted", object=reference.path, action=action)

    def tried(self, reference: Reference, action: str) -> None:
        self._line("acted", object=reference.path, action=action, dry_run=True)

    def differs(self, found: Difference) -> None:
        self._line("differs", object=found.reference.path, action=found.action, diff=list(found.lines), note=found.note)

    def content(self, text: str) -> None:
        self._data(text)

    def wave(self, number: int, count: int, objects: int) -> None:
        self._line("wave", number=number, of=count, objects=objects)

    def logged(self, reference: Reference, line: str, container: str) -> None:
        self._line("log", object=reference.path, **({"container": container} if container else {}), line=line)

    def following(self, objects: int, timeout: float) -> None:
        self._line("following", objects=objects, timeout=timeout)

    def progress(self, reference: Reference, judgement: Judgement, seconds: float) -> None:
        state = {"status": str(judgement.state), "reason": judgement.reason, "message": standing(judgement)}
        state["paused"] = judgement.paused
        judged = not judgement.unjudged
        self._line("progress", object=reference.path, **state, judged=judged, seconds=round(seconds, 3))

    def rolling_back(self, result: Result, objects: int, timeout: float) -> None:
        told = to_json(result)
        self._line("rolling_back", released=told["result"], failures=told["failures"], objects=objects, timeout=timeout)

    def rolled_back(self, reference: Reference, outcome: str, message: str) -> None:
        self._line("rolled_back", object=reference.path, outcome=outcome, message=message)

    def gone(self, reference: Reference, seconds: float) -> None:
        self._line("gone", object=reference.path, seconds=round(seconds, 3))

    def met(self, reference: Reference, told: str, seconds: float) -> None:
        self._line("met", object=reference.path, expected=told, seconds=round(seconds, 3))

    def tick(self, remaining: float, waiting: list[tuple[Reference, str]]) -> None:
        paths = [reference.path for reference, _ in waiting]
        self._line("waiting", remaining=round(max(remaining, 0.0), 1), objects=paths)

    def notice(self, message: str) -> None:
        self._line("notice", message=message)

    def warning(self, message: str, where: str) -> None:
        self._line("warning", message=message, where=where)

    def error(self, error: StepError) -> None:
        self._line("error", message=error.message, where=error.where, hint=error.hint)

    def finished(self, result: Result) -> None:
        self._line("finished", **to_json(result))

    def _line(self, event: str, **fields: Any) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._log(json.dumps({"time": now, "event": event, **self._lead, **fields}, ensure_ascii=False))
