"""Loads manifests from paths: finds, renders, parses, expands and checks them, and reports all mistakes at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from k8s_step.errors import InputError, InputErrors
from k8s_step.manifests import images as image_names
from k8s_step.manifests.documents import Document, SourceText, parse
from k8s_step.manifests.files import NO_FILE, NoTemplates, Sources, collecting, files_found, is_rendered, source_of
from k8s_step.manifests.foreign.tools import foreign, template_error, unfilled, without_charts
from k8s_step.manifests.nodes import Node, SequenceNode, field_node
from k8s_step.manifests.pipes import name_objects, naming
from k8s_step.manifests.templating.templates import Template, Values
from k8s_step.objects.kinds.secrets import values_of
from k8s_step.objects.metadata import Object, metadata_of
from k8s_step.redaction import SecretValue


@dataclass(frozen=True, eq=False)
class Manifest:
    """One object as the user wrote it, with its place: ``file``, and the ``line`` it begins in."""

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
        """The kind, such as ``Deployment``."""
        return str(self.object["kind"])

    @property
    def name(self) -> str:
        """``metadata.name``; empty if only ``generateName`` is given."""
        return str(self.object["metadata"].get("name") or "")

    @property
    def namespace(self) -> str | None:
        """``metadata.namespace``; ``None`` if missing or empty."""
        return self.object["metadata"].get("namespace") or None

    @property
    def where(self) -> str:
        """``file:line``; empty for an object without a file."""
        return f"{self.file}:{self.line}" if self.file else ""

    def line_of(self, field_path: str) -> int:
        """The line of a field, or of its nearest parent in the file; ``field_path`` as in a Status's causes."""
        return self._document.line_of(self.object, field_path) if self._document else self.line

    def where_of(self, field_path: str) -> str:
        """``file:line`` of a field; empty for an object without a file."""
        return f"{self.file}:{self.line_of(field_path)}" if self.file else ""

    @classmethod
    def of(cls, obj: Object) -> Manifest:
        """The manifest of an object that is in no file. Raises :class:`InputErrors` with every mistake in it."""
        manifest = cls(dict(obj), "", 0)
        if mistakes := _mistakes(manifest, allow_generate_name=False):
            raise InputErrors(mistakes)
        return manifest


def load(
    sources: Sources,
    values: Values,
    *,
    images: Sequence[str] = (),
    allow_generate_name: bool = False,
    allow_empty: bool = False,
    literal: NoTemplates = NO_FILE,
) -> list[Manifest]:
    """The manifests of ``sources`` in written order, rendered with ``values``; kustomize's output follows the files.

    ``literal``: files that are not rendered. ``images``: ``NAME=REF`` texts. ``allow_generate_name``: accept
    ``generateName`` in place of a name. ``allow_empty``: files without a manifest are no mistake. Each item of a
    ``List`` is a manifest.

    :raises InputErrors: every mistake in every file.
    """
    errors: list[InputError] = []
    with collecting(errors):
        wanted = image_names.replacements(images)
    files = files_found(sources, errors)
    with collecting(errors):
        literal.check(files)
    files, charts = without_charts(files)
    errors += charts
    manifests = [
        manifest
        for file in files
        for manifest in _read(file, None if literal.holds(file) else values, sources.stdin, errors)
    ]
    manifests += [one for source in sources.built for one in _parsed(source, None if literal.all else values, errors)]
    mistaken = [error for manifest in manifests for error in _mistakes(manifest, allow_generate_name)]
    errors += mistaken or _duplicates(manifests)
    if not errors and not manifests and not allow_empty:
        errors.append(InputError(f"no manifest in {sources.text}" if sources.text else "no manifest is given"))
    if not errors:
        with collecting(errors):
            image_names.replace((manifest.object for manifest in manifests), wanted)
    if errors:
        name_objects(errors, [(manifest.object, manifest.file, manifest.line) for manifest in manifests])
        raise InputErrors(errors)
    return manifests


def secret_values(manifests: Iterable[Manifest]) -> list[SecretValue]:
    """The values of Secrets, to be masked; see :func:`values_of`."""
    return values_of(manifest.object for manifest in manifests)


# --- what is in them -----------------------------------------------------------------------------------------------


def _read(file: str, values: Values | None, stdin: TextIO | None, errors: list[InputError]) -> list[Manifest]:
    with collecting(errors):
        source = source_of(file, values, stdin)
        return _parsed(source, None if is_rendered(file) else values, errors)
    return []


def _parsed(source: SourceText, values: Values | None, errors: list[InputError]) -> list[Manifest]:
    """The manifests in ``source``; without ``values``, ``${NAME}`` stays unchanged. Mistakes go to ``errors``."""
    own: list[InputError] = []
    manifests = list(_of_source(source, values, own))
    if not own and any(_is_unfilled(manifest.object) for manifest in manifests):
        own = [InputError("a name or an image is still to be filled in", where=source.file)]
    helms = template_error(source.file, source.text) if own else None
    errors += [helms] if helms else _with_jinja_named(own, source)
    return manifests


def _of_source(source: SourceText, values: Values | None, errors: list[InputError]) -> Iterator[Manifest]:
    with collecting(errors):
        for document in parse(source):
            with collecting(errors), naming(document):
                value = document.build(None if values is None else Template(document.root, values))
                yield from _expanded(document, value, errors)


def _is_unfilled(obj: Object) -> bool:
    names = (metadata_of(obj).get("name"), metadata_of(obj).get("namespace"))
    return unfilled([*names, *(container.get("image") for container in image_names.containers(obj))])


def _with_jinja_named(errors: Sequence[InputError], source: SourceText) -> Sequence[InputError]:
    """The errors, with a hint about Jinja2 where the line has ``{{ NAME }}``, which YAML takes for nested mappings."""
    lines = source.text.splitlines()
    for error in errors:
        line = re.search(r":(\d+)(?:: |$)", error.where or "")
        written = lines[int(line[1]) - 1] if line and int(line[1]) <= len(lines) else ""
        if error.hint is None and "{{" in written and not is_rendered(source.file):
            error.hint = "{{ … }} is filled in by Jinja2 in a file whose name ends in .j2"
    return errors


def _expanded(document: Document, value: Any, errors: list[InputError]) -> Iterator[Manifest]:
    """The document's manifest, or those of its items if it is a ``List``."""
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
        with collecting(errors):
            yield from _expanded(Document(document.source, node), _typed(item, value), errors)


def _typed(item: Any, listed: Mapping[str, Any]) -> Any:
    """``item`` with a type: items of a ``DeploymentList`` may omit theirs, as in the API server's answers."""
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
    if other := foreign(obj, manifest.file):
        return [InputError(other[0], where=manifest.where, hint=other[1])]
    if not isinstance(metadata, dict):
        return [*filter(None, found), _mistake(manifest, "metadata", "is missing" if not metadata else "is no mapping")]
    found.append(_wrong_name(manifest, metadata, allow_generate_name))
    if metadata.get("namespace") is not None:
        found.append(_wrong_text(manifest, metadata, "namespace", "metadata.namespace"))
    for key in ("labels", "annotations"):
        if not isinstance(metadata.get(key) or {}, dict):
            found.append(_mistake(manifest, f"metadata.{key}", "is no mapping"))
    return [error for error in found if error]


def _wrong_text(manifest: Manifest, mapping: Mapping[str, Any], key: str, path: str) -> InputError | None:
    value = mapping.get(key)
    if isinstance(value, str) and value:
        return None
    if value is None or value == "":
        return _mistake(manifest, path, "is missing" if key not in mapping else "is empty")
    return _mistake(manifest, path, f"is a {_TYPES.get(type(value), 'mapping')}, not text", hint="put it in quotes")


def _wrong_name(manifest: Manifest, metadata: Mapping[str, Any], allow_generate_name: bool) -> InputError | None:
    is_generated = not metadata.get("name") and metadata.get("generateName") is not None
    if is_generated and not allow_generate_name:
        message = "metadata.generateName makes another object each time, which this command could not find again"
        hint = "give it a metadata.name, or use k8s-step create, or k8s-step run for a Job"
        return InputError(message, where=manifest.where_of("metadata.generateName"), hint=hint)
    name = "generateName" if is_generated or (allow_generate_name and not metadata.get("name")) else "name"
    return _wrong_text(manifest, metadata, name, f"metadata.{name}")


def _mistake(manifest: Manifest, path: str, what: str, hint: str | None = None) -> InputError:
    return InputError(f"{path} {what}", where=manifest.where_of(path), hint=hint)


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
