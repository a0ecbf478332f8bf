"""Durations as users write them, and the server's times, to be compared only with each other, not with our clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from k8s_step.errors import InputError
from k8s_step.objects.metadata import Object, entries, metadata_of

_DURATION = r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?"


def parse(text: str, where: str) -> float:
    """Seconds of a duration such as ``90s``, ``1h30m`` or ``90``. Raises :class:`InputError` naming ``where``."""
    text = text.strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    found = re.fullmatch(_DURATION, text)
    if not text or found is None:
        raise InputError(f"{text!r} is not a duration", where=where, hint="90s, 5m, 1h30m or plain seconds")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


_NEVER = datetime.min.replace(tzinfo=UTC)


def moment(told: Any) -> datetime:
    """A time parsed from RFC 3339; ``_NEVER``, before any other, where ``told`` is no such time."""
    try:
        return datetime.fromisoformat(str(told)).astimezone(UTC)
    except (ValueError, OverflowError):
        return _NEVER


def last_written(obj: Object) -> datetime:
    """The time of the last write to ``obj``, apart from its status."""
    metadata = metadata_of(obj)
    times = [entry.get("time") for entry in entries(obj) if entry.get("subresource") != "status"]
    return max(moment(time) for time in [metadata.get("creationTimestamp"), *times])


def is_known(time: datetime) -> bool:
    """Whether :func:`moment` could read the time."""
    return time != _NEVER
