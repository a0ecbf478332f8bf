"""Health checks of the user's in CEL, in the form of Flux's ``healthCheckExprs``; pure.

Only this module imports celpy, and it is imported only for ``--health``. Source: ``StatusEvaluator`` of fluxcd/pkg's
``runtime/cel``: the generation first, then ``inProgress``, ``failed`` and ``current``; where none of them holds, the
object is in progress.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from k8s_step.errors import InputError, InputErrors
from k8s_step.objects.conditions import conditions, names_no_generation, status
from k8s_step.objects.metadata import Object
from k8s_step.verdict import readiness
from k8s_step.verdict.states import Readiness, State

try:
    import celpy
    from celpy.adapter import json_to_cel
    from celpy.celparser import CELParseError
    from celpy.evaluation import CELEvalError
except ImportError:
    raise InputError("--health needs cel-python, which is not installed", hint="pip install 'k8s-step[cel]'") from None

REASON = "HealthCheck"
_STATES = {"inProgress": State.IN_PROGRESS, "failed": State.FAILED, "current": State.CURRENT}
_FIELDS = ("apiVersion", "kind", *_STATES)
_ONE_AT_A_TIME = threading.Lock()  # celpy does not say that it may be used by several threads
_FAULTS = (CELEvalError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class _UnansweredError(Exception):
    """An expression that gives no answer for an object, such as one that asks for a field it does not have yet."""


@dataclass(frozen=True)
class Expression:
    """One expression; ``where`` is its ``file:line``."""

    text: str
    where: str
    program: Any = field(repr=False)

    def holds(self, obj: Object) -> bool:
        """Whether it is true of ``obj``. Raises :class:`_UnansweredError`."""
        try:
            with _ONE_AT_A_TIME:
                found: Any = self.program.evaluate({str(name): json_to_cel(value) for name, value in obj.items()})
        except _FAULTS as error:
            raise _UnansweredError(f"{self.where}: {_told(error)}") from None
        if not isinstance(found, celpy.celtypes.BoolType):
            raise _UnansweredError(f"{self.where}: {self.text} gives neither true nor false")
        return bool(found)


@dataclass(frozen=True)
class HealthCheck:
    """The expressions for a kind, or, where ``kind`` is empty, for all kinds of a group that have none of their own."""

    group: str
    kind: str
    expressions: Mapping[str, Expression]

    def readiness(self, obj: Object) -> Readiness:
        """The verdict on the object by itself. A built-in kind must be current by its usual rule, too."""
        usual = readiness.compute(obj)
        if usual.state is State.TERMINATING or not readiness.observed(obj):
            return usual
        try:
            met = next((name for name in _STATES if name in self.expressions and self._holds(name, obj)), "")
        except _UnansweredError as error:
            return Readiness(State.IN_PROGRESS, f"its health check gives no answer: {error}")
        if met == "failed":
            return self._failed(obj)
        if not readiness.is_custom(obj) and usual.state is not State.CURRENT:
            return usual
        if met == "current":
            return Readiness(State.CURRENT, "by its health check", unversioned=names_no_generation(obj))
        name = met or "current"
        told, text = _message(obj), self.expressions[name].text
        aside = f"{told} " if told else ""
        return Readiness(State.IN_PROGRESS, f"{aside}({name}{'' if met else ' is not true'}: {text})")

    def _holds(self, name: str, obj: Object) -> bool:
        return self.expressions[name].holds(obj)

    def _failed(self, obj: Object) -> Readiness:
        message = f"{_message(obj) or 'it has failed'} (failed: {self.expressions['failed'].text})"
        return Readiness(State.FAILED, message, REASON, unversioned=names_no_generation(obj))


@dataclass(frozen=True)
class HealthChecks:
    """All checks of a file."""

    checks: tuple[HealthCheck, ...]

    def of(self, obj: Object) -> HealthCheck | None:
        """The check of a kind, else that of its whole group, whatever the version; ``None`` where there is neither."""
        group, kind = _group(obj), str(obj.get("kind") or "")
        fitting = [one for one in self.checks if one.group == group and one.kind in (kind, "")]
        return max(fitting, key=lambda one: one.kind, default=None)


def checks(entries: Iterable[tuple[Mapping[str, Any], Callable[[str], str]]]) -> HealthChecks:
    """The checks of a file's entries, each with a function for the place of a field.

    Raises :class:`InputErrors` with every mistake.
    """
    found: dict[tuple[str, str], HealthCheck] = {}
    errors: list[InputError] = []
    for entry, place in entries:
        try:
            check = _check(entry, place)
            if (check.group, check.kind) in found:
                raise InputError(f"a second check for {check.kind or 'all kinds'} of this group", where=place(""))
            found[check.group, check.kind] = check
        except InputErrors as several:
            errors += several.errors
        except InputError as error:
            errors.append(error)
    if errors:
        raise InputErrors(errors)
    return HealthChecks(tuple(found.values()))


def _check(entry: Mapping[str, Any], place: Callable[[str], str]) -> HealthCheck:
    unknown = next((name for name in entry if name not in _FIELDS), None)
    if unknown is not None:
        raise InputError(f"{unknown} is no field of it", where=place(str(unknown)), hint=f"it has {', '.join(_FIELDS)}")
    missing = next((name for name in ("apiVersion", "current") if not str(entry.get(name) or "").strip()), None)
    if missing:
        raise InputError(f"the health check has no {missing}", where=place(""))
    expressions: dict[str, Expression] = {}
    errors: list[InputError] = []
    for name in _STATES:
        if name in entry:
            try:
                expressions[name] = _expression(entry[name], place(name))
            except InputError as error:
                errors.append(error)
    if errors:
        raise InputErrors(errors)
    return HealthCheck(_group(entry), str(entry.get("kind") or ""), expressions)


def _expression(text: Any, where: str) -> Expression:
    if not isinstance(text, str):
        raise InputError(f"{text!r} is no CEL expression", where=where, hint="put it in quotes")
    environment = celpy.Environment()
    try:
        return Expression(text.strip(), where, environment.program(environment.compile(text.strip())))
    except CELParseError as error:
        at = f", at character {error.column}" if getattr(error, "column", None) else ""
        raise InputError(f"{' '.join(text.split())!r} is no CEL expression{at}", where=where) from None


def _group(obj: Object) -> str:
    return str(obj.get("apiVersion") or "").rpartition("/")[0]


def _told(error: BaseException) -> str:
    """What went wrong, on one line: the first text of the error, without the library's own objects."""
    first = next((each for each in error.args if isinstance(each, str)), type(error).__name__)
    return " ".join(first.split())


def _message(obj: Object) -> str:
    """What the object says of itself: by its first condition that is no success, else ``status.message``."""
    own = [one for one in conditions(obj) if not one.of and one.message]
    told = next((one for one in own if not one.is_true), own[0] if own else None)
    message = status(obj).get("message")
    return told.message if told else message if isinstance(message, str) else ""
