"""Events about one object, found by its uid, newest first and without duplicates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from k8s_step.api.request import Request
from k8s_step.objects.kinds.pods import HAVE_PODS
from k8s_step.objects.metadata import Object, metadata_of
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.objects.values.times import is_known, moment

EVENTS = required("v1", "Event")
_MOST = 8
_LONGEST = 10_000  # characters; the journal cuts to what a person reads, once secrets are masked
_OF_CLUSTER = "default"  # where events about cluster-wide objects are kept: ``GetReference`` of k8s.io/client-go
# Normal events about these kinds only report scaling, so they are no evidence.
# Each refused pod has a new name, so names are removed before events are counted; after ten similar events client-go
# prefixes "(combined from similar events)".
_POD_NAMED = re.compile(r'(pods? )"[^"]*"')
_COMBINED = "(combined from similar events): "


def request(obj: Object, reason: str = "") -> Request:
    """The list of the events about ``obj``, all of them or those of one reason."""
    reference = Reference.to(obj)
    selector = f"involvedObject.uid={obj['metadata'].get('uid', '')}{f',reason={reason}' if reason else ''}"
    query = (("fieldSelector", selector), ("limit", "500"))
    return Request("GET", EVENTS.path(namespace_of(obj)), query, where=str(reference), patient=False)


def namespace_of(obj: Object) -> str:
    """The namespace in which the events about ``obj`` are."""
    return Reference.to(obj).namespace or _OF_CLUSTER


def newest_first(events: Iterable[Object]) -> list[Object]:
    """The events sorted by the time they were last seen, newest first.

    Most times have one-second precision, so all are cut to seconds. Within a second, the event that began later comes
    first (its name holds that time); on a further tie the server's order is reversed.
    """
    return sorted(events, key=lambda event: (last_seen(event).replace(microsecond=0), _begun(event)))[::-1]


def _begun(event: Object) -> int:
    """When the event was first recorded, in nanoseconds since the epoch; 0 where its name does not end in that.

    Source: ``makeEvent`` of client-go's recorders, which ends the name in hexadecimal nanoseconds.
    """
    ending = str(metadata_of(event).get("name") or "").rpartition(".")[2]
    return int(ending, 16) if re.fullmatch("[0-9a-f]{16}", ending) else 0


def is_warning(event: Object) -> bool:
    """Whether the event's type is ``Warning``."""
    return event.get("type") == "Warning"


def last_seen(event: Object) -> datetime:
    """The time the event was last seen, from whichever of its time fields is set."""
    series, metadata = event.get("series") or {}, metadata_of(event)
    event_lines = series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime")
    return moment(event_lines or metadata.get("creationTimestamp"))


def message(event: Object) -> str:
    """The event's message on one line."""
    return " ".join(str(event.get("message", "")).removeprefix(_COMBINED).split())[:_LONGEST]


def event_lines(events: Sequence[Object]) -> tuple[str, ...]:
    """One line for each event, such as ``12:00:03Z pod BackOff: Back-off restarting failed container (3 times)``."""
    alike: dict[tuple[str, str, str], list[Object]] = {}
    for event in events:
        if is_warning(event) or _kind(event) not in HAVE_PODS:
            key = (_kind(event), str(event.get("reason", "")), _POD_NAMED.sub(r"\1", message(event)))
            alike.setdefault(key, []).append(event)
    return tuple(_text(group) for group in list(alike.values())[:_MOST])


def _text(group: Sequence[Object]) -> str:
    event = group[0]
    count = sum(map(_count, group))
    times = f" ({count} times)" if count > 1 else ""
    return f"{_clock(event)} {_kind(event).lower()} {event.get('reason', '')}: {message(event)}{times}"


def _count(event: Object) -> int:
    return int((event.get("series") or {}).get("count") or event.get("count") or 1)


def _kind(event: Object) -> str:
    return str((event.get("involvedObject") or {}).get("kind", ""))


def _clock(event: Object) -> str:
    seen = last_seen(event)
    return seen.strftime("%H:%M:%SZ") if is_known(seen) else "--:--:--"
