"""How seconds, CPU, memory and requests of k8s-step grow with objects, pods and namespaces (``--scale``)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.course import say
from tests.bench.jobs import OURS, settings
from tests.bench.launch import Command, Launcher, LaunchError, Sample
from tests.bench.plane import Plane
from tests.bench.results.publication import ROOT, put
from tests.bench.stations import Station
from tests.integration.objects import Object, deployment

_PODS_EACH = 10  # of a Deployment that is followed
_SPREAD_OBJECTS, _SPREAD_WORKLOADS = 1000, 100

Prepare = Callable[[Station, int], None]
Run = Callable[[Station], list[Command]]


@dataclass(frozen=True)
class Growth:
    """One thing that is done at several sizes. ``resource``: the requests for it are counted, by the server."""

    name: str
    title: str
    sizes: Sequence[int]
    prepare: Prepare
    commands: Run
    resource: str = ""
    place: str = ""


@dataclass(frozen=True)
class Point:
    """What one size took."""

    growth: Growth
    size: int
    sample: Sample


@dataclass(frozen=True)
class Growths:
    """All points, the machine and the versions; ``note`` is what a reader has to know of them."""

    date: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    points: Sequence[Point]
    note: str = ""


def measure(plane: Plane, launcher: Launcher, tools: dict[str, str], most: int) -> list[Point]:
    """Each thing at each of its sizes up to ``most``, once; a size of all things before the next."""
    found = []
    places: dict[str, Station] = {}
    for size in sorted({size for growth in GROWTHS for size in growth.sizes if size <= most}):
        for growth in (growth for growth in GROWTHS if size in growth.sizes):
            try:
                sample = _point(plane, launcher, tools, growth, size, places)
            except (LaunchError, AssertionError, OSError) as error:
                say(f"  {growth.name}, {size:,}: FAILED: {' '.join(str(error).split())}")
                continue
            found.append(Point(growth, size, sample))
            say(f"  {growth.name}, {size:,}: {', '.join(_cells(found[-1])[2:5])} (seconds, CPU seconds, MB)")
    return sorted(found, key=lambda point: GROWTHS.index(point.growth))


def _point(
    plane: Plane, launcher: Launcher, tools: dict[str, str], growth: Growth, size: int, places: dict[str, Station]
) -> Sample:
    place = growth.place or growth.name
    if place not in places:
        kubeconfig = plane.cluster.kubeconfig
        places[place] = Station(plane, launcher, tools, OURS, plane.namespace(place), kubeconfig)
    station = places[place].next()
    growth.prepare(station, size)
    before = _requests(plane, growth.resource)
    sample = station.do(*growth.commands(station))
    return replace(sample, noted={"requests": _requests(plane, growth.resource) - before} if growth.resource else {})


def _requests(plane: Plane, resource: str) -> int:
    """Requests for the resource that the API server has answered since its start; no watch that is still open."""
    said = plane.cluster.request("GET", "/metrics").text
    lines = re.findall(rf'^apiserver_request_total{{[^}}]*resource="{resource}"[^}}]*}} (\S+)$', said, re.M)
    return int(sum(float(value) for value in lines))


# -- what is done


def _new_maps(station: Station, size: int) -> None:
    station.clear()
    station.write(*settings(size, station.number))


def _maps_again(station: Station, size: int) -> None:
    """They are there already, but for one whose content is another."""
    if station.plane.count(f"/api/v1/namespaces/{station.namespace}/configmaps") <= size:  # Kubernetes adds one
        _new_maps(station, size)
        station.do(*_apply(station))
    station.write(*settings(size, station.next().number))


def _apply(station: Station) -> list[Command]:
    return [station.tool("apply", "-f", station.manifest, "--timeout=30m")]


def _get(*more: str) -> Run:
    return lambda station: [station.tool("get", "configmaps", *more)]


def _workloads(station: Station, size: int) -> None:
    """So many pods, of Deployments that were released before; the manifest has the next image."""
    station.write(*_deployments(size, "1"))
    station.do(*_apply(station))
    station.settle(size)
    station.write(*_deployments(size, str(station.number)))


def _deployments(pods: int, tag: str) -> list[Object]:
    names = [f"web-{number}" for number in range(pods // _PODS_EACH)]
    return [deployment(name, f"shop/web:{tag}", replicas=_PODS_EACH) for name in names]


def _spread(station: Station, size: int, objects: Sequence[Object]) -> None:
    """The objects, in turn in so many namespaces of their own."""
    names = [station.plane.namespace(f"spread-{number}") for number in range(size)]
    for number, one in enumerate(objects):
        one["metadata"]["namespace"] = names[number % size]
    station.write(*objects)


def _spread_maps(station: Station, size: int) -> None:
    _spread(station, size, settings(_SPREAD_OBJECTS, station.number))


def _spread_workloads(station: Station, size: int) -> None:
    _spread(station, size, [deployment(f"web-{number}", "shop/web:1") for number in range(_SPREAD_WORKLOADS)])


def _apply_anywhere(station: Station) -> list[Command]:
    return [station.words("apply", "-f", station.manifest, "--timeout=30m")]


_OBJECTS = (100, 1_000, 10_000)
GROWTHS = (
    Growth("created", "ConfigMaps created", _OBJECTS, _new_maps, _apply, "configmaps", "maps"),
    Growth("again", "ConfigMaps again, one changed", _OBJECTS, _maps_again, _apply, "configmaps", "maps"),
    Growth("json", "ConfigMaps, `get -o json`", _OBJECTS, _maps_again, _get("-o", "json"), "configmaps", "maps"),
    Growth("table", "ConfigMaps, `get` as a table", _OBJECTS, _maps_again, _get(), "configmaps", "maps"),
    Growth("followed", f"pods followed, {_PODS_EACH} of each Deployment", (200, 1_000, 2_000), _workloads, _apply),
    Growth(
        "namespaces",
        f"namespaces that share {_SPREAD_OBJECTS:,} new ConfigMaps",
        (1, 10, 100),
        _spread_maps,
        _apply_anywhere,
        "configmaps",
    ),
    Growth(
        "watches",
        f"namespaces that share {_SPREAD_WORKLOADS} new Deployments",
        (1, 10, 100),
        _spread_workloads,
        _apply_anywhere,
    ),
)


def markdown(growths: Growths) -> str:
    """A table of all sizes."""
    machine = growths.machine
    on = f"{machine['cpu']}, {machine['cores']} cores, {machine['memory']} of memory"
    note = f" {growths.note}" if growths.note else ""
    lines = [
        f"Measured once on {growths.date}: {on}; Kubernetes {growths.versions['Kubernetes']}.{note}\n",
        "| | size | seconds | CPU s | MB | requests |",
        "|---|---|---|---|---|---|",
        *(f"| {' | '.join(_cells(one))} |" for one in growths.points),
    ]
    return "\n".join(lines) + "\n"


def _cells(one: Point) -> list[str]:
    sample = one.sample
    requests = f"{sample.noted['requests']:,.0f}" if sample.noted else ""
    times = [f"{sample.seconds:.1f}", f"{sample.cpu:.1f}", f"{sample.memory / 1e6:.0f}"]
    return [one.growth.title, f"{one.size:,}", *times, requests]


def publish(growths: Growths, root: Path = ROOT) -> list[Path]:
    """Write a file of the date, and the table into docs/scale.md; their paths."""
    data = root / "benchmarks" / "results" / f"{growths.date}-scale.json"
    data.parent.mkdir(parents=True, exist_ok=True)
    told = {name: getattr(growths, name) for name in ("date", "note", "machine", "versions")}
    points = [
        {
            "name": one.growth.name,
            "size": one.size,
            "seconds": round(one.sample.seconds, 3),
            "cpu_seconds": round(one.sample.cpu, 3),
            "memory_mb": round(one.sample.memory / 1e6, 1),
            **one.sample.noted,
        }
        for one in growths.points
    ]
    data.write_text(json.dumps({**told, "points": points}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    page = root / "docs" / "scale.md"
    put(page, "measured", f"{markdown(growths)}\n[The same as data](../benchmarks/results/{data.name}).\n")
    return [data, page]
