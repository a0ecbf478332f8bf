"""The jobs that are measured, as data: what is prepared, and the commands that each tool needs to get as far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.bench import detection, stations
from tests.bench.launch import Command
from tests.bench.stations import Station
from tests.integration.objects import Object, config_map, deployment

OURS, KUBECTL, KAPP = "k8s-step", "kubectl", "kapp"
TOOLS = (OURS, KUBECTL, KAPP)
NEAR, FAR = 0, 25
_BOTH = (NEAR, FAR)
_ONLY_NEAR = (NEAR,)
_MAPS, _WORKLOADS, _PODS = 500, 100, 1000

Commands = Callable[[Station], list[Command]]
Act = Callable[[Station], None]


def _nothing(_: Station) -> None:
    pass


@dataclass(frozen=True)
class Job:
    """One row, or one for each of ``round_trips`` (ms).

    ``commands`` by tool; a tool that isn't named can't do the job. ``begin`` is done once for each tool, ``before``
    ahead of each measurement; neither is measured. ``place``: jobs of one place share a namespace, whatever the tool.
    ``beside``: the job whose figures of other tools this row is compared with, where those would be the same.
    ``measure``: how a sample is taken, where it isn't by running the commands. ``counts``: what else it notes.
    """

    name: str
    title: str
    commands: Mapping[str, Commands]
    round_trips: Sequence[int] = _ONLY_NEAR
    begin: Act = _nothing
    before: Act = _nothing
    place: str = ""
    beside: str = ""
    measure: stations.Measure = stations.run
    counts: Mapping[str, str] = field(default_factory=dict)


# -- a release


def _web(station: Station) -> Object:
    return deployment("web", f"shop/web:{station.number}", replicas=2)


def _release_web(station: Station) -> None:
    station.write(_web(station))
    station.do(station.kubectl("apply", "--server-side", "-f", station.manifest))
    station.settle(2)


def _release_own_web(station: Station) -> None:
    """By the tool itself, whose fields they then are."""
    station.write(_web(station))
    station.do(*_RELEASED[station.tool_name](station))


def _write_web(station: Station) -> None:
    station.settle(2)
    station.write(_web(station))


def _patch(station: Station) -> list[Command]:
    return [station.tool("patch", "deployment/web", "--image", f"app=shop/web:{station.number}")]


def _set_image(station: Station) -> list[Command]:
    return [
        station.tool("set", "image", "deployment/web", f"app=shop/web:{station.number}"),
        station.tool("rollout", "status", "deployment/web"),
    ]


def _apply(*more: str) -> Commands:
    return lambda station: [station.tool("apply", "-f", station.manifest, *more)]


def _kubectl_apply(station: Station) -> list[Command]:
    return [station.tool("apply", "--server-side", "-f", station.manifest)]


def _kubectl_release(station: Station) -> list[Command]:
    return [*_kubectl_apply(station), station.tool("rollout", "status", "-f", station.manifest)]


def _kapp(station: Station) -> list[Command]:
    return [station.tool("deploy", "-a", "bench", "-f", station.manifest, "-y")]


# -- many objects


def settings(count: int, revision: int) -> list[Object]:
    """ConfigMaps as they are in the wild; the revision is in the first, which is thereby changed."""
    lines = "\n".join(f"server.{number}.address=10.0.0.{number}:8080" for number in range(8))
    return [
        config_map(f"settings-{number}", revision=str(revision if number == 0 else 0), application=lines)
        for number in range(count)
    ]


def _write_maps(station: Station) -> None:
    station.write(*settings(_MAPS, station.number))


def _write_new_maps(station: Station) -> None:
    station.clear()
    _write_maps(station)


def _write_few_new_maps(station: Station) -> None:
    station.clear()
    station.write(*settings(100, station.number))


def _release_maps(station: Station) -> None:
    _write_new_maps(station)
    station.do(*_AGAIN[station.tool_name](station))


def _workloads() -> list[Object]:
    return [deployment(f"web-{number}", "shop/web:1") for number in range(_WORKLOADS)]


def _release_workloads(station: Station) -> None:
    station.write(*_workloads())
    station.do(*_RELEASED[station.tool_name](station))
    station.settle(_WORKLOADS)


_AGAIN: Mapping[str, Commands] = {OURS: _apply(), KUBECTL: _kubectl_apply, KAPP: _kapp}
_RELEASED: Mapping[str, Commands] = {OURS: _apply(), KUBECTL: _kubectl_release, KAPP: _kapp}


# -- reading


def _start_pods(station: Station) -> None:
    station.write(deployment("web", "shop/web:1", replicas=_PODS))
    station.do(station.kubectl("apply", "--server-side", "-f", station.manifest))
    station.settle(_PODS)


def _get(*more: str) -> Mapping[str, Commands]:
    """The same words for both."""

    def commands(station: Station) -> list[Command]:
        return [station.tool("get", "pods", *more)]

    return {OURS: commands, KUBECTL: commands}


def _status_of_widget(station: Station) -> list[Command]:
    return [station.tool("status", detection.widget(station), "--timeout=1m")]


def _wait_for_widget(station: Station) -> list[Command]:
    return [station.tool("wait", "--for=condition=Ready", detection.widget(station), "--timeout=1m")]


def _version(*words: str) -> Commands:
    return lambda station: [station.words(*words)]


JOBS: tuple[Job, ...] = (
    Job(
        "patch",
        "a release: patch an image until 2 pods are ready",
        {OURS: _patch, KUBECTL: _set_image},
        _BOTH,
        begin=_release_web,
        before=lambda station: station.settle(2),
    ),
    Job(
        "apply",
        "the same as `apply` of the manifest",
        {OURS: _apply(), KUBECTL: _kubectl_release},
        _BOTH,
        begin=_release_own_web,
        before=_write_web,
    ),
    Job("create", f"{_MAPS} ConfigMaps created", _AGAIN, _BOTH, before=_write_new_maps),
    Job(
        "create-unchecked",
        "the same with `--no-preflight`",
        {OURS: _apply("--no-preflight")},
        _BOTH,
        before=_write_new_maps,
        beside="create",
    ),
    Job("again", f"{_MAPS} ConfigMaps again, one changed", _AGAIN, _BOTH, begin=_release_maps, before=_write_maps),
    Job("workloads", f"{_WORKLOADS} Deployments again", _RELEASED, _BOTH, begin=_release_workloads),
    Job("pods-json", f"{_PODS:,} pods, `get -o json`", _get("-o", "json"), begin=_start_pods, place="pods"),
    Job("pods-table", f"{_PODS:,} pods, `get` as a table", _get(), begin=_start_pods, place="pods"),
    Job(
        "first-byte",
        "start to the first byte on the wire (TLS), `patch`",
        {OURS: _patch, KUBECTL: _set_image},
        measure=stations.first_byte("https"),
    ),
    Job(
        "first-request",
        "start to the first request (plain HTTP), `patch`",
        {OURS: _patch, KUBECTL: _set_image},
        measure=stations.first_byte("http"),
    ),
    Job(
        "version",
        "`--version` (`kubectl version --client`, `kapp version`)",
        {OURS: _version("--version"), KUBECTL: _version("version", "--client"), KAPP: _version("version")},
    ),
    Job(
        "failing",
        "the status of a pod that decides, to the exit with the evidence",
        {OURS: _apply()},
        measure=detection.failing_pod,
    ),
    Job(
        "ready",
        "a custom resource's ready status, to the exit of `status` (`kubectl wait`)",
        {OURS: _status_of_widget, KUBECTL: _wait_for_widget},
        begin=detection.serve_widgets,
        before=detection.make_widget,
        measure=detection.ready,
    ),
    Job(
        "busy",
        "100 ConfigMaps created, server that takes 20 requests a second",
        {OURS: _apply(), KUBECTL: _kubectl_apply},
        before=_write_few_new_maps,
        measure=stations.rationed_to(20),
        counts={"refused": "requests refused with 429"},
    ),
)
