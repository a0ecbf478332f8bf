"""Reads one patch from a file, an option's text or stdin, YAML or JSON; fills in ``${NAME}`` and checks its form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from k8s_step.errors import InputError, InputErrors
from k8s_step.objects.body import PatchType
from k8s_step.redaction import SecretValue

if TYPE_CHECKING:
    from k8s_step.manifests.documents import Document
    from k8s_step.manifests.templating.templates import Values

TEXT = "--patch"
TYPES = {"strategic": PatchType.STRATEGIC, "merge": PatchType.MERGE, "json": PatchType.JSON, "apply": PatchType.APPLY}
# Checked here: the API server answers 500 without a field (``strategicpatch/patch.go`` of k8s.io/apimachinery).
_DIRECTIVES = ("replace", "delete", "merge")
_LISTS = ("$retainKeys", "$deleteFromPrimitiveList/", "$setElementOrder/")


@dataclass(frozen=True)
class Patch:
    """A patch; ``body`` is sent unchanged. ``file`` is empty and ``line`` 0 for a patch made of options."""

    type: PatchType
    body: Any = field(repr=False)
    file: str = ""
    line: int = 0
    _document: Document | None = field(default=None, repr=False)

    def line_of(self, path: str) -> int:
        """The patch's line for ``path``, a field as a Status's causes name it, or for its nearest parent."""
        if self._document is None:
            return self.line
        if self.type is PatchType.JSON:
            return self.line_of_operation(self._operation_on(path))
        # Lists are merged by key: the third container of the object may be the only one of the patch.
        exact = self.type is PatchType.APPLY or path.startswith("$")
        return self._document.line_of(self.body, path if exact else path.partition("[")[0])

    def where_of(self, path: str = "") -> str:
        """``file:line`` of a field, or of the patch; empty for a patch that is in no file."""
        line = self._document.line_of(self.body, path) if self._document and path else self.line
        return f"{self.file}:{line}" if self.file else ""

    def line_of_operation(self, index: int | None) -> int:
        """The line of an operation of a JSON patch."""
        if self._document is None or index is None:
            return self.line
        return self._document.line_of(self.body, f"[{index}]")

    def _operation_on(self, path: str) -> int | None:
        """The index of the operation whose path is the longest prefix or extension of ``path``."""
        from k8s_step.objects import jsonpatch

        paths = [jsonpatch.field_path(operation["path"]) for operation in self.body]
        near = [(len(own), index) for index, own in enumerate(paths) if path.startswith(own) or own.startswith(path)]
        return max(near)[1] if near else None


def read(
    patch_type: PatchType, file: str | None, text: str | None, values: Values | None, stdin: TextIO | None
) -> Patch:
    """The patch of ``file`` (``-`` is stdin) or, if that is ``None``, of ``text``; ``values`` fill in ``${NAME}``.

    :raises InputErrors: every mistake in the patch.
    """
    from k8s_step.manifests.documents import SourceText, parse  # imported here: other patches are made of options
    from k8s_step.manifests.files import is_rendered, source_of
    from k8s_step.manifests.templating.templates import Template

    source = SourceText(TEXT, text or "", is_filled_in=True) if file is None else source_of(file, values, stdin)
    documents = parse(source)
    if len(documents) != 1:
        what = f"the patch holds {len(documents)} documents, and one is sent" if documents else "the patch is empty"
        raise InputError(what, where=source.file)
    document = documents[0]
    is_rendered_already = file is not None and is_rendered(file)
    body = document.build(None if values is None or is_rendered_already else Template(document.root, values))
    patch = Patch(patch_type, body, source.file, document.line, document)
    check(patch)
    return patch


def check(patch: Patch) -> None:
    """Raises :class:`InputErrors` with every mistake in the patch's form."""
    if found := list(_MISTAKES[patch.type](patch)):
        raise InputErrors(found)


def secrets_of(patch: Patch) -> list[SecretValue]:
    """The values in a patch of a Secret, to be masked."""
    from k8s_step.objects.kinds.secrets import values_of

    bodies = [_set(operation) for operation in patch.body] if patch.type is PatchType.JSON else [patch.body]
    return values_of({**body, "kind": "Secret"} for body in bodies)


def _set(operation: Mapping[str, Any]) -> Any:
    """A JSON patch operation's value at its path, as a merge patch."""
    value = operation.get("value")
    for part in reversed(str(operation["path"]).split("/")[1:]):
        value = {part: value}
    return value if isinstance(value, dict) else {}


# -- what is wrong with it


def _mistaken_mapping(patch: Patch) -> Iterator[InputError]:
    if isinstance(patch.body, dict):
        if not isinstance(patch.body.get("metadata") or {}, dict):
            yield InputError("metadata is no mapping", where=patch.where_of("metadata"))
        return
    is_list = isinstance(patch.body, list)
    hint = "a list of operations is sent with --type json" if is_list else None
    yield InputError(
        f"the patch is a {'list' if is_list else 'single value'}, not a mapping", where=patch.where_of(), hint=hint
    )


def _mistaken_strategic(patch: Patch) -> Iterator[InputError]:
    yield from _mistaken_mapping(patch)
    for path, message in _mistaken_directives(patch.body, ""):
        yield InputError(message, where=patch.where_of(path))


def _mistaken_directives(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _mistaken_directives(item, f"{path}[{index}]")
    if not isinstance(value, dict):
        return
    for key, below in value.items():
        here = f"{path}.{key}" if path else key
        if key == "$patch" and below not in _DIRECTIVES:
            yield here, f"$patch is {below!r}: there are {', '.join(_DIRECTIVES)}"
        elif key.startswith(_LISTS) and not isinstance(below, list):
            yield here, f"{key} takes a list"
        else:
            yield from _mistaken_directives(below, here)


def _mistaken_operations(patch: Patch) -> Iterator[InputError]:
    if not isinstance(patch.body, list):
        hint = "a mapping is sent with --type merge or strategic"
        yield InputError("a JSON patch is a list of operations", where=patch.where_of(), hint=hint)
        return
    from k8s_step.objects import jsonpatch

    for mistake in jsonpatch.mistakes(patch.body):
        place = "" if mistake.index is None else f"[{mistake.index}]"
        yield InputError(mistake.message, where=patch.where_of(place))


_MISTAKES: dict[PatchType, Callable[[Patch], Iterator[InputError]]] = {
    PatchType.STRATEGIC: _mistaken_strategic,
    PatchType.MERGE: _mistaken_mapping,
    PatchType.APPLY: _mistaken_mapping,
    PatchType.JSON: _mistaken_operations,
}
