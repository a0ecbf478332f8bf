"""JSONPath templates as ``kubectl get -o jsonpath=…`` takes them; pure.

``Template.parse('{.metadata.name}')`` reads a whole template, :func:`field` a single path in kubectl's relaxed form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from k8s_step.errors import InputError
from k8s_step.objects.jsonpath import gotext
from k8s_step.objects.jsonpath.nodes import Field, Literal, PathError, Slice, Union, Values, walk
from k8s_step.objects.jsonpath.parser import MalformedError, Part, Range, parse

_RELAXED = re.compile(r"\{\.?([^{}]+)\}|\.?([^{}]+)")


@dataclass(frozen=True)
class Template:
    """A template that has been read. ``where``: the option or annotation it comes from, for errors."""

    text: str
    parts: tuple[Part, ...]
    where: str = ""

    @classmethod
    def parse(cls, text: str, where: str = "") -> Template:
        """Text with expressions in braces: ``{.metadata.name}``. Raises :class:`InputError` for a malformed one."""
        try:
            return cls(text, parse(text), where)
        except MalformedError as error:
            message = f"{text!r} is no JSONPath: {error}"
            raise InputError(message, where=where or None, hint=error.hint or None) from None

    def render(self, data: Any, *, allow_missing: bool = True) -> str:
        """The text that kubectl prints for ``data``, without a newline of its own. Raises as :meth:`results` does."""
        return "".join(" ".join(map(gotext.of_value, each)) for each in self.results(data, allow_missing=allow_missing))

    def values(self, data: Any, *, allow_missing: bool = True) -> Values:
        """All that the expressions find in ``data``, in order. Raises as :meth:`results` does."""
        return [value for each in self.results(data, allow_missing=allow_missing) for value in each]

    def results(self, data: Any, *, allow_missing: bool = True) -> Iterator[Values]:
        """What each expression and each text between them gives, a ``{range}`` once for each of its values.

        ``data``: a JSON value. ``allow_missing``: a missing field gives nothing; else it is an error. Raises
        :class:`InputError` where the template does not fit ``data``, as an index out of a list's bounds.
        """
        try:
            yield from _results(self.parts, data, allow_missing)
        except PathError as error:
            raise InputError(f"{self.text!r} does not fit: {error}", where=self.where or None) from None


@dataclass(frozen=True)
class OverItems:
    """A template about the items of a List, each by itself: ``before`` and ``after`` stand around the texts of all.

    ``between`` stands between two texts.
    """

    own: Template
    before: str
    between: str
    after: str

    def texts(self, item: Any) -> list[str]:
        """The texts of one item. Raises as :meth:`Template.results` does."""
        if self.between:
            return [gotext.of_value(value) for value in self.own.values(item)]
        return [self.own.render(item)]


def over_items(template: Template) -> OverItems | None:
    """``template`` taken apart, so that no List need be held whole; ``None`` where it is about more than each item."""
    varying = [at for at, part in enumerate(template.parts) if not _is_constant(part)]
    if len(varying) != 1:
        return None
    (at,) = varying
    part = template.parts[at]
    nodes = part.nodes if isinstance(part, Range) else part
    # A union takes one part of all values before the next part of all values.
    if nodes[:2] != _ALL_ITEMS or any(isinstance(node, Union) for node in nodes):
        return None
    own: Part = nodes[2:]
    if isinstance(part, Range):
        if not part.is_closed:
            return None
        own = replace(part, nodes=nodes[2:])
    before, after = (Template("", parts).render(None) for parts in (template.parts[:at], template.parts[at + 1 :]))
    between = "" if isinstance(part, Range) else " "
    return OverItems(replace(template, parts=(own,)), before, between, after)


_ALL_ITEMS = (Field("items"), Slice())


def _is_constant(part: Part) -> bool:
    return not isinstance(part, Range) and all(isinstance(node, Literal) for node in part)


def _results(parts: Sequence[Part], data: Any, allow_missing: bool) -> Iterator[Values]:
    for part in parts:
        if not isinstance(part, Range):
            yield walk(part, [data], allow_missing)
            continue
        for value in walk(part.nodes, [data], allow_missing):
            yield from _results(part.parts, value, allow_missing)
        if not part.is_closed:  # kubectl goes on with the same parts, once more and for the whole
            yield from _results(part.parts, data, allow_missing)


def field(path: str, where: str = "") -> Template:
    """A single path in the relaxed form of kubectl's custom columns and ``--sort-by``: dot and braces may be left out.

    Raises :class:`InputError`. Source: ``RelaxedJSONPathExpression`` in ``customcolumn.go`` of k8s.io/kubectl.
    """
    found = _RELAXED.fullmatch(path)
    if found is None:
        hint = "metadata.name, .metadata.name or {.metadata.name}"
        raise InputError(f"{path!r} is no path to a field", where=where or None, hint=hint)
    return Template.parse(f"{{.{found[1] or found[2]}}}", where)
