"""The changes that a watch and its lists amount to, each told once. Pure.

Of an object only its uid and resourceVersion are kept, and its row in a watch of tables. A list that comes anew, after
410, is compared with these: an object that is new, has another version, or is no longer there, is ADDED, MODIFIED or
DELETED; one of another uid was deleted and created anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from k8s_step.api.watch import Event
from k8s_step.objects.metadata import MutableObject, Object, metadata_of, uid_of
from k8s_step.objects.resource import Resource

Key = tuple[str, str]  # namespace and name


class _Seen(NamedTuple):
    uid: str
    version: str
    cells: tuple[Any, ...] | None


@dataclass(frozen=True)
class Change:
    """One change of one object. ``type``: ADDED, MODIFIED or DELETED.

    ``is_initial``: the object was there when the watch began. ``cells``: its row in the server's table, ``None`` where
    there is none. A deletion that only a list shows has the last known ``cells``, and of its ``object`` apiVersion,
    kind, name, namespace, uid and the last known resourceVersion.
    """

    type: str
    object: MutableObject = field(repr=False)
    is_initial: bool = False
    cells: tuple[Any, ...] | None = None

    @property
    def key(self) -> Key:
        """The object's namespace and name."""
        return key_of(self.object)


def key_of(obj: Object) -> Key:
    """Namespace and name."""
    metadata = metadata_of(obj)
    return str(metadata.get("namespace") or ""), str(metadata.get("name") or "")


@dataclass
class Changes:
    """What is known of the objects of one watch, and how each of its events changes that.

    ``columns`` are those of the server's table, once they are known. ``is_begun``: the first list is complete.
    """

    resource: Resource
    as_table: bool = False
    columns: tuple[Object, ...] = ()
    is_begun: bool = False
    _known: dict[Key, _Seen] = field(default_factory=dict)
    _listed: set[Key] = field(default_factory=set)

    def of(self, event: Event) -> Iterator[Change]:
        """The changes that ``event`` tells of, in order."""
        self.columns = event.columns or self.columns
        if event.type == "PAGE":
            yield from self._of_page(event)
        else:
            yield from self._of_one(event.type, event.object)

    def _of_page(self, page: Event) -> Iterator[Change]:
        if page.begins:
            self._listed.clear()
        for item in page.items:
            self._listed.add(key_of(self._subject(item)))
            yield from self._of_one("ADDED", item)
        if page.ends:
            for key in self._known.keys() - self._listed:
                yield self._vanished(key)
            self._listed.clear()
            self.is_begun = True

    def _of_one(self, kind: str, item: MutableObject) -> Iterator[Change]:
        """The changes by an event about one object, or by an object in a list, which counts as ADDED."""
        obj, cells = self._subject(item), self._cells(item)
        key, now = key_of(obj), _seen(obj, cells)
        before = self._known.get(key)
        if before is not None and before.uid != now.uid:
            yield self._vanished(key)
            before = None
        if kind == "DELETED":
            if self._known.pop(key, None) is not None:
                yield Change("DELETED", obj, cells=cells)
        elif before is None or _is_newer(now, before):
            self._known[key] = now
            yield Change("MODIFIED" if before else "ADDED", obj, not before and not self.is_begun, cells)

    def _vanished(self, key: Key) -> Change:
        """The deletion of an object of which nothing came but its absence."""
        seen = self._known.pop(key)
        named = {"name": key[1], **({"namespace": key[0]} if key[0] else {})}
        metadata = {**named, "uid": seen.uid, "resourceVersion": seen.version}
        made = {"apiVersion": self.resource.api_version, "kind": self.resource.kind, "metadata": metadata}
        return Change("DELETED", made, cells=seen.cells)

    def _subject(self, item: MutableObject) -> MutableObject:
        return dict(item["object"]) if self.as_table else item

    def _cells(self, item: MutableObject) -> tuple[Any, ...] | None:
        cells = item.get("cells") if self.as_table else None
        return tuple(cells) if isinstance(cells, list) else None


def _seen(obj: Object, cells: tuple[Any, ...] | None) -> _Seen:
    return _Seen(uid_of(obj), str(metadata_of(obj).get("resourceVersion") or ""), cells)


def _is_newer(now: _Seen, before: _Seen) -> bool:
    """Versions of one resource compare as numbers: KEP-5504 "Comparable Resource Version"."""
    if now.version.isdigit() and before.version.isdigit():
        return int(now.version) > int(before.version)
    return now.version != before.version
