from __future__ import annotations

import json

import pytest

from k8s_step.errors import ExitCode
from k8s_step.report.result import to_json
from tests.unit import releases


def test_the_result_file_is_the_one_the_contract_shows() -> None:
    found = json.loads(json.dumps(to_json(releases.failed())))
    promised = ["command", "result", "exit_code", "server", "context", "started", "seconds", "objects", "failures"]
    assert set(promised) <= found.keys()
    assert (found["command"], found["result"], found["exit_code"]) == ("apply", "failed", 1)
    assert found["objects"][1] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "namespace": "shop",
        "name": "web",
        "file": "k8s/shop.yaml",
        "line": 12,
        "action": "configured",
        "status": "failed",
        "message": "failed to resolve reference: registry.example/shop/web:2.0: not found",
        "seconds": 3.1,
    }
    failure = found["failures"][0]
    assert {"object", "reason", "message", "pod", "container", "logs", "events"} <= failure.keys()
    assert failure["object"] == "apps/v1/Deployment/shop/web"
    assert found["failures"][1]["logs"][0] == "starting"


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
