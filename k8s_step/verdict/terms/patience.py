"""How long a problem may last before it fails a release, as set by ``--fail-after`` and by an object's annotation."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from k8s_step.errors import InputError
from k8s_step.objects.metadata import Object, annotations_of
from k8s_step.objects.values import times

TIMEOUT = "k8s-step/timeout"
FAIL_AFTER = "k8s-step/fail-after"
WAIT = "k8s-step/wait"
CRASH = "CrashLoopBackOff"
_PULL = "ErrImagePull"
# ImagePullBackOff alternates with each of these reasons: they are one problem and share one grace.
_SAME = {"ImagePullBackOff": _PULL, "RegistryUnavailable": _PULL, "SignatureValidationFailed": _PULL}
# Reasons that may be given a grace: those of docs/verdict.md's table, and some that are fatal only if the user says so.
REASONS = (
    _PULL,
    "ImagePullBackOff",
    "RegistryUnavailable",
    "ImageInspectError",
    "SignatureValidationFailed",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    CRASH,
    "OOMKilled",
    "FailedCreate",
    "Failed",
    "Unschedulable",
    "ContainersNotReady",
)
_CRASHES = (CRASH, "OOMKilled")


@dataclass(frozen=True)
class Patience:
    """The graces that differ from the table in docs/verdict.md.

    ``graces``: seconds by reason, infinite for never. ``restarts``: the number of restarts from which a crash is fatal,
    by reason.
    """

    graces: Mapping[str, float] = field(default_factory=dict)
    restarts: Mapping[str, int] = field(default_factory=dict)

    def grace(self, reason: str, usual: float) -> float:
        """Seconds for which ``reason`` may last; ``usual`` where no grace is set for it."""
        found = self.graces.get(_SAME.get(reason, reason))
        if found is None and reason == "OOMKilled" and reason not in self.restarts:
            found = self.graces.get(CRASH)
        return usual if found is None else found

    def crashes(self, reason: str, usual: int) -> int:
        """The number of restarts from which a crash with this reason is fatal; ``usual`` where none is set."""
        found = self.restarts.get(reason)
        if found is None and reason not in self.graces:
            found = self.restarts.get(CRASH)
        return usual if found is None else found

    def asks_for(self, reason: str) -> bool:
        """Whether a grace, possibly "never", is set for ``reason``."""
        return _SAME.get(reason, reason) in self.graces

    def over(self, usual: Patience) -> Patience:
        """A combination: this grace or restart count where one is set for a reason, else that of ``usual``."""
        said = {*self.graces, *self.restarts}
        graces = {reason: grace for reason, grace in usual.graces.items() if reason not in said}
        restarts = {reason: count for reason, count in usual.restarts.items() if reason not in said}
        return Patience({**graces, **self.graces}, {**restarts, **self.restarts})


USUAL = Patience()


def parse(entries: Iterable[str], where: str) -> Patience:
    """Parse ``REASON=DURATION``, ``REASON=never``, or for crashes ``REASON=N``: fatal at the Nth restart.

    Raises :class:`InputError` naming ``where``.
    """
    graces: dict[str, float] = {}
    restarts: dict[str, int] = {}
    for entry in entries:
        reason, value = _parts(entry, where)
        graces.pop(reason, None)
        restarts.pop(reason, None)
        if reason in _CRASHES and value.isdecimal():
            restarts[reason] = int(value)
        elif value.lower() == "never":
            graces[reason] = math.inf
        else:
            graces[reason] = times.parse(value, f"{where}: {reason}")
    return Patience(graces, restarts)


def own_patience(obj: Object) -> Patience:
    """The graces in the object's ``k8s-step/fail-after`` annotation. Raises :class:`InputError`."""
    entries = re.split(r"[,\s]+", _annotation(obj, FAIL_AFTER))
    return parse([entry for entry in entries if entry], FAIL_AFTER)


def own_timeout(obj: Object) -> float | None:
    """Seconds in the object's ``k8s-step/timeout`` annotation, ``None`` without one. Raises :class:`InputError`."""
    text = _annotation(obj, TIMEOUT)
    return times.parse(text, TIMEOUT) if text else None


def is_waited_for(obj: Object) -> bool:
    """Whether the ``k8s-step/wait`` annotation lets the run follow the object; True without it.

    Raises :class:`InputError`.
    """
    value = annotations_of(obj).get(WAIT, "true")
    if value not in ("true", "false"):
        hint = "put it in quotes" if isinstance(value, bool) else None
        raise InputError('the value is neither "true" nor "false"', where=WAIT, hint=hint)
    return bool(value == "true")


def _annotation(obj: Object, name: str) -> str:
    return str(annotations_of(obj).get(name) or "").strip()


def _parts(entry: str, where: str) -> tuple[str, str]:
    reason, equals, value = (part.strip() for part in entry.partition("="))
    if not equals or not value:
        hint = "ImagePullBackOff=2m, CrashLoopBackOff=5 (restarts), Unschedulable=never"
        raise InputError(f"{entry!r} is not written REASON=DURATION", where=where, hint=hint)
    known = {each.lower(): each for each in REASONS}
    if reason.lower() not in known:
        import difflib

        near = difflib.get_close_matches(reason.lower(), known, 1)
        hint = f"did you mean {known[near[0]]}?" if near else f"known are {', '.join(REASONS)}"
        raise InputError(f"{reason!r} is no reason with a grace", where=where, hint=hint)
    named = known[reason.lower()]
    return _SAME.get(named, named), value
