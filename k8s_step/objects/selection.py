"""Objects of one kind, chosen by label and field selectors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from k8s_step.errors import InputError
from k8s_step.objects.metadata import Object
from k8s_step.objects.resource import Resource


class Group(NamedTuple):
    """The objects of one kind in a namespace (empty: the whole cluster) that the selectors choose."""

    resource: Resource
    namespace: str
    label_selector: str = ""
    field_selector: str = ""

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """The selectors, as query parameters."""
        pairs = (("labelSelector", self.label_selector), ("fieldSelector", self.field_selector))
        return tuple((name, value) for name, value in pairs if value)

    @property
    def path(self) -> str:
        """The URL path of the collection."""
        return self.resource.path(self.namespace or None)

    @property
    def text(self) -> str:
        """``pods in shop with app=web``, for messages."""
        place = f" in {self.namespace}" if self.namespace else ""
        chosen = " and ".join(value for _, value in self.query)
        return f"{self.resource.full_name}{place}{f' with {chosen}' if chosen else ''}"


_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_KEY = rf"(?:[a-z0-9](?:[a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_NAME}"
_VALUE = rf"(?:{_NAME})?"
_SET = r"(?P<key>\S+)\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)"
_COMPARISON = r"(?P<key>[^=!<>]*?)\s*(?P<operator>==|!=|=|<|>)\s*(?P<values>.*)"
_FORMS = "app=web, app!=web, app, !app, 'app in (web, api)' or 'app notin (web)', joined by commas"
_FIELD = r"\s*[^\s=!,]+\s*(?:==|!=|=)(?:[^=,\\]|\\[=,\\])*"


def is_label_key(text: str) -> bool:
    """Whether the server takes ``text`` as the key of a label or an annotation."""
    return bool(re.fullmatch(_KEY, text))


def is_label_value(text: str) -> bool:
    """Whether the server takes ``text`` as the value of a label."""
    return bool(re.fullmatch(_VALUE, text))


def selectors(
    labels: str | None, fields: str | None, where: tuple[str, str] = ("--selector", "--field-selector")
) -> tuple[str, str]:
    """A label and a field selector, checked; empty where unset. ``where``: the options that gave them.

    Raises :class:`InputError`.
    """
    return label_selector(labels, where[0]) if labels else "", field_selector(fields, where[1]) if fields else ""


def label_selector(text: str, where: str) -> str:
    """``text`` as the value of a query parameter. Raises :class:`InputError` naming the invalid part."""
    parts = _parts(text)
    if not any(parts):
        raise InputError("the selector is empty, which would choose everything", where=where, hint=_FORMS)
    for part in parts:
        _check(part, where)
    return ",".join(parts)


def field_selector(text: str, where: str) -> str:
    """Like :func:`label_selector`, for fields. The server checks whether the kind supports the fields."""
    parts = [part.strip() for part in re.split(r"(?<!\\),", text)]
    for part in parts:
        if not re.fullmatch(_FIELD, part):
            hint = "status.phase=Failed, say; = and != only, joined by commas"
            raise InputError(f"{part!r} is no field selector", where=where, hint=hint)
    return ",".join(parts)


_TERMS = {"In": "{key} in ({values})", "NotIn": "{key} notin ({values})", "Exists": "{key}", "DoesNotExist": "!{key}"}


def of_workload(workload: Object) -> str | None:
    """``spec.selector`` as a labelSelector for the workload's pods, and for its ReplicaSets or ControllerRevisions.

    ``None`` without a selector, or for one that is empty or has an unknown operator. Source:
    ``LabelSelectorAsSelector`` in ``meta/v1/helpers.go`` of k8s.io/apimachinery. A ReplicationController's selector is
    plain labels.
    """
    selector = (workload.get("spec") or {}).get("selector") or {}
    if workload.get("kind") == "ReplicationController":
        selector = {"matchLabels": selector}
    terms = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    terms += map(_term, selector.get("matchExpressions") or ())
    return ",".join(sorted(terms)) if terms and all(terms) else None


def _term(expression: Mapping[str, Any]) -> str:
    """One of ``matchExpressions`` as text; empty for an operator unknown to query selectors."""
    form = _TERMS.get(str(expression.get("operator")), "")
    return form.format(key=expression.get("key"), values=",".join(expression.get("values") or ()))


def _parts(text: str) -> list[str]:
    """``text`` split at commas outside brackets."""
    return [part.strip() for part in re.split(r",(?![^(]*\))", text)]


def _check(part: str, where: str) -> None:
    found = re.fullmatch(_SET, part) or re.fullmatch(_COMPARISON, part)
    if found is None:
        _check_key(part.removeprefix("!").strip(), part, where)
        return
    _check_key(found["key"].strip(), part, where)
    is_set = found["operator"] in ("in", "notin")
    if is_set and not found["values"].strip():
        raise InputError(f"there is nothing within the brackets of {part!r}", where=where, hint=_FORMS)
    values = [value.strip() for value in (found["values"].split(",") if is_set else [found["values"]])]
    for value in values:
        if not re.fullmatch(_VALUE, value):
            raise InputError(f"{value!r} is no label's value, in {part!r}", where=where, hint=_FORMS)
        if found["operator"] in ("<", ">") and not re.fullmatch(r"-?\d+", value):
            raise InputError(f"{value!r} is no whole number, in {part!r}", where=where)


def _check_key(key: str, part: str, where: str) -> None:
    if not re.fullmatch(_KEY, key):
        problem = f"{key!r} is no label's key" if key else "a label's key is missing"
        raise InputError(f"{problem}, in {part!r}", where=where, hint=_FORMS)
