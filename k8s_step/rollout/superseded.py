"""Whether the revision that rolls out is still this run's: somebody else's newer write may have superseded it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from k8s_step.objects.metadata import Object, metadata_of
from k8s_step.objects.ownership.managers import FieldChange, changes_text, field_changes, overwritten
from k8s_step.objects.resource import builtin
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.states import State
from k8s_step.verdict.target import Target

_TEMPLATE = ".spec.template"
_TEMPLATES = (_TEMPLATE,)
# The fields that carry a release's content, by kind: no controller overwrites them. Left out are fields that one does:
# ``replicas`` (autoscalers), a Service's selector (canary controllers), Ingresses and ``caBundle`` (cert managers).
_CONTENT: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("ConfigMap", "Secret"), (".data", ".binaryData")),
    "CronJob": (".spec.jobTemplate", ".spec.schedule"),
    "Role": (".rules",),
    **dict.fromkeys(("RoleBinding", "ClusterRoleBinding"), (".roleRef", ".subjects")),
    **dict.fromkeys(("NetworkPolicy", "PodDisruptionBudget"), (".spec",)),
}
_RESTARTED = f"{_TEMPLATE}.metadata.annotations.kubectl.kubernetes.io/restartedAt"


class SupersededWrites:
    """Finds targets whose content somebody else has overwritten. Of a workload only the pod template counts."""

    def __init__(self, field_manager: str, notice: Callable[[str], None]) -> None:
        self._manager = field_manager
        self._notice = notice
        self._seen: dict[str, Any] = {}

    def judge(self, target: Target) -> Judgement | None:
        """Failed where somebody overwrote fields of this run, else ``None``; other changes are reported."""
        wrote, now = target.wrote, target.object
        if wrote is None:
            return None
        reference = target.reference
        is_builtin = builtin(reference.api_version, reference.kind) is not None
        fields = _CONTENT.get(reference.kind, _TEMPLATES) if is_builtin else _TEMPLATES
        if all(_at(wrote, field) == _at(now, field) for field in fields):
            return None
        ours = _within(fields, overwritten(wrote, now, self._manager))
        if ours:
            message = f"somebody else changed what this run wrote, while it was followed: {changes_text(ours)}"
            return Judgement(State.FAILED, message, "Superseded")
        if fields != _TEMPLATES:
            return None
        generation = metadata_of(now).get("generation")
        if self._seen.get(target.uid) != generation:
            self._seen[target.uid] = generation
            others = changes_text(_within(fields, field_changes(wrote, now), with_restart=True))
            self._notice(
                f"{target.reference}: changed while it was followed ({others}); what this run wrote still stands, so"
                " the new revision is followed"
            )
        return None


def _at(obj: Object, field: str) -> Any:
    """The value of a field by its dotted path, through maps only; ``None`` where it is missing."""
    value: Any = obj
    for name in field.removeprefix(".").split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _within(fields: Sequence[str], found: Sequence[FieldChange], *, with_restart: bool = False) -> list[FieldChange]:
    """The changes below these fields. A restart's annotation changes no content: it counts only ``with_restart``."""
    return [
        change
        for change in found
        if any(_is_below(change.field, field) for field in fields) and (with_restart or change.field != _RESTARTED)
    ]


def _is_below(path: str, field: str) -> bool:
    return path.startswith(field) and path[len(field) :][:1] in ("", ".", "[")
