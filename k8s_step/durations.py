"""Durations as users write them: ``90s``, ``5m``, ``1h30m`` or plain seconds."""

from __future__ import annotations

import re

from k8s_step.errors import InputError

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


def parse(text: str, where: str) -> float:
    """Seconds. Raises :class:`InputError` naming ``where`` it was written."""
    text = text.strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        raise InputError(f"{text!r} is not a duration", where=where, hint="90s, 5m, 1h30m or plain seconds")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds
