"""Which ExternalSecrets are synced again after a change."""

from __future__ import annotations

from typing import Any

import pytest

from k8s_step.verdict.operators.externalsecrets import synced


@pytest.mark.parametrize(
    ("kind", "spec", "is_awaited"),
    [
        ("ExternalSecret", {"refreshInterval": "0"}, False),
        ("ExternalSecret", {"refreshInterval": "0s", "refreshPolicy": ""}, False),
        ("ExternalSecret", {"refreshInterval": "0h", "refreshPolicy": "Periodic"}, False),
        ("ExternalSecret", {"refreshInterval": "-1s"}, False),
        ("ExternalSecret", {"refreshInterval": "0s", "refreshPolicy": "OnChange"}, True),
        ("ExternalSecret", {"refreshInterval": "10s"}, True),
        ("ExternalSecret", {"refreshInterval": "0h1m0s"}, True),
        ("ExternalSecret", {}, True),
        ("PushSecret", {"refreshInterval": "0s"}, True),
    ],
)
def test_an_interval_of_zero_keeps_the_first_sync(kind: str, spec: dict[str, Any], is_awaited: bool) -> None:
    status = {"conditions": [{"type": "Ready", "status": "True"}], "syncedResourceVersion": "1-3f1c0e"}
    obj = {"apiVersion": "external-secrets.io/v1", "kind": kind, "metadata": {"generation": 2}, "spec": spec}
    assert (synced({**obj, "status": status}) is not None) is is_awaited
