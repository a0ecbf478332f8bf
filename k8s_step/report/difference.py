"""The change that applying would make, as a unified diff without the server's bookkeeping, Secrets masked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

from k8s_step.objects.kinds.secrets import masked
from k8s_step.objects.metadata import MutableObject, Object, annotations_of, uid_of
from k8s_step.objects.ownership.applied import without_annotations, without_servers_own
from k8s_step.objects.ownership.lastapplied import LAST_APPLIED
from k8s_step.objects.reference import Reference
from k8s_step.redaction import Redactor
from k8s_step.report.layout.yamltext import dump

_ALLOCATED = ("clusterIP", "clusterIPs", "healthCheckNodePort")


@dataclass(frozen=True)
class Difference:
    """``lines`` of a unified diff, none if only left-out fields differ; ``note`` is a remark, or empty."""

    reference: Reference
    action: str
    lines: tuple[str, ...]
    note: str = ""

    @property
    def title(self) -> str:
        """``deployment/shop/web (k8s/web.yaml:12) would be configured``."""
        place = f" ({self.reference.where})" if self.reference.where else ""
        return f"{self.reference}{place} would be {self.action}{f': {self.note}' if self.note else ''}"


def difference(
    reference: Reference,
    action: str,
    live: Object | None,
    merged: Object,
    manifest: Object,
    note: str = "",
    redactor: Redactor | None = None,
) -> Difference:
    """Compare ``live``, the object now (``None``: not there), with ``merged``, the dry run's result for ``manifest``.

    ``redactor`` masks values before they are written as lines: in lines it could mask keys too.
    """
    redactor = redactor or Redactor()
    path = redactor.mask_name(reference.path)
    if live is None:
        after = redactor.mask_object(masked({}, without_servers_own(_without_allocated(merged, manifest)))[1])
        return Difference(reference, action, _added(path, dump(after).splitlines()), note)
    before, after = masked(without_servers_own(live), without_servers_own(merged))
    before, after = told_apart(*_without_last_applied(before, after), redactor)
    old, new = dump(before).splitlines(), dump(after).splitlines()
    names = (f"live/{path}", f"merged/{path}")
    return Difference(reference, action, tuple(unified_diff(old, new, *names, lineterm="")), note)


def removal(reference: Reference, action: str, live: Object, redactor: Redactor) -> Difference:
    """The difference that a deletion makes."""
    lines = dump(redactor.mask_object(masked(without_servers_own(live), {})[0])).splitlines()
    head = (f"--- live/{redactor.mask_name(reference.path)}", "+++ /dev/null", f"@@ -1,{len(lines)} +0,0 @@")
    return Difference(reference, action, (*head, *(f"-{line}" for line in lines)))


def told_apart(before: Object, after: Object, redactor: Redactor) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both masked; texts that differ only in their masked part are marked ``(before)`` and ``(after)``."""
    one, other = redactor.mask_object(before), redactor.mask_object(after)
    if one != before or other != after:
        one, other = _told_apart((before, one), (after, other))
    return one, other


def _told_apart(old: tuple[Any, Any], new: tuple[Any, Any]) -> tuple[Any, Any]:
    """``old`` and ``new`` are pairs of a value and the same value masked."""
    (before, one), (after, other) = old, new
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        pairs = {key: _told_apart((before[key], one[key]), (after[key], other[key])) for key in before if key in after}
        return (
            {**one, **{key: pair[0] for key, pair in pairs.items()}},
            {**other, **{key: pair[1] for key, pair in pairs.items()}},
        )
    if isinstance(before, list) and isinstance(after, list):
        alike = [
            _told_apart(*pair)
            for pair in zip(zip(before, one, strict=True), zip(after, other, strict=True), strict=False)
        ]
        return [*(pair[0] for pair in alike), *one[len(alike) :]], [*(pair[1] for pair in alike), *other[len(alike) :]]
    if isinstance(before, str) and isinstance(after, str) and before != after and one == other:
        return _noted(before, after, one)
    return one, other


def _noted(before: str, after: str, shown: str) -> tuple[str, str]:
    """Mark each line that differs, or the end of the text if masking changed the number of lines."""
    lines = shown.split("\n")
    pairs = list(zip(before.split("\n"), after.split("\n"), strict=False))
    differs = [one != other for one, other in pairs]
    if not len(lines) == len(before.split("\n")) == len(after.split("\n")):
        return f"{shown} (before)", f"{shown} (after)"
    old, new = (
        "\n".join(f"{line} ({word})" if changed else line for line, changed in zip(lines, differs, strict=True))
        for word in ("before", "after")
    )
    return old, new


def _without_last_applied(old: dict[str, Any], new: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both without kubectl's last-applied annotation, which repeats other fields; kept if only one object has it."""
    if (LAST_APPLIED in annotations_of(old)) != (LAST_APPLIED in annotations_of(new)):
        return old, new
    return without_annotations(old, (LAST_APPLIED,)), without_annotations(new, (LAST_APPLIED,))


def _without_allocated(merged: Object, manifest: Object) -> dict[str, Any]:
    """``merged`` without the uid, addresses and ports that the dry run allocated: the real creation gets others."""
    uid = uid_of(merged)
    obj: MutableObject = _without_value(merged, uid) if uid else dict(merged)
    if obj.get("kind") != "Service" or not isinstance(obj.get("spec"), dict):
        return obj
    wanted = manifest.get("spec") or {}
    spec = {key: value for key, value in obj["spec"].items() if key not in _ALLOCATED or key in wanted}
    asked = {port.get("nodePort") for port in wanted.get("ports") or [] if isinstance(port, Mapping)}
    ports = [
        {key: value for key, value in port.items() if key != "nodePort" or value in asked}
        for port in spec.get("ports") or []
    ]
    return {**obj, "spec": {**spec, **({"ports": ports} if ports else {})}}


def _without_value(value: Any, unwanted: str) -> Any:
    """``value`` without map entries equal to ``unwanted``: a Job's labels hold its uid."""
    if isinstance(value, Mapping):
        return {key: _without_value(entry, unwanted) for key, entry in value.items() if entry != unwanted}
    if isinstance(value, list):
        return [_without_value(entry, unwanted) for entry in value]
    return value


def _added(path: str, lines: list[str]) -> tuple[str, ...]:
    head = ("--- /dev/null", f"+++ merged/{path}", f"@@ -0,0 +1,{len(lines)} @@")
    return (*head, *(f"+{line}" for line in lines))
