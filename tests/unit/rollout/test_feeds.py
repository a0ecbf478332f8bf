"""What an event of a watch means for the objects that are followed."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.api.watch import Event, Scope
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.rollout.feeds import Board, TargetFeed
from k8s_step.verdict.target import Target

MAPS = required("v1", "ConfigMap")


def target(name: str, version: int) -> Target:
    reference = Reference("v1", "ConfigMap", "shop", name)
    return Target(reference, MAPS, {"metadata": {"name": name, "uid": name, "resourceVersion": str(version)}})


@pytest.mark.parametrize(
    ("listed", "gone"),
    [
        (8, False),  # the list is older than what a later wave has written
        (9, True),
        (10, True),
        (0, True),  # the version of a poll by name is not told, and only that object is in its scope
    ],
)
def test_a_list_tells_only_of_what_is_no_newer_than_the_list(listed: int, gone: bool) -> None:
    nobody: Any = None
    early, late = target("early", 3), target("late", 9)
    board = Board({early.reference.key: early})
    board.add([late])
    feed = TargetFeed(board, Scope(MAPS, "shop"), nobody, lambda _: None)
    feed.take(Event("LISTED", {}, (dict(early.object),), version=listed))
    assert (late.reference.key in board.gone) is gone
    assert early.reference.key not in board.gone


def test_what_is_added_is_found_by_its_uid() -> None:
    board = Board({})
    one = target("one", 1)
    board.add([one])
    assert board.with_uids({"one"}) == [one] and board.open() == [one]
