"""The rules that ``--wait-for``, ``--fail-on`` and ``--health`` give the objects of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from k8s_step.errors import InputError, InputErrors
from k8s_step.release.planning.arguments import Meant
from k8s_step.release.planning.session import Run, Session
from k8s_step.verdict.target import Target
from k8s_step.verdict.terms.rules import Rule

_OPTIONS = {"--wait-for": "wait_for", "--fail-on": "fail_on"}


@dataclass(frozen=True)
class Asked:
    """One word of an option: the objects that it is for, and their rule. ``title``: the option and the word."""

    title: str
    meant: Meant
    rule: Rule


def asked(run: Run, session: Session) -> list[Asked]:
    """What the options ask for. Raises :class:`InputErrors` with every word that is wrong."""
    found: list[Asked] = []
    errors: list[InputError] = []
    for option, field in _OPTIONS.items():
        for word in getattr(run.inputs, field):
            try:
                found.append(_parsed(word, option, field, session))
            except InputError as error:
                error.where = error.where or f"{option} {word}"
                errors.append(error)
    if errors:
        raise InputErrors(errors)
    return found


def give_rules(run: Run, session: Session, targets: Sequence[Target]) -> None:
    """Give each target the rules that the options have for it, and its health check."""
    words = asked(run, session)
    health = run.inputs.health
    for target in targets:
        if health is not None:
            target.rule = target.rule.joined_by(Rule(health=health.of(target.object)))
        for one in words:
            if one.meant.fits(target.reference):
                target.rule = target.rule.joined_by(one.rule)


def _parsed(word: str, option: str, field: str, session: Session) -> Asked:
    from k8s_step.verdict.terms.expectations import parse_lines

    subject, _, text = word.strip().partition(" ")
    where = f"{option} {word}"
    if not text.strip():
        hint = f"{option} 'certificate/web condition=Ready'"
        raise InputError("it names a kind or KIND/NAME, and what to wait for", where=where, hint=hint)
    lines = parse_lines(text, where)
    rule = Rule(wait_for=lines) if field == "wait_for" else Rule(fail_on=lines)
    return Asked(where, Meant.read(subject, session.discovery), rule)
