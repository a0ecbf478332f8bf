"""How soon a run ends once the server has the status that decides: measured here, asserted nowhere.

The status is written here, as the kubelet or a controller would; the clock runs from before that write to the exit of
the process, evidence and result included.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Mapping

from tests.bench.launch import Command, Sample
from tests.bench.stations import Commands, Station
from tests.conftest import poll
from tests.integration.objects import custom, definition, deployment
from tests.unit.samples import waiting

_SETTLED = 1.0  # seconds after which whoever follows has its watches
_FOLLOWING = b"waiting for 1 object"
_NOT_FOUND = waiting("ErrImagePull", 'failed to resolve reference "shop/web:1": shop/web:1: not found')
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def failing_pod(station: Station, commands: Commands) -> Sample:
    """A Deployment whose only pod can't get its image; the events of the pod are gathered before the exit."""
    name, pods = f"web-{station.number}", f"/api/v1/namespaces/{station.namespace}/pods"
    station.write(deployment(name, "shop/web:1", create_delay="600s"))
    process = _start(station, commands(station)[0])
    pod = poll(lambda: _started_pod(station, pods, name), "its pod")
    return _decided(station, process, 1, f"{pods}/{pod}", {"containerStatuses": [_NOT_FOUND]})


def serve_widgets(station: Station) -> None:
    """A kind that nobody else looks after."""
    answer = station.plane.cluster.request("POST", _DEFINITIONS, definition(_group(station)))
    assert answer.code in (201, 409), answer.text
    poll(lambda: station.plane.cluster.request("GET", _widgets(station)).code == 200, "the kind to be served")


def make_widget(station: Station) -> None:
    """One that isn't ready yet, named as :func:`widget`."""
    _, _, name = widget(station).partition("/")
    answer = station.plane.cluster.request("POST", _widgets(station), custom(_group(station), name))
    assert answer.code == 201, answer.text
    _say(station, f"{_widgets(station)}/{name}", _ready("False"))


def ready(station: Station, commands: Commands) -> Sample:
    """A custom resource that becomes ready, followed by these commands."""
    _, _, name = widget(station).partition("/")
    process = _start(station, commands(station)[0])
    return _decided(station, process, 0, f"{_widgets(station)}/{name}", _ready("True"))


def widget(station: Station) -> str:
    """``KIND/NAME`` of this measurement."""
    return f"widgets.{_group(station)}/one-{station.number}"


def _group(station: Station) -> str:
    return f"{station.namespace}.example"


def _widgets(station: Station) -> str:
    return f"/apis/{_group(station)}/v1/namespaces/{station.namespace}/widgets"


def _started_pod(station: Station, pods: str, name: str) -> str:
    found = station.plane.cluster.get(pods, labelSelector=f"app={name}")["items"]
    started = [pod for pod in found if pod["status"].get("startTime")]
    return str(started[0]["metadata"]["name"]) if started else ""


def _start(station: Station, command: Command) -> subprocess.Popen[bytes]:
    environ = {**station.environ, "HOME": tempfile.mkdtemp(dir=station.plane.folder)}
    told = subprocess.PIPE if station.tool_name == "k8s-step" else subprocess.DEVNULL
    return subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=told)


def _decided(
    station: Station, process: subprocess.Popen[bytes], code: int, path: str, status: Mapping[str, object]
) -> Sample:
    while process.stderr and _FOLLOWING not in process.stderr.readline():
        assert process.poll() is None, "ended before it was decided"
    time.sleep(_SETTLED)
    assert process.poll() is None, "ended before it was decided"
    begun = time.perf_counter()
    _say(station, path, status)
    ended = process.wait(60)
    seconds = time.perf_counter() - begun
    assert ended == code, f"exit code {ended}"
    return Sample(seconds)


def _say(station: Station, path: str, status: Mapping[str, object]) -> None:
    body = json.dumps({"status": status})
    answer = station.plane.cluster.request("PATCH", f"{path}/status", body, content_type="application/merge-patch+json")
    assert answer.code == 200, answer.text


def _ready(status: str) -> dict[str, object]:
    return {"conditions": [{"type": "Ready", "status": status}]}
