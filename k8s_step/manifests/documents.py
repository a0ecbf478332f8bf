"""Parses manifest text, YAML or JSON, into documents with line numbers, by kubectl's rules.

The rules are those of go.yaml.in/yaml/v2 and sigs.k8s.io/yaml, with one difference: data that kubectl drops silently,
such as the first of two equal keys, is an error with file and line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from k8s_step.errors import InputError, InputErrors
from k8s_step.manifests import jsonreader, scalars
from k8s_step.manifests.nodes import (
    BYTE_ORDER_MARK,
    AliasNode,
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    is_merge,
    locate,
)
from k8s_step.manifests.scalars import ScalarError
from k8s_step.manifests.templating.expressions import ExpressionError, Hidden, hide, is_cut

DEEPEST = 200  # levels of nesting; Kubernetes' own objects stay far below
MOST_ALIASED = 100_000  # values that aliases may add to one document; guards against "billion laughs"
_IN_QUOTES = "put a value that YAML may take for something else in quotes; in a *.j2 file: {{ NAME | quote }}"
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")  # in a message of PyYAML's own scanner
_TOKEN = re.compile(r"['\"](?:<[a-z ]+>|[,:?\]}!>-])['\"]")  # what it expects, such as '<block end>'
Substitute = Callable[[ScalarNode], str]
"""Returns one scalar's text with its templates filled in; raises an :class:`InputError` without a place."""


class PureParser(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser):
    """PyYAML's parser in pure Python, much slower than libyaml's, for installations without libyaml."""

    def __init__(self, text: str) -> None:
        yaml.reader.Reader.__init__(self, text)
        yaml.scanner.Scanner.__init__(self)
        yaml.parser.Parser.__init__(self)

    def scan_to_next_token(self) -> None:
        """Skip tabs between tokens too, except in indentation, as libyaml and go-yaml do."""
        super().scan_to_next_token()
        while self.peek() == "\t" and (self.flow_level or not self.allow_simple_key):
            self.forward()
            super().scan_to_next_token()


EventParser: Callable[[str], Any] = getattr(yaml.cyaml, "CParser", PureParser) if yaml.__with_libyaml__ else PureParser
"""libyaml's parser, if PyYAML was built with libyaml, as its wheels are."""


@dataclass(frozen=True)
class SourceText:
    """The text of a file; ``lines`` maps each line of rendered text to the template's line, both from 1.

    ``is_filled_in``: values stand in the text, put there by a template, a shell or the user. A value that YAML takes
    for something else may be a secret that is not known as one yet, so no error quotes such a text.
    """

    file: str
    text: str = field(repr=False)
    lines: tuple[int, ...] = field(default=(), repr=False)
    is_filled_in: bool = False

    def line(self, number: int) -> int:
        """The file's line for line ``number`` of the text, both from 1."""
        return self.lines[min(number, len(self.lines)) - 1] if self.lines else number

    def where(self, number: int) -> str:
        """``file:line``, as errors name it."""
        return f"{self.file}:{self.line(number)}"

    def find(self, written: str, line: int) -> int:
        """The first line from ``line`` on that contains ``written``, or ``line`` if none does."""
        following = self.text.splitlines()[line - 1 :]
        return next((number for number, content in enumerate(following, line) if written in content), line)

    def error(self, message: str, line: int, hint: str | None = None) -> InputError:
        """An error about line ``line`` of the text."""
        return InputError(message, where=self.where(line), hint=hint)


@dataclass(frozen=True)
class Document:
    """One document of a file, parsed into nodes."""

    source: SourceText
    root: Node = field(repr=False)

    @property
    def line(self) -> int:
        """The line in which the document's content begins."""
        return self.source.line(self.root.line)

    @property
    def where(self) -> str:
        """``file:line``."""
        return self.source.where(self.root.line)

    def build(self, substitute: Substitute | None = None) -> Any:
        """The document's JSON value, with ``substitute`` applied to every scalar that contains ``${``.

        :raises InputErrors: every mistake in the document.
        """
        builder = _Builder(self.source, substitute)
        value = builder.value(self.root, 0)
        if builder.errors:
            raise InputErrors(list(builder.errors.values()))
        return value

    def line_of(self, value: Any, path: str) -> int:
        """The line of the field ``path`` of ``value``, the result of :meth:`build`; see :func:`.nodes.locate`."""
        return self.source.line(locate(self.root, value, path))


def decode(data: bytes, file: str) -> str:
    """The text of a file's bytes, without a byte order mark.

    :raises InputError: not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        hint = "it looks like UTF-16: save it as UTF-8" if utf16 else "save it as UTF-8"
        raise InputError("the file is not UTF-8 text", where=f"{file}:{line}", hint=hint) from None


def parse(source: SourceText, parser: Callable[[str], Any] = EventParser) -> list[Document]:
    """The documents of a YAML file, or of a JSON file with one or more values; empty documents are left out.

    Text that begins with ``{`` or ``[`` is read as JSON first, as by kubectl.

    :raises InputError: a syntax error, with file and line.
    """
    _refuse_control_characters(source)
    source = _without_marks(source)
    if not source.text.lstrip().startswith(("{", "[")):
        return _parse_yaml(source, parser)
    try:
        nodes = jsonreader.read(source.text, DEEPEST)
    except jsonreader.JsonError as error:
        if not source.file.endswith((".json", ".json.j2")):
            return _parse_yaml(source, parser)
        with suppress(InputError):
            return _parse_yaml(source, parser)
        raise source.error(error.message, error.line) from None
    return [Document(source, node) for node in nodes]


_MARK_AFTER_SEPARATOR = re.compile(rf"^(---(?:[ \t][^\n]*)?\r?\n){BYTE_ORDER_MARK}", re.MULTILINE)


def _without_marks(source: SourceText) -> SourceText:
    """``source`` without byte order marks after separators, left by concatenated files; kubectl accepts them too."""
    if BYTE_ORDER_MARK not in source.text:
        return source
    return replace(source, text=_MARK_AFTER_SEPARATOR.sub(r"\1", source.text))


_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _refuse_control_characters(source: SourceText) -> None:
    found = _CONTROL.search(source.text)
    if found:
        line = source.text.count("\n", 0, found.start()) + 1
        raise source.error(f"the character U+{ord(found[0]):04X} is not allowed in YAML", line, "remove it")


def _parse_yaml(source: SourceText, parser: Callable[[str], Any]) -> list[Document]:
    """Parse the text unchanged and, if YAML fails at or cuts a ``${…}``, once more with such expressions hidden."""
    with suppress(InputError):
        composer = _Composer(source, parser, Hidden(source.text))
        documents = list(composer.documents())
        if not composer.cut:
            return documents
    return list(_Composer(source, parser, _without_cut_expressions(source.text, parser)).documents())


def _without_cut_expressions(text: str, parser: Callable[[str], Any]) -> Hidden:
    if "${" not in text:
        return Hidden(text)
    return hide(text, _plain_scalars(parser(text)))


def _plain_scalars(tokens: Any) -> Iterator[tuple[int, int]]:
    """Start and end of each unquoted scalar, up to the first error of the tokenizer."""
    with suppress(yaml.YAMLError):
        while tokens.check_token():
            token = tokens.get_token()
            if isinstance(token, yaml.ScalarToken) and token.plain:
                yield token.start_mark.index, token.end_mark.index


_MISPLACED_MARK = "a byte order mark in the middle of a document"
_MARK_ADVICE = "remove it; files that are put together need a line with --- between them"


class _Composer:
    """Composes nodes from YAML events. Unlike in PyYAML, an anchor may be redefined, as YAML and kubectl allow."""

    def __init__(self, source: SourceText, parser: Callable[[str], Any], hidden: Hidden) -> None:
        self._source = source
        self._hidden = hidden
        self._parser = parser
        self._next: Callable[[], Any] = lambda: None
        self._anchors: dict[str, Node] = {}
        self.cut = False

    def documents(self) -> Iterator[Document]:
        try:
            self._next = self._parser(self._hidden.text).get_event
            while (event := self._next()) is not None:
                if type(event) is yaml.DocumentStartEvent:
                    yield from self._document()
        except yaml.MarkedYAMLError as error:
            raise self._syntax_error(error) from None
        except yaml.YAMLError as error:
            raise InputError(f"not YAML: {type(error).__name__}", where=self._source.file) from None

    def _document(self) -> Iterator[Document]:
        self._anchors = {}
        root = self._node(self._next(), 0)
        if not _is_empty(root):
            yield Document(self._source, root)

    def _node(self, event: Any, depth: int) -> Node:
        kind = type(event)
        line = event.start_mark.line + 1
        if kind is yaml.ScalarEvent:
            return self._scalar(event, line)
        if kind is yaml.AliasEvent:
            return self._alias(event.anchor, line)
        if depth > DEEPEST:
            raise self._source.error(f"nested deeper than {DEEPEST} levels", line)
        if kind is yaml.MappingStartEvent:
            return self._mapping(event.anchor, line, depth + 1)
        return self._sequence(event.anchor, line, depth + 1)

    def _scalar(self, event: Any, line: int) -> ScalarNode:
        tag = None if event.tag == "!" else event.tag
        text, plain = self._hidden.restore(event.value), event.implicit[0] and not event.style
        if plain and tag is None and self._hidden.text.startswith("!", event.start_mark.index):
            plain = False  # the tag "!" makes any scalar a string, but libyaml does not report it
        if plain and "${" in text and is_cut(text):
            self.cut = True
        node = ScalarNode(text, plain, tag, line)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, name: str, line: int) -> AliasNode:
        if name not in self._anchors:
            if self._source.is_filled_in:
                message = "an unquoted * refers to an anchor that is not set before"
                raise self._source.error(message, line, _IN_QUOTES)
            raise self._source.error(f"*{name} refers to an anchor that is not set before", line)
        return AliasNode(name, self._anchors[name], line)

    def _mapping(self, anchor: str | None, line: int, depth: int) -> MappingNode:
        node = MappingNode([], line)
        if anchor is not None:
            self._anchors[anchor] = node
        while type(event := self._next()) is not yaml.MappingEndEvent:
            node.pairs.append((self._node(event, depth), self._node(self._next(), depth)))
        return node

    def _sequence(self, anchor: str | None, line: int, depth: int) -> SequenceNode:
        node = SequenceNode([], line)
        if anchor is not None:
            self._anchors[anchor] = node
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            node.items.append(self._node(event, depth))
        return node

    def _syntax_error(self, error: yaml.MarkedYAMLError) -> InputError:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        marked = self._marked_line(line)
        if marked:
            return self._source.error(_MISPLACED_MARK, marked, _MARK_ADVICE)
        message = self._without_text(error.problem or error.context or "not YAML")
        begins = error.context_mark.line + 1 if error.context_mark else line
        if error.context and begins != line:
            message = f"{message} ({error.context} that begins in line {self._source.line(begins)})"
        return self._source.error(message, line, self._hint(begins, line, mark.column if mark else 0))

    def _without_text(self, message: str) -> str:
        """``message`` without letters of a text that must not be quoted; libyaml's messages hold none."""
        if not self._source.is_filled_in:
            return message
        return _QUOTED.sub(lambda found: found[0] if _TOKEN.fullmatch(found[0]) else "…", message)

    def _marked_line(self, last: int) -> int:
        """The first line up to ``last`` with a byte order mark, which makes libyaml miscount columns; 0 if none."""
        lines = self._source.text.splitlines()[:last] if BYTE_ORDER_MARK in self._source.text else []
        return next((number for number, line in enumerate(lines, 1) if line.startswith(BYTE_ORDER_MARK)), 0)

    def _hint(self, begins: int, line: int, column: int) -> str | None:
        written = self._source.text.splitlines()[begins - 1 : line]
        if len(written) > line - begins and "\t" in written[-1][: column + 1]:
            return "YAML is not indented with tabs: use spaces"
        if any("${" in text for text in written):
            return "put the value with ${…} in quotes"
        return _IN_QUOTES if self._source.is_filled_in and not any("{{" in text for text in written) else None


def _is_empty(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.plain and node.tag is None and node.text in scalars.NULLS


class _Builder:
    """Builds one JSON value from nodes; keeps errors by line and message, so that each is reported once."""

    def __init__(self, source: SourceText, substitute: Substitute | None) -> None:
        self._source = source
        self._substitute = substitute
        self._inside: set[int] = set()
        self._aliased = 0
        self.errors: dict[tuple[str, int], InputError] = {}

    def value(self, node: Node, depth: int) -> Any:
        if self._inside:
            self._aliased += 1
            self._bound(node, depth)
        kind = type(node)
        if kind is ScalarNode:
            return self._scalar(node)  # type: ignore[arg-type]
        if kind is MappingNode:
            return self._mapping(node, depth + 1)  # type: ignore[arg-type]
        if kind is SequenceNode:
            return [self.value(item, depth + 1) for item in node.items]  # type: ignore[union-attr]
        return self._alias(node, depth + 1)  # type: ignore[arg-type]

    def _bound(self, node: Node, depth: int) -> None:
        if self._aliased > MOST_ALIASED:
            raise self._source.error(f"aliases blow this document up beyond {MOST_ALIASED} values", node.line)
        if depth > DEEPEST:
            raise self._source.error(f"nested deeper than {DEEPEST} levels", node.line)

    def _alias(self, node: AliasNode, depth: int) -> Any:
        target = id(node.target)
        if target in self._inside:
            anchored = "an anchored value" if self._source.is_filled_in else f"the value anchored as &{node.name}"
            raise self._source.error(f"{anchored} contains itself", node.line)
        self._inside.add(target)
        value = self.value(node.target, depth)
        self._inside.discard(target)
        return value

    def _scalar(self, node: ScalarNode) -> scalars.Value:
        text, plain, tag, line = node
        try:
            if "${" in text and self._substitute:
                text = self._substitute(node)
            if tag is not None:
                return scalars.tagged(tag, text)
            return scalars.resolve(text) if plain else text
        except (ScalarError, InputError) as error:
            self._report(error, line)
            return None

    def _mapping(self, node: MappingNode, depth: int) -> dict[str, Any]:
        built: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for name, child in node.pairs:
            if is_merge(name):
                built.update(self._merged(child, depth))
                continue
            key = self._key(name)
            value = self.value(child, depth)
            if key is None:
                continue
            if key in lines:
                first = self._source.line(lines[key])
                self._report(ScalarError(f"{self._named(name, key)} is already there, in line {first}"), name.line)
            lines[key] = name.line
            built[key] = value
        return built

    def _named(self, node: Node, key: str) -> str:
        """The key for a message, which shows it only as the user wrote it."""
        if self._source.is_filled_in:
            return "a key"
        target = node.target if isinstance(node, AliasNode) else node
        is_value = self._substitute is not None and isinstance(target, ScalarNode) and "${" in target.text
        return "the key that ${…} gives" if is_value else f'the key "{key}"'

    def _merged(self, node: Node, depth: int) -> dict[str, Any]:
        """The mapping that a merge key adds. As in go-yaml, it overrides keys written before it."""
        target = node.target if isinstance(node, AliasNode) else node
        if isinstance(target, MappingNode):
            merged: dict[str, Any] = self.value(node, depth)
            return merged
        if isinstance(node, SequenceNode) and all(_is_mapping(item) for item in node.items):
            parts = [self.value(item, depth) for item in reversed(node.items)]
            return {key: value for part in parts for key, value in part.items()}
        self._report(ScalarError("<< takes a mapping, an alias of one, or a list of those"), node.line)
        return {}

    def _key(self, node: Node) -> str | None:
        target = node.target if isinstance(node, AliasNode) else node
        if not isinstance(target, ScalarNode):
            self._report(ScalarError("a mapping or a list cannot be a key"), node.line)
            return None
        try:
            return self._key_text(target)
        except (ScalarError, InputError) as error:
            self._report(error, node.line)
            return None

    def _key_text(self, node: ScalarNode) -> str:
        text, plain, tag, _ = node
        if "${" in text and self._substitute:
            return self._substitute(node)
        if plain and text.startswith(BYTE_ORDER_MARK):
            raise InputError(_MISPLACED_MARK, hint=_MARK_ADVICE)
        return scalars.key(text, tag) if plain or tag is not None else text

    def _report(self, error: ScalarError | InputError, line: int) -> None:
        if isinstance(error, InputErrors):
            for part in error.errors:
                self._report(part, line)
            return
        message, hint = (error.message, error.hint) if isinstance(error, InputError) else (str(error), None)
        if isinstance(error, ExpressionError):
            line = self._source.find(error.written, line)
        self.errors.setdefault((message, line), self._source.error(message, line, hint))


def _is_mapping(node: Node) -> bool:
    return isinstance(node.target if isinstance(node, AliasNode) else node, MappingNode)
