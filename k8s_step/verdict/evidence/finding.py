"""Why an object failed, with the evidence an engineer needs to act on it."""

from __future__ import annotations

from dataclasses import dataclass

from k8s_step.objects.reference import Reference


@dataclass(frozen=True)
class Finding:
    """One cause of a failure.

    ``logs``: the last lines of the run named by ``logs_of``, the crashed (``previous``) or the current one. ``events``:
    newest first. ``alike``: how many more pods have the same cause. ``probe``: the probe in the pod's spec;
    ``probe_answer``: its last result. ``claims``: the pod's claims without a volume. ``advice``: the reason's usual
    meaning; ``check``: where to look next. ``missing``: evidence that could not be gathered, and why. ``unfinished``:
    nothing is wrong, but the run ended before the object was current.
    """

    reference: Reference
    reason: str
    message: str
    pod: str = ""
    container: str = ""
    image: str = ""
    node: str = ""
    alike: int = 0
    logs: tuple[str, ...] = ()
    logs_of: str = ""
    events: tuple[str, ...] = ()
    advice: str = ""
    check: str = ""
    exit_code: int | None = None
    signal: str = ""
    probe: str = ""
    probe_answer: str = ""
    claims: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unfinished: bool = False

    @property
    def why(self) -> str:
        """The reason, else the message, such as what the object waits for."""
        return self.reason or self.message or "no reason given"
