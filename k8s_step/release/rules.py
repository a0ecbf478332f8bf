"""The rules that ``--wait-for`` and ``--fail-on`` give the objects of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from k8s_step.errors import InputError, InputErrors
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource
from k8s_step.release.arguments import kind_and_name
from k8s_step.release.session import Run, Session
from k8s_step.verdict.expectations import parse_lines
from k8s_step.verdict.rules import Rule
from k8s_step.verdict.target import Target

_OPTIONS = {"--wait-for": "wait_for", "--fail-on": "fail_on"}


@dataclass(frozen=True)
class Asked:
    """One word of an option: the rule, and the objects that it is for; without a name, all of the kind."""

    word: str
    resource: Resource
    name: str
    rule: Rule

    def fits(self, reference: Reference) -> bool:
        """Whether the word means this object, in any version of its API."""
        is_kind = (reference.key[0], reference.kind) == (self.resource.group, self.resource.kind)
        return is_kind and self.name in ("", reference.name)


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


def titled(run: Run, session: Session) -> list[tuple[str, Asked]]:
    """Each word with its option in front. Raises as :func:`asked`."""
    return [(f"{'--wait-for' if one.rule.wait_for else '--fail-on'} {one.word}", one) for one in asked(run, session)]


def give_rules(run: Run, session: Session, targets: Sequence[Target]) -> None:
    """Give each target the rules that the options have for it."""
    words = asked(run, session)
    for target in targets:
        for one in words:
            if one.fits(target.reference):
                target.rule = target.rule.joined_by(one.rule)


def _parsed(word: str, option: str, field: str, session: Session) -> Asked:
    subject, _, text = word.strip().partition(" ")
    where = f"{option} {word}"
    if not text.strip():
        hint = f"{option} 'certificate/web condition=Ready'"
        raise InputError("it names a kind or KIND/NAME, and what to wait for", where=where, hint=hint)
    kind, name = kind_and_name(subject)
    rule = Rule(**{field: parse_lines(text, where)})
    return Asked(word, session.discovery.find(kind), name, rule)
