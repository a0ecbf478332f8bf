from __future__ import annotations

import json
from dataclasses import replace

import pytest

from k8s_step.errors import ExitCode
from k8s_step.report.results.result import to_json
from tests.unit import releases

# What the contract shows, in its order, and what has been added since.
TOP = ("command", "result", "exit_code", "server", "context", "started", "seconds", "objects", "failures")
OBJECT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "namespace": "shop",
    "name": "web",
    "file": "k8s/shop.yaml",
    "line": 12,
    "action": "configured",
    "status": "failed",
    "judged": True,
    "reason": "ErrImagePull",
    "note": None,
    "paused": None,
    "not_followed": None,
    "not_begun": None,
    "message": "failed to resolve reference: registry.example/shop/web:2.0: not found",
    "errors": [],
    "seconds": 3.1,
}
FAILURE = ("object", "reason", "message", "pod", "container", "logs", "events")
MORE_OF_THE_RUN = ("dry_run", "message", "url", "errors", "warnings")
MORE_OF_A_FAILURE = (
    *("advice", "check", "image", "node", "alike", "exit_code", "signal"),
    *("probe", "probe_answer", "claims", "logs_of", "missing", "unfinished"),
)


def test_the_result_file_is_the_one_the_contract_shows() -> None:
    found = json.loads(json.dumps(to_json(releases.failed())))
    assert [key for key in found if key not in MORE_OF_THE_RUN] == list(TOP)
    assert set(found) == {*TOP, *MORE_OF_THE_RUN}
    given = {key: found[key] for key in ("command", "result", "exit_code", "context", "started", "seconds")}
    assert list(given.values()) == ["apply", "failed", 1, "kind", "2026-11-22T10:00:00Z", 12.34]
    assert found["objects"][1] == OBJECT
    pull, crash = found["failures"]
    assert set(pull) == set(crash) == {*FAILURE, *MORE_OF_A_FAILURE}
    assert (pull["object"], pull["reason"]) == ("apps/v1/Deployment/shop/web", "ErrImagePull")
    assert (pull["pod"], pull["container"], len(pull["events"])) == ("web-7c6b9d598d-wpgts", "app", 1)
    assert crash["logs"][0] == "starting"


def test_a_rollback_adds_what_became_of_each_object() -> None:
    result = replace(releases.failed(), exit_code=ExitCode.ROLLED_BACK, released=ExitCode.FAILED)
    result.objects[1].rolled_back, result.objects[1].rollback_message = "restored", "as of revision 3"
    found = to_json(result)
    assert set(found) == {*TOP, *MORE_OF_THE_RUN, "rollback"}
    assert (found["result"], found["rollback"]) == ("rolled_back", {"released": "failed", "complete": True})
    assert found["objects"][1] == {**OBJECT, "rolled_back": "restored", "rollback_message": "as of revision 3"}
    assert set(found["objects"][0]) == set(OBJECT), "nothing was done to it"


def test_every_error_of_an_object_is_kept_with_its_hint_and_line() -> None:
    _, web, api = to_json(releases.refused())["objects"]
    place = {"where": "k8s/shop.yaml:14: deployment/shop/web", "file": "k8s/shop.yaml", "line": 14}
    assert web["errors"] == [
        {"message": "spec.replicas belongs to kubectl", "hint": "--force", **place},
        {
            "message": "spec.paused: unknown field",
            "hint": None,
            "where": "k8s/shop.yaml:15: deployment/shop/web",
            "file": "k8s/shop.yaml",
            "line": 15,
        },
    ]
    assert api["errors"] == []


def test_errors_of_no_object_are_the_runs() -> None:
    (error,) = to_json(releases.misspelt())["errors"]
    place = {"where": "--timeout", "file": None, "line": None}
    assert error == {"message": "'x' is not a duration", "hint": None, **place}


def test_a_dry_run_changes_nothing_and_says_so() -> None:
    result = releases.dry_run()
    found = to_json(result)
    assert (found["dry_run"], result.changed) == (True, ())
    assert [entry["action"] for entry in found["objects"]] == ["unchanged", "created"]
    assert to_json(releases.good())["dry_run"] is False


def test_what_may_have_been_written_counts_as_changed() -> None:
    assert releases.lost().changed == (releases.SETTINGS, releases.WEB)


def test_an_unfinished_run_has_no_exit_code_and_no_good_word() -> None:
    found = to_json(releases.EVERY_KIND["unfinished"]())
    assert (found["result"], found["exit_code"], found["objects"]) == ("unfinished", None, [])
    assert "has not come to its end" in found["message"]


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (0, "succeeded"),
        (1, "failed"),
        (2, "invalid"),
        (3, "timed_out"),
        (4, "refused"),
        (5, "unreachable"),
        (6, "rolled_back"),
        (70, "failed"),
        (130, "cancelled"),
        (143, "cancelled"),
    ],
)
def test_every_exit_code_has_its_word(code: int, word: str) -> None:
    assert to_json(releases.result(ExitCode(code)))["result"] == word


def test_what_is_not_there_is_null() -> None:
    found = to_json(releases.result(ExitCode.UNREACHABLE))
    assert (found["objects"], found["failures"]) == ([], [])
