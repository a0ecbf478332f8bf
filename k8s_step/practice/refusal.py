"""The API's way to say no: a Status object with an HTTP code."""

from __future__ import annotations

from typing import Any

from k8s_step.objects.resource import Resource


class Refusal(Exception):  # noqa: N818 - a plain answer, no fault of the server
    """An answer that is no object; ``status`` is its body."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "details": details or {},
            "code": code,
        }


def missing(resource: Resource, name: str) -> Refusal:
    """404 in upstream's words."""
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return Refusal(404, "NotFound", f'{resource.full_name} "{name}" not found', details)


def invalid(resource: Resource, name: str, causes: list[tuple[str, str, str]]) -> Refusal:
    """422 with one cause for each (field, reason, message)."""
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    lines = [f"{field}: {message}" for field, _, message in causes]
    listed = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
    details = {
        "name": name,
        "group": resource.group,
        "kind": resource.kind,
        "causes": [{"field": field, "reason": reason, "message": message} for field, reason, message in causes],
    }
    return Refusal(422, "Invalid", f'{kind} "{name}" is invalid: {listed}', details)
