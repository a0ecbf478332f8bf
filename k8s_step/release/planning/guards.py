"""What a pipeline lets a run touch: ``--allow-namespace``, ``--allow-kind`` and ``--deny-kind``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from k8s_step.api.discovery import Discovery
from k8s_step.errors import InputError, InputErrors
from k8s_step.inputs import Inputs
from k8s_step.objects.address import Address
from k8s_step.objects.kindword import KindWord, guessed, names_of
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource
from k8s_step.release.planning.arguments import names_object

if TYPE_CHECKING:
    from k8s_step.manifests.manifest import Manifest
    from k8s_step.objects.selection import Group

_EACH = 10  # objects refused for the same reason that get a line of their own
_ANY = "*"  # the name and namespace of a group's objects, which are not known; only the pattern ``*`` fits it


class Guards(NamedTuple):
    """The patterns of namespaces, and the words for kinds, that may or may not be written; empty where none is set."""

    namespaces: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()

    @classmethod
    def of(cls, inputs: Inputs) -> Guards:
        """The guards of a run. Raises :class:`InputError` for a word that names an object."""
        allowed, denied = _words(inputs.allow_kind), _words(inputs.deny_kind)
        for option, words in (("--allow-kind", allowed), ("--deny-kind", denied)):
            for word in words:
                _check_word(option, word)
        return cls(_words(inputs.allow_namespace), allowed, denied)

    def check(self, named: Iterable[Address]) -> None:
        """Raises :class:`InputErrors` with each object that must not be written."""
        _refuse((one, self.objection(one.resource, one.reference)) for one in named)

    def check_groups(self, groups: Iterable[Group]) -> None:
        """Like :meth:`check`, for all objects that selectors choose."""
        for each in groups:
            space = each.namespace or _ANY
            reference = Reference(
                each.resource.api_version, each.resource.kind, space if each.resource.namespaced else "", _ANY
            )
            if objection := self.objection(each.resource, reference):
                raise InputError(objection, where=each.text)

    def check_manifests(self, manifests: Sequence[Manifest], namespace: str, discovery: Discovery) -> None:
        """Like :meth:`check`, before any request: of kinds that are not known yet, what their manifests tell."""
        if not (self.namespaces or self.allowed or self.denied):
            return
        told = []
        for one in manifests:
            known = discovery.known(one.api_version, one.kind)
            resource = known or guessed(one.api_version, one.kind)
            space = (one.namespace or namespace) if resource.namespaced else ""
            address = Address(resource, Reference(one.api_version, one.kind, space, one.name, one.file, one.line))
            is_placed = known is not None or one.namespace is not None
            objection = self.objection(resource, address.reference) if is_placed else self._of_kind(resource)
            told.append((address, objection))
        _refuse(told)

    def objection(self, resource: Resource, reference: Reference) -> str:
        """Why the object must not be written; empty where it may."""
        return self._of_kind(resource) or self._of_place(resource, reference)

    def _of_kind(self, resource: Resource) -> str:
        denied = next((word for word in self.denied if _fits(word, resource)), "")
        if denied:
            return f"--deny-kind {denied} forbids a {resource.kind}"
        if self.allowed and not any(_fits(word, resource) for word in self.allowed):
            return f"a {resource.kind} is none of --allow-kind {', '.join(self.allowed)}"
        return ""

    def _of_place(self, resource: Resource, reference: Reference) -> str:
        """A Namespace is in the namespace that it is, once its kind is allowed by name."""
        if not self.namespaces:
            return ""
        allowed = f"--allow-namespace {', '.join(self.namespaces)}"
        is_named = any(_fits(word, resource) and not _is_pattern(word) for word in self.allowed)
        if not resource.namespaced and not is_named:
            return f"a {resource.kind} is cluster-wide, so {allowed} takes it only where --allow-kind names it"
        is_namespace = (resource.group, resource.kind) == ("", "Namespace")
        place = reference.name if is_namespace else reference.namespace
        if not place or any(fnmatchcase(place, pattern) for pattern in self.namespaces):
            return ""
        return f"{'it' if is_namespace else f'its namespace {place}'} is none of {allowed}"


def _words(given: Sequence[str]) -> tuple[str, ...]:
    """The words one by one: with commas, which no name holds, a single flag gives several too."""
    return tuple(word.strip() for text in given for word in text.split(",") if word.strip())


def _check_word(option: str, word: str) -> None:
    if names_object(word) or any(letter.isspace() for letter in word):
        raise InputError(f"{word!r} names no kind", where=option, hint="Deployment, deployments or deployment.apps")


def _fits(word: str, resource: Resource) -> bool:
    """Whether ``word`` means the kind, whatever its group where the word has none.

    A kind of which the server was not asked has the names that are guessed; such a kind's usual plural counts in any
    case, so that a word means the same before and after.
    """
    candidates = (resource, guessed(resource.api_version, resource.kind))
    if _is_pattern(word):
        names = {name for one in candidates for name in names_of(one)}
        both = {*names, *(f"{name}.{resource.group}" for name in names)}
        return any(fnmatchcase(name, word.lower()) for name in both)
    return KindWord.read(word).best(candidates) is not None


def _is_pattern(word: str) -> bool:
    return any(sign in word for sign in "*?[")


def _refuse(told: Iterable[tuple[Address, str]]) -> None:
    """Raise for the objects with an objection: a line each, and the rest of many alike counted."""
    errors: list[InputError] = []
    counts: Counter[str] = Counter()
    for address, objection in told:
        if not objection:
            continue
        counts[objection] += 1
        if counts[objection] <= _EACH:
            errors.append(InputError(objection, where=address.where))
    last = {error.message: error for error in errors}
    for objection, error in last.items():
        error.message += f", and so for {counts[objection] - _EACH} more" if counts[objection] > _EACH else ""
    if errors:
        raise InputErrors(errors)
