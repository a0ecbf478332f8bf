"""The result file as data: what docs/result-file.md describes, field by field, in Python's spelling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from k8s_step.errors import ExitCode
from k8s_step.report.results.result import RESULTS

_T = TypeVar("_T")


@dataclass(frozen=True)
class Problem:
    """A refusal or a mistake. ``where`` names place and object, ``hint`` the next move; ``file``, ``line``: to mend."""

    message: str
    where: str | None = None
    hint: str | None = None
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class Failure:
    """Why an object failed or is late, with its evidence.

    ``object`` is ``apps/v1/Deployment/shop/web``. ``reason`` is Kubernetes' own word (``ErrImagePull``), ``message``
    what was said of it, ``advice`` its usual meaning, ``check`` where to look next. ``alike``: how many more pods have
    the same cause. ``logs``: the last lines of the container's run that ``logs_of`` names. ``events``: newest first.
    ``missing``: evidence that could not be had, and why. ``unfinished``: nothing is wrong, but the time was up.
    """

    object: str
    reason: str
    message: str
    advice: str = ""
    check: str = ""
    pod: str | None = None
    container: str | None = None
    image: str | None = None
    node: str | None = None
    alike: int = 0
    exit_code: int | None = None
    signal: str | None = None
    probe: str | None = None
    probe_answer: str | None = None
    claims: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    logs_of: str | None = None
    events: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unfinished: bool = False


@dataclass(frozen=True)
class ObjectResult:
    """What became of one object.

    ``action``: created, configured, unchanged, …, none, or unknown where the answer was lost. ``status``: current, in
    progress, failed, terminating or not found, empty where it was not followed. ``judged``: whether its status shows
    that it is ready. ``reason``: of a failure; ``note``: a remark. ``paused``: what holds it until somebody resumes
    it. ``not_followed``: the option or annotation by which it is not. ``not_begun``: why its wave did not begin.
    ``seconds``: until its last change of status. ``rolled_back``: restored, deleted, kept, skipped or failed; empty
    without a rollback.
    """

    api_version: str
    kind: str
    namespace: str | None
    name: str
    file: str | None = None
    line: int | None = None
    action: str = "none"
    status: str = ""
    judged: bool = False
    reason: str | None = None
    note: str | None = None
    paused: str | None = None
    not_followed: str | None = None
    not_begun: str | None = None
    message: str = ""
    errors: tuple[Problem, ...] = ()
    seconds: float = 0.0
    rolled_back: str = ""
    rollback_message: str = ""


@dataclass(frozen=True)
class Rollback:
    """``released``: the result that called for the rollback; ``complete``: whether everything is as it was before."""

    released: str
    complete: bool


@dataclass(frozen=True)
class Result:
    """A whole run, as ``--report`` writes it.

    ``result``: succeeded, failed, rolled_back, timed_out, refused, unreachable, invalid, cancelled or unfinished.
    ``exit_code``: what the command line would exit with. ``message``: all errors in one text; ``errors``: those of no
    single object. ``url``: where users reach what was released. ``started``: UTC in RFC 3339; ``seconds``: how long it
    took.
    """

    command: str
    result: str
    exit_code: int | None
    dry_run: bool
    message: str
    url: str | None
    server: str | None
    context: str | None
    started: str
    seconds: float
    objects: tuple[ObjectResult, ...] = ()
    failures: tuple[Failure, ...] = ()
    errors: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    rollback: Rollback | None = None

    @property
    def succeeded(self) -> bool:
        """Whether all was done, and all of it is current."""
        return self.result == RESULTS[ExitCode.SUCCEEDED]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Result:
        """The result of a run on one cluster, from its result file's JSON.

        >>> Result.of(json.loads(Path("result.json").read_text())).succeeded  # doctest: +SKIP
        True
        """
        rollback = document.get("rollback")
        return _made(
            cls,
            document,
            objects=tuple(map(_object, document["objects"])),
            failures=tuple(_made(Failure, one) for one in document["failures"]),
            errors=_problems(document),
            rollback=_made(Rollback, rollback) if rollback else None,
        )


def _object(document: Mapping[str, Any]) -> ObjectResult:
    return _made(ObjectResult, document, api_version=document["apiVersion"], errors=_problems(document))


def _problems(document: Mapping[str, Any]) -> tuple[Problem, ...]:
    return tuple(_made(Problem, one) for one in document["errors"])


def _made(kind: type[_T], document: Mapping[str, Any], **more: Any) -> _T:
    """An object of a dataclass; members of the document that it does not know are those of a newer version."""
    names = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    told = {name: _frozen(value) for name, value in document.items() if name in names}
    return kind(**{**told, **more})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
