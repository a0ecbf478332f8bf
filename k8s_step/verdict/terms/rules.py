"""An object's own rule of when it is current and when it has failed, in the words of ``kubectl wait``; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from k8s_step.errors import InputError
from k8s_step.objects.metadata import FAIL_ON, WAIT_FOR, Object, annotations_of
from k8s_step.verdict import readiness
from k8s_step.verdict.states import Readiness, State

if TYPE_CHECKING:
    from k8s_step.verdict.terms.expectations import Expectation
    from k8s_step.verdict.terms.health import HealthCheck


@dataclass(frozen=True)
class Rule:
    """``wait_for``: all of these make the object current. ``fail_on``: any of these has it failed.

    ``health``: its health check. A built-in kind must be current by its usual rule, too, and any kind by its health
    check; otherwise the rule of a custom resource stands alone.
    """

    wait_for: tuple[Expectation, ...] = ()
    fail_on: tuple[Expectation, ...] = ()
    health: HealthCheck | None = None

    def __bool__(self) -> bool:
        return bool(self.wait_for or self.fail_on or self.health)

    def joined_by(self, other: Rule) -> Rule:
        """Both rules together."""
        health = self.health or other.health
        return Rule((*self.wait_for, *other.wait_for), (*self.fail_on, *other.fail_on), health)

    def is_met(self, obj: Object) -> bool:
        """Whether all that it waits for is there, and nothing that it fails on; False where there is a health check."""
        try:
            return self.health is None and all(one.is_met(obj) for one in self.wait_for) and self._failed(obj) is None
        except InputError:
            return False

    def readiness(self, obj: Object) -> Readiness:
        """The verdict on the object by itself. An expectation that can't be compared leaves it in progress."""
        usual = self.health.readiness(obj) if self.health else readiness.compute(obj)
        if usual.state is State.TERMINATING or (self.health and usual.state is State.FAILED):
            return usual
        try:
            return self._failed(obj) or self._awaited(obj, usual)
        except InputError as error:
            return Readiness(State.IN_PROGRESS, str(error))

    def _failed(self, obj: Object) -> Readiness | None:
        met = next((one for one in self.fail_on if one.is_met(obj)), None)
        if met is None:
            return None
        from k8s_step.verdict.terms.expectations import ConditionIs

        reason = met.type if isinstance(met, ConditionIs) else "FailOn"
        message = f"{met.standing(obj)} (fails on {met.text})"
        return Readiness(State.FAILED, message, reason, unversioned=met.is_unversioned(obj))

    def _awaited(self, obj: Object, usual: Readiness) -> Readiness:
        is_custom = readiness.is_custom(obj) and self.health is None
        if not self.wait_for or (not is_custom and usual.state is not State.CURRENT):
            return usual
        unmet = next((one for one in self.wait_for if not one.is_met(obj)), None)
        if unmet is not None:
            return Readiness(State.IN_PROGRESS, f"waiting for {unmet.text}: {unmet.standing(obj)}")
        message = ", ".join(one.text for one in self.wait_for) if is_custom else usual.message
        is_unversioned = any(one.is_unversioned(obj) for one in self.wait_for)
        return Readiness(State.CURRENT, message, unversioned=is_unversioned)


def own_rule(obj: Object) -> Rule:
    """The rule in the object's annotations; empty without them. Raises :class:`InputError` with every wrong line."""
    found = annotations_of(obj)
    wait_for, fail_on = (_lines(found.get(name), name) for name in (WAIT_FOR, FAIL_ON))
    return Rule(wait_for, fail_on)


def _lines(value: object, name: str) -> tuple[Expectation, ...]:
    if value is None:
        return ()
    from k8s_step.verdict.terms.expectations import parse_lines  # imported here: few objects have a rule of their own

    return parse_lines(str(value), name)
