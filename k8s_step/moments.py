"""Times as the server writes them, for comparison with each other only: its clock is not ours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from k8s_step.fieldset import entries

_NEVER = datetime.min.replace(tzinfo=UTC)


def moment(told: Any) -> datetime:
    """A time in RFC 3339; the beginning of time where it is none."""
    try:
        return datetime.fromisoformat(str(told)).astimezone(UTC)
    except (ValueError, OverflowError):
        return _NEVER


def last_written(obj: Mapping[str, Any]) -> datetime:
    """When somebody last wrote to ``obj``, its status aside."""
    metadata = obj.get("metadata") or {}
    times = [entry.get("time") for entry in entries(obj) if entry.get("subresource") != "status"]
    return max(moment(time) for time in [metadata.get("creationTimestamp"), *times])


def is_known(time: datetime) -> bool:
    """Whether it is a time at all."""
    return time != _NEVER
