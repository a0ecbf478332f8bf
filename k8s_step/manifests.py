"""Paths in, manifests out: found, rendered, read, expanded and checked, with every mistake told at once."""

from __future__ import annotations

import base64
import glob
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from k8s_step import images as image_names
from k8s_step.documents import Document, Source, decode, parse
from k8s_step.errors import InputError, InputErrors
from k8s_step.nodes import Node, SequenceNode, field_node
from k8s_step.templates import Template, Values

STDIN = "-"
_SUFFIXES = (".yaml", ".yml", ".json", ".j2")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, eq=False)
class Manifest:
    """One object as the user wrote it; ``file`` and ``line`` say where."""

    object: dict[str, Any] = field(repr=False)
    file: str
    line: int
    _document: Document | None = field(default=None, repr=False)

    @property
    def api_version(self) -> str:
        """``v1`` or ``group/version``."""
        return str(self.object["apiVersion"])

    @property
    def kind(self) -> str:
        """Such as ``Deployment``."""
        return str(self.object["kind"])

    @property
    def name(self) -> str:
        """``metadata.name``; empty where only ``generateName`` is given."""
        return str(self.object["metadata"].get("name") or "")

    @property
    def namespace(self) -> str | None:
        """``metadata.namespace``, if the manifest gives one."""
        return self.object["metadata"].get("namespace") or None

    @property
    def where(self) -> str:
        """``file:line``."""
        return f"{self.file}:{self.line}"

    def line_of(self, field_path: str) -> int:
        """The line of a field as the API's causes name it, or of its nearest parent in the file."""
        return self._document.line_of(self.object, field_path) if self._document else self.line


def load(
    paths: Sequence[str],
    *,
    values: Values,
    images: Sequence[str] = (),
    recursive: bool = False,
    stdin: TextIO | None = None,
    allow_generate_name: bool = False,
    without: Sequence[str] = (),
) -> list[Manifest]:
    """The manifests of files, folders, globs and ``-``, rendered with ``values``, in the order they are written.

    The objects of a ``List`` count as manifests of their own. With ``allow_generate_name``, ``generateName`` will do.
    The files ``without`` are left out where a folder or a glob holds them.

    :raises InputErrors: every mistake in every file.
    """
    errors: list[InputError] = []
    with _collecting(errors):
        wanted = image_names.replacements(images)
    manifests = [
        manifest
        for file in _found(paths, recursive, without, errors)
        for manifest in _read(file, values, sys.stdin if stdin is None else stdin, errors)
    ]
    mistaken = [error for manifest in manifests for error in _mistakes(manifest, allow_generate_name)]
    errors += mistaken or _duplicates(manifests)
    if not errors and not manifests:
        errors.append(InputError(f"no manifest in {', '.join(paths)}" if paths else "no manifest is given"))
    if not errors:
        with _collecting(errors):
            image_names.replace((manifest.object for manifest in manifests), wanted)
    if errors:
        raise InputErrors(errors)
    return manifests


def secret_values(manifests: Iterable[Manifest]) -> list[str]:
    """What must be masked: see :func:`values_of`."""
    return values_of(manifest.object for manifest in manifests)


def values_of(objects: Iterable[Mapping[str, Any]]) -> list[str]:
    """The values of the Secrets among the objects, encoded and decoded, those of a last-applied annotation too."""
    found: dict[str, None] = {}
    for obj in objects:
        if obj.get("kind") == "Secret":
            found.update(dict.fromkeys(_secrets_of(obj)))
    return [value for value in found if value]


@contextmanager
def _collecting(errors: list[InputError]) -> Iterator[None]:
    """Keeps input errors for the end, so that the user mends all of them in one go."""
    try:
        yield
    except InputErrors as several:
        errors += several.errors
    except InputError as error:
        errors.append(error)


# --- which files ---------------------------------------------------------------------------------------------------


def _found(paths: Sequence[str], recursive: bool, without: Sequence[str], errors: list[InputError]) -> list[str]:
    """Every file once, however many of the paths lead to it."""
    files: dict[str, str] = {}
    named = {os.path.realpath(path) for path in paths}
    left_out = {os.path.realpath(path) for path in without} - named
    for path in paths:
        with _collecting(errors):
            for file in _files(path, recursive):
                real = STDIN if file == STDIN else os.path.realpath(file)
                if real not in left_out:
                    files.setdefault(real, file)
    return list(files.values())


def _files(path: str, recursive: bool) -> list[str]:
    if path == STDIN:
        return [STDIN]
    if path.startswith(("http://", "https://")):
        raise InputError(
            "manifests are not fetched from a URL", where=path, hint="download it first, or pipe it to -f -"
        )
    if Path(path).is_dir():
        return _folder(path, recursive)
    if Path(path).exists():
        return [str(Path(path))]
    if glob.has_magic(path):
        return _matches(path, recursive)
    hint = None if Path(path).is_absolute() else f"the working directory is {Path.cwd()}"
    raise InputError("there is no such file or folder", where=path, hint=hint)


def _matches(pattern: str, recursive: bool) -> list[str]:
    matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 (Path.glob takes no absolute pattern)
    files = [file for match in matches for file in _files(match, recursive)]
    if not files:
        raise InputError("no file matches the pattern", where=pattern)
    return files


def _folder(path: str, recursive: bool) -> list[str]:
    """Its manifests by name, hidden ones left out; folders in it only with ``-R``, as with kubectl."""
    found = list(_walk(Path(path), recursive))
    if not found:
        hint = "-R looks into the folders in it" if not recursive and any(_walk(Path(path), True)) else None
        raise InputError(f"no file in the folder ends in {', '.join(_SUFFIXES)}", where=path, hint=hint)
    return found


def _walk(folder: Path, recursive: bool) -> Iterator[str]:
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"the folder cannot be read: {error.strerror}", where=str(folder)) from None
    for entry in entries:
        if entry.is_dir():
            if recursive and not entry.is_symlink():
                yield from _walk(entry, recursive)
        elif entry.suffix in _SUFFIXES:
            yield str(entry)


# --- what is in them -----------------------------------------------------------------------------------------------


def _read(file: str, values: Values, stdin: TextIO | None, errors: list[InputError]) -> Iterator[Manifest]:
    with _collecting(errors):
        for document in parse(source_of(file, values, stdin)):
            with _collecting(errors):
                value = document.build(None if is_rendered(file) else Template(document.root, values))
                yield from _expanded(document, value, errors)


def is_rendered(file: str) -> bool:
    """Whether a file goes through Jinja2, which then fills in its values."""
    return file.endswith(".j2")


def source_of(file: str, values: Values, stdin: TextIO | None) -> Source:
    """The text of a file or of stdin; a ``*.j2`` rendered.

    :raises InputError: unreadable, not UTF-8, or wrong as a template.
    """
    return _rendered(file, values) if is_rendered(file) else _source(file, stdin)


def _source(file: str, stdin: TextIO | None) -> Source:
    if file != STDIN:
        return Source(file, read_text(file))
    hint = "pipe the text in, or name a file"
    if stdin is None:
        raise InputError("standard input is closed, so there is nothing to read", where="stdin", hint=hint)
    try:
        return Source("stdin", stdin.read().removeprefix("\ufeff"))
    except UnicodeDecodeError:
        raise InputError("standard input is not UTF-8 text", where="stdin") from None
    except OSError as error:
        raise InputError(f"standard input can't be read: {error.strerror}", where="stdin", hint=hint) from None


def read_text(file: str) -> str:
    """The text of a file.

    :raises InputError: unreadable, or not UTF-8.
    """
    try:
        return decode(Path(file).read_bytes(), file)
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror}", where=file) from None


def _rendered(file: str, values: Values) -> Source:
    """Jinja2 is an extra and slow to import, so only a ``*.j2`` file asks for it."""
    from k8s_step import jinja

    return jinja.render(file, read_text(file), values)


def _expanded(document: Document, value: Any, errors: list[InputError]) -> Iterator[Manifest]:
    """The document itself, or what a ``List`` holds."""
    if value is None:
        return
    if not isinstance(value, dict):
        raise InputError(f"a manifest is a mapping, and this is a {_TYPES[type(value)]}", where=document.where)
    if "items" not in value or not str(value.get("kind")).endswith("List"):
        yield Manifest(value, document.source.file, document.line, document)
        return
    items = value["items"] or []
    if not isinstance(items, list):
        raise InputError("the items of a List are a list", where=f"{document.source.file}:{document.line}")
    for node, item in zip(_item_nodes(document.root, len(items)), items, strict=True):
        with _collecting(errors):
            yield from _expanded(Document(document.source, node), _typed(item, value), errors)


def _typed(item: Any, listed: Mapping[str, Any]) -> Any:
    """The items of a ``DeploymentList`` may leave out their type, as in the API server's own answers."""
    kind = str(listed["kind"]).removesuffix("List")
    if not isinstance(item, dict) or not kind:
        return item
    return {"apiVersion": listed.get("apiVersion"), "kind": kind, **item}


def _item_nodes(root: Node, count: int) -> list[Node]:
    items = field_node(root, "items")
    return items.items if isinstance(items, SequenceNode) and len(items.items) == count else [root] * count


_TYPES = {str: "text", int: "number", float: "number", bool: "boolean", list: "list"}


# --- what is wrong with them ---------------------------------------------------------------------------------------


def _mistakes(manifest: Manifest, allow_generate_name: bool) -> list[InputError]:
    obj = manifest.object
    metadata = obj.get("metadata")
    found = [_wrong_text(manifest, obj, key, key) for key in ("apiVersion", "kind")]
    if str(obj.get("apiVersion")).startswith("kustomize.config.k8s.io/"):
        return [_kustomization(manifest)]
    if not isinstance(metadata, dict):
        return [*filter(None, found), _mistake(manifest, "metadata", "is missing" if not metadata else "is no mapping")]
    name = "generateName" if allow_generate_name and not metadata.get("name") else "name"
    found.append(_wrong_text(manifest, metadata, name, f"metadata.{name}"))
    if metadata.get("namespace") is not None:
        found.append(_wrong_text(manifest, metadata, "namespace", "metadata.namespace"))
    return [error for error in found if error]


def _wrong_text(manifest: Manifest, mapping: Mapping[str, Any], key: str, path: str) -> InputError | None:
    value = mapping.get(key)
    if isinstance(value, str) and value:
        return None
    if value is None or value == "":
        return _mistake(manifest, path, "is missing" if key not in mapping else "is empty")
    return _mistake(manifest, path, f"is a {_TYPES.get(type(value), 'mapping')}, not text", hint="put it in quotes")


def _mistake(manifest: Manifest, path: str, what: str, hint: str | None = None) -> InputError:
    return InputError(f"{path} {what}", where=f"{manifest.file}:{manifest.line_of(path)}", hint=hint)


def _kustomization(manifest: Manifest) -> InputError:
    hint = "render it first: kubectl kustomize FOLDER | k8s-step apply -f -"
    return InputError("a Kustomization is no manifest for the API server", where=manifest.where, hint=hint)


def _duplicates(manifests: Iterable[Manifest]) -> list[InputError]:
    first: dict[tuple[str, str, str | None, str], Manifest] = {}
    errors = []
    for manifest in (manifest for manifest in manifests if manifest.name):
        group = manifest.api_version.rpartition("/")[0]
        other = first.setdefault((group, manifest.kind, manifest.namespace, manifest.name), manifest)
        if other is not manifest:
            message = f"{manifest.kind} {manifest.name} is already in {other.where}"
            errors.append(InputError(message, where=manifest.where, hint="keep one of the two"))
    return errors


# --- what must be masked -------------------------------------------------------------------------------------------


def _secrets_of(obj: Mapping[str, Any]) -> Iterator[str]:
    for value in _scalars(obj.get("data")):
        yield from _encoded(value)
    yield from _scalars(obj.get("stringData"))
    last_applied = _mapping(_mapping(obj, "metadata"), "annotations").get(_LAST_APPLIED)
    if isinstance(last_applied, str):
        yield from _last_applied(last_applied)


def _scalars(value: Any) -> Iterator[str]:
    """The scalars within, however deep: the server quotes a value that is nested by mistake."""
    if isinstance(value, Mapping):
        for entry in value.values():
            yield from _scalars(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _scalars(entry)
    elif value is not None:
        yield str(value)


def _last_applied(text: str) -> Iterator[str]:
    try:
        obj = json.loads(text)
    except ValueError:
        yield text
        return
    if isinstance(obj, dict):
        yield from _secrets_of(obj)


def _encoded(value: str) -> Iterator[str]:
    yield value
    try:
        yield base64.b64decode("".join(value.split()), validate=True).decode()
    except ValueError:  # not base64, or not text once decoded
        return


def _mapping(obj: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = obj.get(key)
    return value if isinstance(value, Mapping) else {}
