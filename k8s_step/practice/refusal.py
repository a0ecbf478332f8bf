"""The API's error answers: Status objects with an HTTP code."""

from __future__ import annotations

from typing import Any

from k8s_step.objects.resource import Resource


class Refusal(Exception):  # noqa: N818 - an ordinary answer of the server
    """An error answer; ``code`` is the HTTP code, ``status`` the body."""

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
    """The 404 for a missing object, in upstream's words."""
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return Refusal(404, "NotFound", f'{resource.full_name} "{name}" not found', details)


def invalid(resource: Resource, name: str, causes: list[tuple[str, str, str]]) -> Refusal:
    """The 422 for an invalid object; ``causes`` are (field, reason, message)."""
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
