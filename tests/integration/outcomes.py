"""What a test asks of a run's result file."""

from __future__ import annotations

from typing import Any

from tests.conftest import Outcome


def objects(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """The report's objects by ``Deployment/web``."""
    assert outcome.report is not None, outcome.text
    return {f"{entry['kind']}/{entry['name']}": entry for entry in outcome.report["objects"]}


def actions(outcome: Outcome) -> dict[str, str]:
    """``{"Deployment/web": "created"}``."""
    return {name: entry["action"] for name, entry in objects(outcome).items()}


def statuses(outcome: Outcome) -> dict[str, str]:
    """``{"Deployment/web": "current"}``."""
    return {name: entry["status"] for name, entry in objects(outcome).items()}


def failures(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """The report's failures by ``Deployment/web``; of several on one object the first."""
    assert outcome.report is not None, outcome.text
    found: dict[str, dict[str, Any]] = {}
    for failure in outcome.report["failures"]:
        *_, kind, _, name = failure["object"].split("/")
        found.setdefault(f"{kind}/{name}", failure)
    return found


def the_failure(outcome: Outcome) -> dict[str, Any]:
    """The one failure of a run that has only one."""
    assert outcome.report is not None, outcome.text
    (failure,) = outcome.report["failures"]
    return dict(failure)
