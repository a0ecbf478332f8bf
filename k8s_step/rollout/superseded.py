"""Whether what this run wrote is still what rolls out: a newer write by somebody else makes another revision of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from k8s_step.objects.managers import FieldChange, changes_text, field_changes, overwritten
from k8s_step.objects.metadata import Object, metadata_of
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.states import State
from k8s_step.verdict.target import Target

_TEMPLATE = ".spec.template"
_RESTARTED = f"{_TEMPLATE}.metadata.annotations.kubectl.kubernetes.io/restartedAt"


class SupersededWrites:
    """Looks at each generation of a target once. Only the pods' template counts: autoscalers write ``replicas``."""

    def __init__(self, field_manager: str, notice: Callable[[str], None]) -> None:
        self._manager = field_manager
        self._notice = notice
        self._seen: dict[str, Any] = {}

    def judge(self, target: Target) -> Judgement | None:
        """Failed where fields of this run have been overwritten; what else was changed is told, and followed on."""
        wrote, now = target.wrote, target.object
        if wrote is None or _template(wrote) == _template(now):
            return None
        ours = _in_template(overwritten(wrote, now, self._manager))
        if ours:
            message = f"somebody else changed what this run wrote, while it was followed: {changes_text(ours)}"
            return Judgement(State.FAILED, message, "Superseded")
        generation = metadata_of(now).get("generation")
        if self._seen.get(target.uid) != generation:
            self._seen[target.uid] = generation
            others = changes_text(_in_template(field_changes(wrote, now), with_restart=True))
            self._notice(
                f"{target.reference}: changed while it was followed ({others}); what this run wrote still stands, so"
                " the new revision is followed"
            )
        return None


def _template(obj: Object) -> Any:
    return (obj.get("spec") or {}).get("template")


def _in_template(found: Sequence[FieldChange], *, with_restart: bool = False) -> list[FieldChange]:
    """A restart replaces the pods by others of the same content, whoever asks for it and however often."""
    return [
        change
        for change in found
        if change.field.startswith(_TEMPLATE) and (with_restart or change.field != _RESTARTED)
    ]
