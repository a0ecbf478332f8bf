"""Reads kubeconfig files and merges them as kubectl does; errors name the file and the entry."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from k8s_step.connection.pasted import MASKED, UNREPLACED, is_masked, is_unreplaced
from k8s_step.errors import InputError, MissingFileError
from k8s_step.redaction.secretfile import SecretFile


@dataclass(frozen=True)
class KubeconfigText:
    """One file (or text): ``name`` for errors, ``folder`` for the relative paths in it."""

    name: str
    folder: Path
    content: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Entry:
    """A cluster, user, context or a part of one. Methods return typed values or raise :class:`InputError`."""

    value: dict[str, Any] = field(repr=False)
    source: KubeconfigText = field(repr=False)
    where: str

    def emptied(self, where: str) -> Entry:
        """An empty entry of the same file."""
        return Entry({}, self.source, where)

    def text(self, key: str) -> str | None:
        """The string at ``key``; ``None`` where it is missing or empty."""
        return self._string(self.value.get(key), key) or None

    def flag(self, key: str) -> bool:
        """The boolean at ``key``, false where it is missing."""
        value = self.value.get(key)
        if value is not None and not isinstance(value, bool):
            raise InputError(f"{key} must be true or false", where=self.where)
        return bool(value)

    def texts(self, key: str) -> list[str]:
        """The list of strings at ``key``."""
        return [self._string(item, key) or "" for item in self._list(key)]

    def pairs(self, key: str) -> list[tuple[str, str]]:
        """The list of ``{name, value}`` at ``key``."""
        entries = [Entry(_mapping(item, key, self.where), self.source, self.where) for item in self._list(key)]
        return [(entry.text("name") or "", entry.text("value") or "") for entry in entries]

    def child(self, key: str) -> Entry | None:
        """The mapping at ``key``."""
        value = self.value.get(key)
        return None if value is None else Entry(_mapping(value, key, self.where), self.source, self.where)

    def path(self, key: str) -> Path | None:
        """The path at ``key``, relative to the file that names it."""
        text = self.text(key)
        return self.source.folder / text if text else None

    def secret_file(self, key: str) -> SecretFile | None:
        """The file at ``key``, which may hold a secret."""
        text = self.text(key)
        return SecretFile(text, f"{self.where}: {key}", self.source.folder) if text else None

    def data_or_file(self, key: str) -> bytes | None:
        """The bytes of ``<key>-data`` (base64), or else of the file at ``<key>``."""
        data = self.text(f"{key}-data")
        if data is not None:
            return self._decoded(data, f"{key}-data")
        file = self.secret_file(key)
        if file is None:
            return None
        file.check()
        path = file.path
        try:
            return path.read_bytes()
        except FileNotFoundError as error:
            raise MissingFileError(f"{key} {path}: {error.strerror}", path=str(path), where=self.where) from None
        except (OSError, ValueError) as error:  # ValueError: a path that no file can have
            why = error.strerror if isinstance(error, OSError) else error
            raise InputError(f"{key} {path}: {why}", where=self.where) from None

    def name_of(self, key: str) -> str:
        """The name, for messages, of the input of :meth:`data_or_file`: ``<key>-data``, or ``<key>`` with its path."""
        if self.text(f"{key}-data") is not None:
            return f"{key}-data"
        file = self.secret_file(key)
        return f"{key} {file.path}" if file is not None and file.is_path else key

    def extension(self, name: str) -> Any:
        """The content of the extension called ``name``, or ``None``."""
        for extension in self._list("extensions"):
            if isinstance(extension, dict) and extension.get("name") == name:
                return extension.get("extension")
        return None

    def _list(self, key: str) -> list[Any]:
        value = self.value.get(key)
        if value is not None and not isinstance(value, list):
            raise InputError(f"{key} must be a list", where=self.where)
        return value or []

    def _string(self, value: Any, key: str) -> str | None:
        if value is not None and not isinstance(value, str):
            raise InputError(f"{key} must be a string: put it in quotes", where=self.where)
        return value

    def _decoded(self, data: str, key: str) -> bytes:
        try:
            return base64.b64decode("".join(data.split()), validate=True)
        except (binascii.Error, ValueError):
            raise InputError(f"{key} is not base64", where=self.where) from None


@dataclass(frozen=True)
class Kubeconfig:
    """One or several merged files; of entries with the same name, the first file's entry counts, as a whole."""

    name: str
    current_context: str | None
    clusters: dict[str, Entry] = field(repr=False)
    users: dict[str, Entry] = field(repr=False)
    contexts: dict[str, Entry] = field(repr=False)


def read_source(path: Path, shown: str) -> KubeconfigText:
    """The kubeconfig at ``path``, called ``shown`` in messages."""
    name = f"kubeconfig {shown}"
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError("is not text", where=name) from None
    except OSError as error:
        message = error.strerror or "cannot be read"
        if isinstance(error, FileNotFoundError):
            raise MissingFileError(message, path=str(path), where=name) from None
        raise InputError(message, where=name) from None
    return KubeconfigText(name, path.parent, _parsed(text, name))


def text_source(text: str, name: str) -> KubeconfigText:
    """A kubeconfig given as text; relative paths in it start at the working directory."""
    return KubeconfigText(name, Path(), _parsed(text, name))


def merged(sources: Sequence[KubeconfigText]) -> Kubeconfig:
    """``sources`` as one kubeconfig, by kubectl's rules."""
    entries = {section: _section(sources, section) for section in ("cluster", "user", "context")}
    current = (Entry(source.content, source, source.name).text("current-context") for source in sources)
    return Kubeconfig(
        name=sources[0].name + "".join(f", {source.name.removeprefix('kubeconfig ')}" for source in sources[1:]),
        current_context=next((name for name in current if name), None),
        clusters=entries["cluster"],
        users=entries["user"],
        contexts=entries["context"],
    )


def base64_text(value: str) -> str | None:
    """``value`` decoded, if it is base64 of text; line breaks in it do not matter."""
    try:
        return base64.b64decode("".join(value.split()), validate=True).decode()
    except (ValueError, UnicodeDecodeError):
        return None


def kubeconfig_text(value: str, source: str) -> str | None:
    """The kubeconfig's text, if ``value`` is that text or base64 of it; ``None`` if ``value`` is paths.

    Raises :class:`InputError` for any other value, without quoting it; ``source`` is the option or variable.
    """
    once = base64_text(value)
    for text in (value, once):
        if text and _is_kubeconfig(text):
            return text
    if once and _is_kubeconfig(base64_text(once) or ""):
        hint = "encode it once, or give the text itself"
        raise InputError("it is base64 of base64 of a kubeconfig", where=source, hint=hint)
    wrong = next((told for is_so, told in _NO_PATHS if is_so(value, once)), None)
    if wrong:
        raise InputError(wrong, where=source, hint="a kubeconfig's text, base64 of it, or paths belong there")
    return None


def _is_kubeconfig(text: str) -> bool:
    return ("\n" in text or "{" in text) and ("clusters" in text or "apiVersion" in text)


def _is_too_long(value: str) -> bool:
    return any(len(part) > _LONGEST_NAME for part in re.split(r"[/:]", value))


_LONGEST_NAME = 255  # bytes of a file name, on every system
_FIELD = re.compile(r"\b(?:apiVersion|clusters|contexts):(?:\s|\\n)")
_NO_PATHS: tuple[tuple[Callable[[str, str | None], object], str], ...] = (
    (lambda value, _: is_masked(value), f"it {MASKED}"),
    (lambda value, _: is_unreplaced(value), f"it {UNREPLACED}"),
    (lambda value, _: _FIELD.search(value), "it is a kubeconfig whose line breaks were lost"),
    (lambda _, once: _FIELD.search(once or ""), "it is base64 of a kubeconfig whose line breaks were lost"),
    (lambda value, once: once and _is_too_long(value), "it is base64, but of no kubeconfig"),
    (lambda value, _: "\n" in value or _is_too_long(value), "it is no kubeconfig, no base64 of one, and no path"),
)


def _section(sources: Sequence[KubeconfigText], kind: str) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for source in sources:
        for name, entry in _entries(source, kind):
            found.setdefault(name, entry)
    return found


def _entries(source: KubeconfigText, kind: str) -> Iterator[tuple[str, Entry]]:
    whole = Entry(source.content, source, source.name)
    for item in whole._list(f"{kind}s"):
        name = str(_mapping(item, f"{kind}s", source.name).get("name", ""))
        where = f"{source.name}: {kind} {name}"
        yield name, Entry(_mapping(item.get(kind) or {}, kind, where), source, where)


def _mapping(value: Any, key: str, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{key} must hold mappings", where=where)
    return value


def _loader(usual: Any) -> Any:
    """``usual``, a loader of YAML, that leaves dates as text, as sigs.k8s.io/yaml does for kubectl."""
    tag = "tag:yaml.org,2002:timestamp"
    resolvers = {
        first: [each for each in those if each[0] != tag] for first, those in usual.yaml_implicit_resolvers.items()
    }
    return type("Loader", (usual,), {"yaml_implicit_resolvers": resolvers})


def _parsed(text: str, name: str) -> dict[str, Any]:
    """``text`` as YAML; an error gives line and column, never the content."""
    import yaml  # imported late: not every run has a kubeconfig

    try:
        content = yaml.load(text, Loader=_loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InputError(f"is not YAML{place}", where=name) from None
    except ValueError:
        raise InputError("holds a value that YAML cannot read", where=name) from None
    return _mapping(content if content is not None else {}, "the file", name)
