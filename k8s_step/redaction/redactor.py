"""Holds the run's secrets, and masks each kind of text: data, names, and output made of both."""

from __future__ import annotations

import re
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum
from itertools import accumulate
from typing import Any

from k8s_step.redaction.escapes import BARRIER
from k8s_step.redaction.forms import OWN_WORDS, Piece, forms, pieces
from k8s_step.redaction.index import Index, encoded
from k8s_step.redaction.needles import Span

MASK = "***"
_UNMISTAKABLE = 8  # characters; a credential this long is masked in names and finished lines too
_NO_NAME = 16  # characters; a Secret's value this long is masked even as a part of a name
# Fields of the step's own types: those with names of objects or of Kubernetes, and those with the step's own words.
_NAMES = frozenset(
    (
        "api_version",
        "kind",
        "namespace",
        "name",
        "file",
        "pod",
        "container",
        "node",
        "image",
        "context",
        "reason",
        "logs_of",
    )
)
_WORDS = frozenset(("action", "status", "rolled_back", "command", "started", "signal"))
_PLACE = re.compile(r"[^\n=]*:\d+(?:: \S+)?|[^\s=]+")  # k8s/web.yaml:12, deployment/shop/web


@dataclass(frozen=True)
class SecretValue:
    """One value of a Secret; ``label`` names its key and its Secret for the user."""

    text: str = field(repr=False)
    label: str = ""


class Redactor:
    """Holds the secrets of a run and masks them in text.

    A *credential* (token, key, password) is always masked. A Secret's *value* is not masked if it equals a name in
    the manifests, since that would hide the name everywhere. Thread-safe.

    >>> redactor = Redactor()
    >>> redactor.add("s3cr3t-token")
    >>> redactor.mask("Bearer s3cr3t-token")
    'Bearer ***'
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._credentials, self._in_lines = Index(), Index()
        self._values, self._in_names = Index(), Index()
        self._known: dict[SecretValue, None] = {}
        self._cores: set[str] = set()  # cores of the pieces of all values
        self._names: frozenset[str] = frozenset()
        self._names_in_text: frozenset[bytes] = frozenset()
        self._equal: dict[str, None] = {}  # labels of values that equal a name
        self._said: set[str] = set()
        self._lines: dict[str, None] = {}
        self._untold: dict[str, None] = {}
        self._is_settled = False
        self._listener: Callable[[str], None] = _ignore

    def for_one_run(self) -> Redactor:
        """A redactor with the same credentials, also those added later, and with no Secret's values or names yet."""
        made = Redactor()
        made._lock, made._credentials, made._in_lines = self._lock, self._credentials, self._in_lines
        return made

    # -- what is secret

    def add(self, *credentials: str | bytes | None) -> None:
        """Mask these credentials from now on, in every form in which they may be printed."""
        with self._lock:
            for piece in (piece for each in credentials if each for piece in pieces(each)):
                for form in forms(piece):
                    self._credentials.add(form)
                    if len(form) >= _UNMISTAKABLE:
                        self._in_lines.add(form)
                self._tell(_plain_lines(piece))

    def add_values(self, values: Iterable[SecretValue]) -> None:
        """Mask these values of Secrets from now on, except those that equal a name (see :meth:`spare`)."""
        with self._lock:
            new = [value for value in values if value not in self._known]
            self._known.update(dict.fromkeys(new))
            self._remember(new, self._values, self._in_names)

    def spare(self, *names: str | None) -> None:
        """Stop masking values of Secrets that equal one of ``names``, whether added before or after."""
        with self._lock:
            new = {name for name in names if name} - self._names
            self._names |= new
            self._names_in_text = frozenset(map(encoded, self._names))
            if not any(name in self._cores or name in self._values for name in new):
                return
            self._untold = {}
            values, in_names = Index(), Index()
            self._remember(self._known, values, in_names)
            self._values, self._in_names = values, in_names

    def settle(self) -> tuple[str, ...]:
        """Give the listener the values of Secrets, now that all names are known; return labels of unmasked values.

        An unmasked value equals a name. Each value is passed on once, and each label is returned once.
        """
        with self._lock:
            self._is_settled = True
            self._tell(self._untold)
            self._untold = {}
            new = tuple(label for label in self._equal if label not in self._said)
            self._said.update(new)
            return new

    def _remember(self, values: Iterable[SecretValue], index: Index, in_names: Index) -> None:
        for value in values:
            for piece in pieces(value.text):
                self._cores.add(piece.core)
                if piece.core in self._names or piece.text in self._names:
                    self._equal.update({value.label: None} if value.label else {})
                elif piece.text.lower() not in OWN_WORDS:
                    self._untold.update(dict.fromkeys(_plain_lines(piece)))
                    for form in forms(piece) - self._names:
                        index.add(form)
                        if len(form) >= _NO_NAME and piece.text == value.text.strip():
                            in_names.add(form)
        if self._is_settled:
            self._tell(self._untold)

    def listen(self, listener: Callable[[str], None]) -> None:
        """Call ``listener`` with each single-line secret in plain text, known or added later, for a runner's masks.

        Values of Secrets follow only after :meth:`settle`, since a runner's mask can't be removed.
        """
        self._listener = listener
        for line in self._lines:
            listener(line)

    def _tell(self, lines: Iterable[str]) -> None:
        for line in lines:
            if line not in self._lines:
                self._lines[line] = None
                self._listener(line)

    # -- how it is masked

    def mask(self, text: str) -> str:
        """Data with every secret, whole or truncated, replaced by ``***``; names of this run in it stay whole."""
        return _masked(text, lambda data: self._in_data(data, cut=True))

    def mask_name(self, text: str) -> str:
        """A name, file or word of Kubernetes, with only those secrets masked that are too long for a coincidence."""
        return _masked(text, lambda data: self._in_lines.spans(data) + self._in_names.spans(data))

    def mask_place(self, text: str) -> str:
        """A place, masked as a name if it looks like ``k8s/web.yaml:12`` or ``deployment/shop/web``, else as data."""
        return self.mask_name(text) if _PLACE.fullmatch(text) else self.mask(text)

    def mask_line(self, text: str) -> str:
        """Output made of masked data, names and the step's words, with only credentials masked, as a safeguard."""
        return _masked(text, self._in_lines.spans)

    def mask_all(self, value: Any) -> Any:
        """``value`` with each text in it masked, names as names; for use before text is cut, wrapped or serialised."""
        if isinstance(value, str):
            return value if isinstance(value, Enum) else self.mask(value)
        if not value or type(value) in _NO_TEXTS:
            return value
        if isinstance(value, Mapping):
            return {key: self.mask_all(entry) for key, entry in value.items()}
        if names := getattr(value, "_fields", None):  # a named tuple
            return value._replace(**self._masked_fields(value, names))
        if isinstance(value, (list, tuple)):
            return type(value)(self.mask_all(entry) for entry in value)
        if is_dataclass(value) and not isinstance(value, type):
            changed = self._masked_fields(value, [each.name for each in fields(value)])
            return replace(value, **changed) if changed else value
        return value

    def _masked_fields(self, value: Any, names: Iterable[str]) -> dict[str, Any]:
        """The fields of ``value`` that masking changes."""
        before = {name: getattr(value, name) for name in names}
        after = {name: self._mask_field(name, text) for name, text in before.items()}
        return {name: text for name, text in after.items() if text is not before[name]}

    def _mask_field(self, name: str, value: Any) -> Any:
        if name in _WORDS:
            return value
        if name == "where" and isinstance(value, str):
            return self.mask_place(value)
        return self.mask_name(value) if name in _NAMES and isinstance(value, str) else self.mask_all(value)

    def mask_object(self, obj: Mapping[str, Any]) -> dict[str, Any]:
        """A Kubernetes object or part of one: texts masked as data, kind and name as names, keys unchanged."""
        found: dict[str, None] = {}
        _collect_texts(obj, found)
        texts = list(found)
        changed = {text: self._mask_whole(text) for text in self._with_secrets(texts)}
        if not changed:
            return dict(obj)
        masked: dict[str, Any] = _replaced(obj, changed)
        masked.update(self._named(obj, _IDENTITY))
        metadata = obj.get("metadata")
        if isinstance(metadata, Mapping):
            masked["metadata"].update(self._named(metadata, _IDENTITY_IN_METADATA))
        return masked

    def _named(self, obj: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, str]:
        return {key: self.mask_name(obj[key]) for key in keys if isinstance(obj.get(key), str)}

    def _mask_whole(self, text: str) -> str:
        return _masked(text, self._in_data)

    def _with_secrets(self, texts: list[str]) -> list[str]:
        """The texts that contain a secret; searched joined into one text, which is faster than one by one."""
        parts = [encoded(text) for text in texts]
        begins = [0, *accumulate(len(part) + len(BARRIER) for part in parts)]
        spans = self._in_data(BARRIER.join(parts))
        found = {at for begin, end in spans for at in range(_at(begins, begin), _at(begins, end - 1) + 1)}
        return [texts[at] for at in sorted(found)]

    def _in_data(self, data: bytes, *, cut: bool = False) -> list[Span]:
        values = [span for span in self._values.spans(data, cut=cut) if not self._is_in_name(data, *span)]
        return self._credentials.spans(data, cut=cut) + values

    def _is_in_name(self, data: bytes, start: int, end: int) -> bool:
        """Whether the span is part of a name of this run: ``shop`` in ``shop-web``, or in its pod ``shop-web-7c9d``.

        A long span never counts as such: the name was then made from the secret.
        """
        if not self._names_in_text or end - start >= _NO_NAME:
            return False
        before = data[max(0, start - _LONGEST_NAME) : start]
        first = start - len(before) + len(before.rstrip(_OF_NAMES))
        there = data[first : first + _LONGEST_NAME]
        name = there[: len(there) - len(there.lstrip(_OF_NAMES))]
        ends = (at for at in range(end - first, len(name) + 1) if at == len(name) or name[at : at + 1] in (b"-", b"."))
        return any(name[:at] in self._names_in_text for at in ends)

    def __repr__(self) -> str:
        return f"Redactor({len(self._credentials)} forms of credentials, {len(self._values)} of values)"


_NO_TEXTS = (bool, int, float)
_IDENTITY = ("apiVersion", "kind")
_IDENTITY_IN_METADATA = ("name", "namespace", "generateName")
_LONGEST_NAME = 253
_OF_NAMES = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"


def _ignore(_: str) -> None:
    """The listener before :meth:`Redactor.listen` is called."""


_BINARY = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff\ufffd]")  # no log shows these as they are


def _plain_lines(piece: Piece) -> list[str]:
    return [piece.text] if len(piece.text.splitlines()) == 1 and not _BINARY.search(piece.text) else []


def _masked(text: str, find: Callable[[bytes], list[Span]]) -> str:
    """``text`` masked; searched again after each replacement, since the remains of two secrets may form a third."""
    if not text:
        return text
    data = encoded(text)
    spans = find(data)
    if not spans:
        return text
    while spans:
        data = _without(data, spans)
        spans = find(data)
    return data.decode("utf-8", "surrogatepass")


def _without(data: bytes, spans: list[Span]) -> bytes:
    """``data`` with each span masked; spans that overlap or touch get one mask."""
    kept: list[bytes] = []
    at = 0
    for start, end in _merged(spans):
        kept += (data[at:start], MASK.encode())
        at = end
    return b"".join((*kept, data[at:]))


def _merged(spans: list[Span]) -> Iterator[Span]:
    ordered = sorted(spans)
    first, last = ordered[0]
    for start, end in ordered:
        if start > last:
            yield first, last
            first = start
        last = max(last, end)
    yield first, last


def _at(begins: list[int], place: int) -> int:
    return bisect_right(begins, place) - 1


def _collect_texts(value: Any, found: dict[str, None]) -> None:
    """Add the texts at any depth of ``value`` to ``found``, each once. No generator: large lists pass through here."""
    if type(value) is str:
        found[value] = None
    elif type(value) is dict:
        for entry in value.values():
            _collect_texts(entry, found)
    elif isinstance(value, str):
        found[value] = None
    elif isinstance(value, (list, tuple)):
        for entry in value:
            _collect_texts(entry, found)
    elif isinstance(value, Mapping):
        _collect_texts(dict(value), found)


def _replaced(value: Any, changed: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return changed.get(value, value)
    if isinstance(value, Mapping):
        return {key: _replaced(entry, changed) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_replaced(entry, changed) for entry in value)
    return value
