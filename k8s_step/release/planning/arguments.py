"""The objects that a command's words name: ``deployment/web``, ``deploy web api``, ``v1/pods/x``, several of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from k8s_step.api.discovery import Discovery
from k8s_step.errors import InputError, InputErrors
from k8s_step.objects.address import Address
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import Resource

# ``v1/pods`` and ``apps/v1/deployments`` are kinds, whose names follow as words of their own.
_KIND_WITH_VERSION = r"(?:[a-z0-9.-]+/)?v[1-9][0-9]*(?:(?:alpha|beta)[1-9][0-9]*)?/[^/]+"
_FORMS = "name it as KIND/NAME, such as deployment/web"


def parse(words: Sequence[str], discovery: Discovery, namespace: str) -> list[Address]:
    """The objects named by ``KIND/NAME`` words or by ``KIND NAME…``, each once, in the order given.

    Asks the server only for kinds that are not built in. Raises :class:`InputErrors` with every word that is wrong.
    """
    errors: list[InputError] = []
    found: dict[Address, None] = {}
    for kind, name, word in _pairs([part for written in words for part in written.split()]):
        try:
            found[named(kind, name, discovery, namespace, word)] = None
        except InputError as error:
            error.where = error.where or word
            errors.append(error)
    if errors:
        raise InputErrors(errors)
    return list(found)


def named(kind: str, name: str, discovery: Discovery, namespace: str, word: str = "") -> Address:
    """The object ``name`` of a kind as kubectl spells kinds; ``word`` is what the user wrote, for errors.

    Raises :class:`InputError` for a kind that the server does not serve and for a name that none can have.
    """
    if "/" in name:  # else the rest of the path would be that of a subresource
        raise InputError(f"{name!r} is no object's name", where=word or kind)
    resource = discovery.find(kind)
    where = namespace if resource.namespaced else ""
    return Address(resource, Reference(resource.api_version, resource.kind, where, _checked(name, word or kind)))


def words_of(given: Sequence[str]) -> list[str]:
    """The words, split at blanks and commas: one variable may hold several."""
    return re.sub(r"\s*,\s*", ",", " ".join(given)).split()


def kinds_alone(words: Sequence[str]) -> list[str]:
    """The kinds of a single word such as ``pods`` or ``deploy,svc``; none where the words name objects."""
    kinds = words[0].split(",") if len(words) == 1 else []
    return [] if any(names_object(kind) for kind in kinds) else [kind for kind in kinds if kind]


def names_object(word: str) -> bool:
    """Whether a word is ``KIND/NAME``, not a kind such as ``pods`` or ``apps/v1/deployments``."""
    return "/" in word and not re.fullmatch(_KIND_WITH_VERSION, word, re.IGNORECASE)


class Meant(NamedTuple):
    """The objects that ``KIND[/NAME]`` of an option means; without a name, all of the kind."""

    resource: Resource
    name: str

    @classmethod
    def read(cls, word: str, discovery: Discovery) -> Meant:
        """What ``word`` means. Raises :class:`InputError`, as for a kind that the server does not serve."""
        if not names_object(word):
            return cls(discovery.find(word), "")
        kind, _, name = word.rpartition("/")
        checked = _checked(name, word)
        return cls(discovery.find(kind), checked)

    def fits(self, reference: Reference) -> bool:
        """Whether the word means this object, in any version of its API."""
        is_kind = (reference.key[0], reference.kind) == (self.resource.group, self.resource.kind)
        return is_kind and self.name in ("", reference.name)


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Kind, name, and the word that holds them (for messages)."""
    if not words:
        raise InputError("no object was named", hint=_FORMS)
    first, *rest = words
    if not names_object(first):
        yield from _of_one_kind(first, rest)
        return
    for word in words:
        kind, slash, name = word.rpartition("/")
        if not slash:
            raise InputError("KIND/NAME and KIND NAME cannot be mixed", where=word, hint=_FORMS)
        yield kind, name, word


def _of_one_kind(kind: str, names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    names = list(names)
    if not names:
        raise InputError("this names a kind and no object", where=kind, hint=f"which one? {kind}/NAME")
    for name in names:
        if "/" in name:
            raise InputError("KIND/NAME and KIND NAME cannot be mixed", where=name, hint=_FORMS)
        yield kind, name, f"{kind} {name}"


def _checked(name: str, word: str) -> str:
    """Check that a name can be part of a URL; all further rules are the server's.

    Source: ``IsValidPathSegmentName`` of k8s.io/apimachinery.
    """
    if not name:
        raise InputError("the name is missing", where=word, hint=_FORMS)
    if name in (".", "..") or "%" in name:
        raise InputError(f"{name!r} is no object's name", where=word)
    return name


def check_kinds(named: Sequence[Address], kinds: Sequence[str], done: str) -> None:
    """Raise :class:`InputErrors` for objects of other kinds, which can't be ``done`` (such as "restarted")."""
    errors = [
        InputError(f"a {one.reference.kind} can't be {done}", where=str(one.reference), hint=f"{', '.join(kinds)} can")
        for one in named
        if one.reference.kind not in kinds or one.resource.group != "apps"
    ]
    if errors:
        raise InputErrors(errors)
