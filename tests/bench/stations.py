"""Where one tool does one job: its namespace, its manifest, the commands as it is called, and how a sample is taken."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.bench.launch import Command, Launcher, Sample
from tests.bench.plane import Plane
from tests.bench.wire.listener import listening
from tests.bench.wire.ration import rationed
from tests.integration.objects import Object

_serial = itertools.count(1)


@dataclass(frozen=True)
class Station:
    """``tools`` are the programs by name; ``number`` is another one at each measurement; ``kubeconfig`` leads there."""

    plane: Plane
    launcher: Launcher
    tools: Mapping[str, str]
    tool_name: str
    namespace: str
    kubeconfig: Path
    number: int = field(default_factory=lambda: next(_serial))

    @property
    def manifest(self) -> str:
        """The path of the manifests of this namespace."""
        return str(self.plane.folder / f"{self.namespace}.yaml")

    @property
    def environ(self) -> dict[str, str]:
        """All that the measured processes find in their environment, besides a home of their own."""
        return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "KUBECONFIG": str(self.kubeconfig)}

    def next(self, kubeconfig: Path | None = None) -> Station:
        """The same with another number, or another way to the server."""
        return replace(self, number=next(_serial), kubeconfig=kubeconfig or self.kubeconfig)

    def words(self, *words: str) -> Command:
        """The tool with these words."""
        return [self.tools[self.tool_name], *words]

    def tool(self, *words: str) -> Command:
        """The tool with these words, in the namespace."""
        return self.words(*words, "-n", self.namespace)

    def kubectl(self, *words: str) -> Command:
        """For what has to be done before anything is measured."""
        return [self.tools["kubectl"], *words, "-n", self.namespace]

    def write(self, *objects: Object) -> None:
        """The manifests of this namespace."""
        self.plane.write(f"{self.namespace}.yaml", *objects)

    def do(self, *commands: Command) -> Sample:
        """Run the commands."""
        return self.launcher.run(commands, self.environ)

    def clear(self) -> None:
        """Take away the namespace's ConfigMaps."""
        self.plane.clear(self.namespace)

    def settle(self, pods: int) -> None:
        """Wait until the namespace has so many pods, all of them ready."""
        self.plane.settled(self.namespace, pods)


Commands = Callable[[Station], list[Command]]
Measure = Callable[[Station, Commands], Sample]


def run(station: Station, commands: Commands) -> Sample:
    """Whole processes, from the first one's start to the last one's end."""
    return station.do(*commands(station))


def first_byte(scheme: str) -> Measure:
    """From the start to the first byte that comes to a server, which then ends the connection."""

    def measure(station: Station, commands: Commands) -> Sample:
        with listening() as listener:
            path = station.plane.kubeconfig_to(f"{scheme}://127.0.0.1:{listener.port}", "listener")
            station = replace(station, kubeconfig=path)
            sample = station.launcher.run(commands(station)[:1], station.environ, may_fail=True)
        assert listener.first is not None, f"{station.tool_name} never wrote to the server"
        return Sample(listener.first - sample.begun)

    return measure


def rationed_to(rate: float) -> Measure:
    """Before a server that takes so many requests a second; ``refused`` is the number of those it did not take."""

    def measure(station: Station, commands: Commands) -> Sample:
        with rationed(station.plane.cluster, rate) as (proxy, bucket):
            sample = run(replace(station, kubeconfig=proxy.kubeconfig), commands)
        return replace(sample, noted={"refused": bucket.refused})

    return measure
