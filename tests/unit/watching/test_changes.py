"""A watch's events and lists, told as changes: nothing twice, nothing left out."""

from __future__ import annotations

from typing import Any

from k8s_step.api.watch import Event
from k8s_step.objects.resource import required
from k8s_step.watching.changes import Change, Changes

PODS = required("v1", "Pod")


def pod(name: str, version: int, uid: str = "", **status: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "uid": uid or f"uid-of-{name}", "resourceVersion": str(version)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}


def page(*items: dict[str, Any], begins: bool = True, ends: bool = True, columns: tuple[Any, ...] = ()) -> Event:
    return Event("PAGE", {}, items, columns, begins=begins, ends=ends)


def told(changes: Changes, *events: Event) -> list[str]:
    return [_line(change) for event in events for change in changes.of(event)]


def _line(change: Change) -> str:
    metadata = change.object["metadata"]
    return f"{change.type} {metadata['name']} {metadata['resourceVersion']}{' initial' if change.is_initial else ''}"


def after(*items: dict[str, Any]) -> Changes:
    """The changes of a watch that began with these objects."""
    changes = Changes(PODS)
    list(changes.of(page(*items)))
    return changes


def test_the_first_list_is_what_was_there() -> None:
    pages = [page(pod("a", 1), ends=False), page(pod("b", 2), begins=False)]
    assert told(Changes(PODS), *pages) == ["ADDED a 1 initial", "ADDED b 2 initial"]


def test_events_are_told_as_they_come() -> None:
    changes = after(pod("a", 1))
    events = [
        Event("ADDED", pod("b", 2)),
        Event("MODIFIED", pod("a", 3)),
        Event("DELETED", pod("b", 4, phase="Failed")),
    ]
    assert told(changes, *events) == ["ADDED b 2", "MODIFIED a 3", "DELETED b 4"]


def test_a_list_that_comes_anew_is_told_by_its_differences() -> None:
    changes = after(pod("kept", 1), pod("changed", 2), pod("deleted", 3), pod("replaced", 4, "first"))
    anew = page(pod("kept", 1), pod("changed", 7), pod("replaced", 8, "second"), pod("new", 9))
    assert told(changes, anew) == [
        "MODIFIED changed 7",
        "DELETED replaced 4",
        "ADDED replaced 8",
        "ADDED new 9",
        "DELETED deleted 3",
    ]
    assert told(changes, anew) == [], "and once"


def test_a_deletion_that_only_a_list_shows_names_the_object() -> None:
    changes = after(pod("gone", 3, phase="Running"))
    (change,) = changes.of(page())
    assert change.object == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "gone", "namespace": "shop", "uid": "uid-of-gone", "resourceVersion": "3"},
    }


def test_a_deletion_that_an_event_tells_of_brings_the_last_state() -> None:
    (change,) = after(pod("gone", 3)).of(Event("DELETED", pod("gone", 5, phase="Failed")))
    assert change.object["status"] == {"phase": "Failed"}


def test_what_is_known_is_not_told_again() -> None:
    changes = after(pod("a", 5))
    assert told(changes, Event("MODIFIED", pod("a", 5)), Event("ADDED", pod("a", 4))) == []
    assert told(changes, Event("DELETED", pod("never-told", 6))) == []


def test_an_object_that_begins_to_match_the_selector_is_added() -> None:
    assert told(after(), Event("MODIFIED", pod("a", 9))) == ["ADDED a 9"]


def test_a_list_that_starts_over_midway_repeats_nothing() -> None:
    changes = Changes(PODS)
    first = page(pod("a", 1), pod("b", 2), ends=False)
    again = page(pod("a", 1), pod("c", 3))
    assert told(changes, first, again) == [
        "ADDED a 1 initial",
        "ADDED b 2 initial",
        "ADDED c 3 initial",
        "DELETED b 2",
    ]


def test_a_list_that_broke_off_deletes_nothing() -> None:
    changes = after(pod("a", 1), pod("b", 2))
    assert told(changes, page(pod("a", 1), ends=False)) == []
    assert told(changes, page(pod("a", 1), pod("b", 2))) == []


def test_rows_bring_their_objects_and_the_columns_stay_known() -> None:
    changes = Changes(PODS, as_table=True)
    columns = ({"name": "Name", "format": "name"},)
    (listed,) = changes.of(page({"cells": ["a"], "object": pod("a", 1)}, columns=columns))
    (changed,) = changes.of(Event("MODIFIED", {"cells": ["a"], "object": pod("a", 2)}))
    (plain,) = changes.of(Event("ADDED", {"object": pod("b", 3)}))
    assert [listed.cells, changed.cells, plain.cells] == [("a",), ("a",), None]
    assert changes.columns == columns and changed.object["kind"] == "Pod"
