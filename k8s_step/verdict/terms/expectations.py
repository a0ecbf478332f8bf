"""What an object is expected to show, in the words of ``kubectl wait``; pure.

``condition=Ready``, ``condition=Ready=False``, ``jsonpath={.status.phase}=Bound``, ``create`` and ``delete``. A status
that its controller wrote for an older generation meets nothing.
Source: ``pkg/cmd/wait`` of kubectl, which differs in two things: it has no ``A|B`` for either of two values, and it
compares a jsonpath also with the status of an older generation.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from k8s_step.errors import InputError, InputErrors
from k8s_step.objects.conditions import Condition, conditions, generation, names_no_generation, number, status
from k8s_step.objects.jsonpath.gotext import sprint
from k8s_step.objects.jsonpath.nodes import Values
from k8s_step.objects.jsonpath.template import Template, field
from k8s_step.objects.metadata import Object

FORMS = "delete, create, condition=TYPE[=VALUE] or jsonpath={.PATH}[=VALUE]"
STATUS_FORMS = "condition=TYPE[=VALUE] or jsonpath={.PATH}[=VALUE]"
_STALE = "the controller has not yet seen generation {}"


class Expectation(Protocol):
    """One thing that an object is expected to show. ``text`` is as the user wrote it."""

    @property
    def text(self) -> str:
        """The user's own words."""

    def is_met(self, obj: Object | None) -> bool:
        """Whether ``obj`` shows it; ``None`` is an object that does not exist. Raises :class:`InputError`."""

    def standing(self, obj: Object | None) -> str:
        """How ``obj`` falls short, such as ``condition Ready is False: …``, for a message."""

    def is_unversioned(self, obj: Object) -> bool:
        """Whether what ``obj`` shows may be about an older generation, since nothing names the one it is about."""


@dataclass(frozen=True)
class Created:
    """The object exists."""

    text: str = "create"

    def is_met(self, obj: Object | None) -> bool:
        return obj is not None

    def standing(self, obj: Object | None) -> str:
        return _absent(obj) or "it exists"

    def is_unversioned(self, obj: Object) -> bool:
        return False


@dataclass(frozen=True)
class Deleted:
    """The object does not exist."""

    text: str = "delete"

    def is_met(self, obj: Object | None) -> bool:
        return obj is None

    def standing(self, obj: Object | None) -> str:
        return _absent(obj) or "it still exists"

    def is_unversioned(self, obj: Object) -> bool:
        return False


@dataclass(frozen=True)
class ConditionIs:
    """The condition ``type`` has one of ``values``; neither depends on the case of letters."""

    text: str
    type: str
    values: tuple[str, ...]

    def is_met(self, obj: Object | None) -> bool:
        found = self._found(obj)
        if obj is None or found is None or _is_stale(obj, found):
            return False
        return found.status.casefold() in {value.casefold() for value in self.values}

    def standing(self, obj: Object | None) -> str:
        found = self._found(obj)
        if obj is None or found is None:
            return _absent(obj) or f"it has no condition {self.type}"
        if _is_stale(obj, found):
            return f"condition {self.type} is of an older generation: {_STALE.format(generation(obj))}"
        because = ": ".join(part for part in (found.reason, found.message) if part)
        return f"condition {self.type} is {found.status}" + (f": {because}" if because else "")

    def is_unversioned(self, obj: Object) -> bool:
        found = self._found(obj)
        return names_no_generation(obj) and (found is None or found.observed_generation is None)

    def _found(self, obj: Object | None) -> Condition | None:
        """The first of this type, among the object's own."""
        own = (one for one in conditions(obj or {}) if not one.of)
        return next((one for one in own if one.type.casefold() == self.type.casefold()), None)


@dataclass(frozen=True)
class FieldIs:
    """The field at ``path`` has one of ``values``, or any value at all where there are none."""

    text: str
    path: str
    values: tuple[str, ...]
    template: Template = dataclasses.field(repr=False)

    def is_met(self, obj: Object | None) -> bool:
        if obj is None or self._is_stale(obj):
            return False
        found = self._found(obj)
        if not found:
            return False
        if len(found) > 1:
            raise InputError(f"{self.path} leads to {len(found)} values, and one can be compared", where=self.text)
        if not self.values:
            return True
        if isinstance(found[0], Mapping | list):
            raise InputError(f"{self.path} leads to an object or a list, not to one value", where=self.text)
        return sprint(found[0]).strip() in {value.strip() for value in self.values}

    def standing(self, obj: Object | None) -> str:
        if obj is None:
            return _absent(obj)
        if self._is_stale(obj):
            return f"{self.path} is of an older generation: {_STALE.format(generation(obj))}"
        found = self._found(obj)
        return f"{self.path} is {sprint(found[0])}" if found else f"{self.path} is not set"

    def is_unversioned(self, obj: Object) -> bool:
        return names_no_generation(obj)

    def _found(self, obj: Object) -> Values:
        """The values at the path; none where a list has no such entry, or not yet."""
        try:
            return self.template.values(obj)
        except InputError:
            return []

    def _is_stale(self, obj: Object) -> bool:
        return self.path.startswith("status") and _is_behind(obj, number(status(obj).get("observedGeneration")))


def parse(text: str, where: str) -> Expectation:
    """One expectation in the words of ``kubectl wait --for``. Raises :class:`InputError`."""
    words = text.strip()
    if words.lower() in _EXISTENCE:
        return _EXISTENCE[words.lower()]
    return _of_status(words, where, FORMS)


def parse_field(text: str, where: str) -> Expectation:
    """``status.phase=Running``: the path of a field and its value. Raises :class:`InputError`."""
    path, value = _split(text.strip())
    if value is None:
        raise InputError(f"{text.strip()!r} has no value", where=where, hint="PATH=VALUE, such as status.phase=Running")
    return _field(text.strip(), path, value, where)


def parse_lines(text: str, where: str) -> tuple[Expectation, ...]:
    """The expectations of an object that exists, one a line. Raises :class:`InputErrors` with every wrong line."""
    found, errors = [], []
    for line in filter(None, map(str.strip, text.splitlines())):
        try:
            found.append(_of_status(line, where, STATUS_FORMS))
        except InputError as error:
            errors.append(error)
    if errors:
        raise InputErrors(errors)
    if not found:
        raise InputError("it names nothing to expect", where=where, hint=STATUS_FORMS)
    return tuple(found)


_EXISTENCE: Mapping[str, Expectation] = {"create": Created(), "delete": Deleted()}


def _of_status(words: str, where: str, forms: str) -> Expectation:
    kind, equals, rest = words.partition("=")
    if equals and kind == "condition":
        return _condition(words, rest, where)
    if equals and kind == "jsonpath":
        path, value = _split(rest)
        return _field(words, path, value, where)
    raise InputError(f"{words!r} is nothing to wait for", where=where, hint=forms)


def _condition(words: str, rest: str, where: str) -> Expectation:
    kind, equals, value = rest.partition("=")
    if not kind.strip() or (equals and not value.strip()):
        missing = "value" if kind.strip() else "type"
        hint = "condition=Ready, or condition=Ready=False"
        raise InputError(f"{words!r} lacks the condition's {missing}", where=where, hint=hint)
    return ConditionIs(words, kind.strip(), _alternatives(value.strip() or "True"))


def _field(words: str, path: str, value: str | None, where: str) -> Expectation:
    if not path.strip():
        raise InputError(f"{words!r} has no path", where=where, hint="jsonpath={.status.phase}=Running")
    template, bare = field(path.strip(), where), path.strip().strip("{}").lstrip(".")
    unquoted = None if value is None else value.strip("'\"")
    if unquoted == "":
        raise InputError(f"{words!r} lacks the value after the equals sign", where=where)
    return FieldIs(words, bare, _alternatives(unquoted) if unquoted else (), template)


def _alternatives(value: str) -> tuple[str, ...]:
    """The values of ``A|B``, and ``A|B`` itself, which is what kubectl takes it for."""
    return tuple(dict.fromkeys((value, *(part.strip() for part in value.split("|") if part.strip()))))


_BRACED = re.compile(r"(?P<path>\{.*?\})(?:=(?P<value>.*))?", re.DOTALL)
_BARE = re.compile(r"(?P<path>(?:[^=]|==)*)(?:=(?P<value>.*))?", re.DOTALL)


def _split(text: str) -> tuple[str, str | None]:
    """Path and value, at the first single equals sign outside of braces; ``==`` belongs to a path's filter."""
    found = _BRACED.fullmatch(text) or _BARE.fullmatch(text)
    return (found["path"], found["value"]) if found else (text, None)


# -- what is told of objects


def _absent(obj: Object | None) -> str:
    return "it does not exist" if obj is None else ""


def _is_stale(obj: Object, found: Condition) -> bool:
    """Source: ``getObservedGeneration`` of kubectl's ``wait``: the condition's own, else the status's."""
    seen = found.observed_generation
    return _is_behind(obj, number(status(obj).get("observedGeneration")) if seen is None else seen)


def _is_behind(obj: Object, seen: int | None) -> bool:
    at = generation(obj)
    return seen is not None and at is not None and seen < at
