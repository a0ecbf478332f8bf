"""Why an object failed, with the evidence: what a tired engineer needs to act on."""

from __future__ import annotations

from dataclasses import dataclass

from k8s_step.objects.reference import Reference


@dataclass(frozen=True)
class Finding:
    """One cause. ``logs`` are the last lines of the run that crashed (``previous``) or of the current one, as
    ``logs_of`` says; ``events`` are newest first; ``alike`` counts further pods with the same cause.

    ``probe`` is as the pod's spec has it, ``probe_answer`` what it answered last. ``claims`` are those of the pod that
    have no volume. ``advice`` is what the reason usually means, ``check`` what to look at next. ``missing`` is what
    could not be gathered, and why. ``unfinished``: nothing is wrong, the run ended before the object was current.
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
        """The reason; where Kubernetes has no word for it, what it waits for."""
        return self.reason or self.message or "no reason given"
