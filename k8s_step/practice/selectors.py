"""The label and field selectors that the practice server supports."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from k8s_step.objects.metadata import MutableObject
from k8s_step.practice.refusal import Refusal

Match = Callable[[MutableObject], bool]
_TERM = re.compile(r"\s*(?:(!?)\s*([^\s=!(),]+)\s*(?:(==|=|!=)\s*([^\s=!(),]*)|\s(in|notin)\s*\(([^)]*)\))?)\s*(?:,|$)")
_FIELDS = re.compile(r"metadata\.(name|namespace)|involvedObject\.\w+|reason|type|status\.phase|spec\.nodeName")


def matcher(labels: str, fields: str) -> Match:
    """A predicate for both selectors; an empty one matches all. Raises a :class:`Refusal` (400) if malformed."""
    tests = [_label_test(*term) for term in _terms(labels)] + [_field_test(*term) for term in _terms(fields)]
    return lambda obj: all(test(obj) for test in tests)


def _terms(selector: str) -> list[tuple[str, ...]]:
    terms, position = [], 0
    while position < len(selector):
        found = _TERM.match(selector, position)
        if found is None:
            raise Refusal(400, "BadRequest", f"unable to parse requirement: {selector[position:]}")
        terms.append(tuple(group or "" for group in found.groups()))
        position = found.end()
    return terms


def _label_test(absent: str, key: str, equality: str, value: str, within: str, values: str) -> Match:
    chosen = {item.strip() for item in values.split(",")} if within else {value}
    if not equality and not within:
        return lambda obj: (key in _labels(obj)) != bool(absent)
    wanted = (equality or within) not in ("!=", "notin")
    return lambda obj: (_labels(obj).get(key) in chosen) == wanted


def _field_test(absent: str, key: str, equality: str, value: str, *_: str) -> Match:
    if absent or not equality or not _FIELDS.fullmatch(key):
        raise Refusal(400, "BadRequest", f"field label not supported: {key}")
    return lambda obj: (_at(obj, key) == value) == (equality != "!=")


def _labels(obj: MutableObject) -> MutableObject:
    return obj["metadata"].get("labels") or {}


def _at(obj: Any, path: str) -> str:
    for key in path.split("."):
        obj = obj.get(key, {}) if isinstance(obj, dict) else {}
    return obj if isinstance(obj, str) else ""
