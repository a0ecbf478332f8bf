from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from k8s_step.rollout import events


def event(second: int, kind: str = "Pod", reason: str = "Failed", message: str = "no", **more: Any) -> dict[str, Any]:
    told = {"type": "Warning", "reason": reason, "message": message, "involvedObject": {"kind": kind}}
    return {**told, "lastTimestamp": f"2026-11-22T10:00:{second:02d}Z", **more}


def test_newest_first() -> None:
    found = events.newest_first([event(1, message="a"), event(3, message="b"), event(2, message="c")])
    assert [one["message"] for one in found] == ["b", "c", "a"]


def test_of_one_second_the_one_listed_last_is_the_newest() -> None:
    found = events.newest_first([event(1, message="a"), event(1, message="b")])
    assert [one["message"] for one in found] == ["b", "a"]


def test_of_one_second_what_began_later_is_newer() -> None:
    """The scheduler writes microseconds, the kubelet whole seconds, later within the same one."""
    scheduled = {
        "message": "Scheduled",
        "eventTime": "2026-11-22T10:00:01.734120Z",
        "metadata": {"name": "web-1.187a2f6b1c000001"},
    }
    at = "2026-11-22T10:00:01Z"
    failed = {"message": "Failed", "lastTimestamp": at, "metadata": {"name": "web-1.187a2f6b1c000003"}}
    pulling = {"message": "Pulling", "lastTimestamp": at, "metadata": {"name": "web-1.187a2f6b1c000002"}}
    for listed in ([scheduled, failed, pulling], [failed, pulling, scheduled]):
        found = events.newest_first(listed)
        assert [one["message"] for one in found] == ["Failed", "Pulling", "Scheduled"]


@pytest.mark.parametrize(
    ("fields", "second"),
    [
        ({"lastTimestamp": "2026-11-22T10:00:07Z", "eventTime": None}, 7),
        ({"lastTimestamp": None, "eventTime": "2026-11-22T10:00:08.123456Z"}, 8),
        ({"lastTimestamp": None, "series": {"lastObservedTime": "2026-11-22T12:00:09.1+02:00", "count": 4}}, 9),
        ({"metadata": {"creationTimestamp": "2026-11-22T10:00:05Z"}}, 5),
    ],
)
def test_whichever_field_tells_the_time(fields: dict[str, Any], second: int) -> None:
    assert events.last_seen(fields).replace(microsecond=0) == datetime(2026, 11, 22, 10, 0, second, tzinfo=UTC)


@pytest.mark.parametrize("told", [{}, {"lastTimestamp": "soon"}, {"eventTime": 5}, {"metadata": None, "series": None}])
def test_an_event_without_a_time(told: dict[str, Any]) -> None:
    assert events.event_lines([{"type": "Warning", "reason": "Odd", **told}]) == ("--:--:--  Odd: ",)


def test_what_is_told() -> None:
    (line,) = events.event_lines([event(3, message="Back-off\n restarting", reason="BackOff", count=4)])
    assert line == "10:00:03Z pod BackOff: Back-off restarting (4 times)"


def test_repeats_are_counted_whatever_the_refused_pod_was_called() -> None:
    """A ReplicaSet tries another name each time; the correlator of client-go joins them after ten."""
    words = 'Error creating: pods "web-{}" is forbidden: exceeded quota: small'
    found = [
        event(4, "ReplicaSet", "FailedCreate", f"(combined from similar events): {words.format('d')}", count=3),
        event(3, "ReplicaSet", "FailedCreate", words.format("c")),
        event(3, "ReplicaSet", "FailedCreate", "another thing"),
        event(2, "ReplicaSet", "FailedCreate", words.format("b")),
        event(1, "Pod", "FailedCreate", words.format("b")),
    ]
    assert events.event_lines(found) == (
        f"10:00:04Z replicaset FailedCreate: {words.format('d')} (5 times)",
        "10:00:03Z replicaset FailedCreate: another thing",
        f"10:00:01Z pod FailedCreate: {words.format('b')}",
    )


def test_that_a_workload_was_scaled_is_no_news() -> None:
    told = [event(1, kind, "Scaled", type="Normal") for kind in ("Deployment", "ReplicaSet", "Pod", "Service")]
    assert [line.split()[1] for line in events.event_lines(told)] == ["pod", "service"]


def test_no_more_than_a_reader_takes_in() -> None:
    assert len(events.event_lines([event(1, message=str(number)) for number in range(99)])) == 8


@pytest.mark.parametrize(
    ("namespace", "path"), [("shop", "/api/v1/namespaces/shop/events"), ("", "/api/v1/namespaces/default/events")]
)
def test_where_events_are_asked_for(namespace: str, path: str) -> None:
    metadata = {"name": "web", "uid": "u-1", **({"namespace": namespace} if namespace else {})}
    request = events.request({"apiVersion": "v1", "kind": "Thing", "metadata": metadata}, "FailedCreate")
    assert (request.path, request.patient) == (path, False)
    assert dict(request.query)["fieldSelector"] == "involvedObject.uid=u-1,reason=FailedCreate"
