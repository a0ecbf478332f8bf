"""What of this run is secret, and how each kind of text is masked: data, names, and what is made of both."""

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
_UNMISTAKABLE = 8  # characters of a credential that is masked in names and in finished lines, too
_NO_NAME = 16  # characters of a Secret's value that is masked in a name it is a part of
# Fields of our own types that hold names, of objects or of Kubernetes' own making, and words of ours.
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
    """One value of a Secret; ``label`` names it to the user: its key and its Secret."""

    text: str = field(repr=False)
    label: str = ""


class Redactor:
    """Holds the secrets of this run. Only ``report`` and ``cli`` ask it to mask what they write.

    A *credential* (token, key, password) is masked whatever it equals. A Secret's *value* that equals a name of the
    manifests is none, for masking it would hide the name everywhere. Any thread may add, and any may mask.

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
        self._cores: set[str] = set()  # of all their pieces
        self._names: frozenset[str] = frozenset()
        self._names_in_text: frozenset[bytes] = frozenset()
        self._equal: dict[str, None] = {}  # labels of values that equal a name
        self._said: set[str] = set()
        self._lines: dict[str, None] = {}
        self._untold: dict[str, None] = {}
        self._is_settled = False
        self._listener: Callable[[str], None] = _ignore

    # -- what is secret

    def add(self, *credentials: str | bytes | None) -> None:
        """Remember each in the forms it could be printed in."""
        with self._lock:
            for piece in (piece for each in credentials if each for piece in pieces(each)):
                for form in forms(piece):
                    self._credentials.add(form)
                    if len(form) >= _UNMISTAKABLE:
                        self._in_lines.add(form)
                self._tell(_plain_lines(piece))

    def add_values(self, values: Iterable[SecretValue]) -> None:
        """Remember the values of Secrets, but for those that equal a name (see :meth:`spare`)."""
        with self._lock:
            new = [value for value in values if value not in self._known]
            self._known.update(dict.fromkeys(new))
            self._remember(new, self._values, self._in_names)

    def spare(self, *names: str | None) -> None:
        """A value that equals one of these is no secret, be it known already or not."""
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
        """The names are known by now: tells the listener of the values, returns the labels of those that equal one.

        Each is told and returned once.
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
        """``listener`` is told every line of every secret in plain text: those known, and each as it becomes known.

        It is not told of a Secret's values before :meth:`settle`: what has been told can't be taken back.
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
        """Data: every secret, whole or cut short, replaced by ``***``; names of this run within it are left whole."""
        return _masked(text, lambda data: self._in_data(data, cut=True))

    def mask_name(self, text: str) -> str:
        """A name, a file, a word of Kubernetes': only what is too long to be there by chance."""
        return _masked(text, lambda data: self._in_lines.spans(data) + self._in_names.spans(data))

    def mask_place(self, text: str) -> str:
        """Where something is: ``k8s/web.yaml:12``, ``deployment/shop/web``, or whatever the user gave."""
        return self.mask_name(text) if _PLACE.fullmatch(text) else self.mask(text)

    def mask_line(self, text: str) -> str:
        """Output that is made of masked data, of names and of our own words: credentials alone, as a last resort."""
        return _masked(text, self._in_lines.spans)

    def mask_all(self, value: Any) -> Any:
        """``value`` with every text in it masked, and names as names: before it is cut, wrapped or serialised."""
        if isinstance(value, str):
            return value if isinstance(value, Enum) else self.mask(value)
        if isinstance(value, Mapping):
            return {key: self.mask_all(entry) for key, entry in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self.mask_all(entry) for entry in value)
        if is_dataclass(value) and not isinstance(value, type):
            changed = {each.name: self._mask_field(each.name, getattr(value, each.name)) for each in fields(value)}
            return replace(value, **changed)
        return value

    def _mask_field(self, name: str, value: Any) -> Any:
        if name in _WORDS:
            return value
        if name == "where" and isinstance(value, str):
            return self.mask_place(value)
        return self.mask_name(value) if name in _NAMES and isinstance(value, str) else self.mask_all(value)

    def mask_object(self, obj: Mapping[str, Any]) -> dict[str, Any]:
        """A Kubernetes object, or a part of one, with its texts masked; never its keys, its kind and its name."""
        texts = list(dict.fromkeys(_texts(obj)))
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
        """Which of the texts hold one: all are looked through as one, which is quicker than one by one."""
        parts = [encoded(text) for text in texts]
        begins = [0, *accumulate(len(part) + len(BARRIER) for part in parts)]
        spans = self._in_data(BARRIER.join(parts))
        found = {at for begin, end in spans for at in range(_at(begins, begin), _at(begins, end - 1) + 1)}
        return [texts[at] for at in sorted(found)]

    def _in_data(self, data: bytes, *, cut: bool = False) -> list[Span]:
        values = [span for span in self._values.spans(data, cut=cut) if not self._is_in_name(data, *span)]
        return self._credentials.spans(data, cut=cut) + values

    def _is_in_name(self, data: bytes, start: int, end: int) -> bool:
        """Whether it is a part of a name of this run: ``shop`` in ``shop-web``, or in its pod's ``shop-web-7c9d``.

        A long one is none: the name was made of the value.
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


_IDENTITY = ("apiVersion", "kind")
_IDENTITY_IN_METADATA = ("name", "namespace", "generateName")
_LONGEST_NAME = 253
_OF_NAMES = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"


def _ignore(_: str) -> None:
    """Nobody listens."""


def _plain_lines(piece: Piece) -> list[str]:
    return [piece.text] if "\ufffd" not in piece.text and len(piece.text.splitlines()) == 1 else []


def _masked(text: str, find: Callable[[bytes], list[Span]]) -> str:
    """Looked through again once something was masked: what is left of two secrets may be a third."""
    data = encoded(text)
    spans = find(data)
    if not spans:
        return text
    while spans:
        data = _without(data, spans)
        spans = find(data)
    return data.decode("utf-8", "surrogatepass")


def _without(data: bytes, spans: list[Span]) -> bytes:
    """Secrets that overlap, or touch, are one."""
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


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _texts(entry)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from _texts(entry)


def _replaced(value: Any, changed: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return changed.get(value, value)
    if isinstance(value, Mapping):
        return {key: _replaced(entry, changed) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_replaced(entry, changed) for entry in value)
    return value
