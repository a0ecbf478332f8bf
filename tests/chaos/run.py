"""Plays a plan on a cluster: each stage a process of the step behind the proxy, each one's records for the oracle."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.chaos import manifests
from tests.chaos.director import Director
from tests.chaos.history import History
from tests.chaos.plan import Item, Plan, Stage
from tests.chaos.record import Asked, Conditions, Ended, Heard, Key, Record, Wanted
from tests.chaos.world import World
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Proxy, Recorded
from tests.leaks import forms

SETTLED_SECONDS = 45.0  # beyond the step's own time: its requests, evidence, and a machine that is busy
_NAMED = ("scale", "restart", "patch", "status")
_QUIET = 0.2  # seconds after a stage, for the controllers


def play(plan: Plan, cluster: Cluster, history: History, folder: Path) -> Iterator[Record]:
    """Play the stages one after the other in a namespace of their own."""
    namespace = cluster.namespace(f"chaos-{plan.seed}-{os.getpid()}-{int(time.time() * 1000) % 100_000}")
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    token = cluster.token(namespace, cluster_rules=rules)
    try:
        for number, stage in enumerate(plan.stages, 1):
            here = folder / f"{plan.seed}-{number}"
            here.mkdir(parents=True)
            yield _Played(stage, cluster, history, namespace, here, token).record()
            time.sleep(_QUIET)
    finally:
        with contextlib.suppress(OSError):
            cluster.delete_namespace(namespace)
            name = f"{manifests.RESOURCES['CustomResourceDefinition']}/widgets.{manifests.group(namespace)}"
            cluster.request("DELETE", name)


class _Played:
    """One stage."""

    def __init__(
        self, stage: Stage, cluster: Cluster, history: History, namespace: str, folder: Path, token: str
    ) -> None:
        self._stage, self._cluster, self._history = stage, cluster, history
        self._namespace, self._folder, self._token = namespace, folder, token
        self._heard: list[Heard] = []
        (folder / "tmp").mkdir()
        self._write_manifests()

    def record(self) -> Record:
        """Play it and gather what the oracle needs."""
        world = World(self._cluster, self._history, self._namespace)
        with Proxy.before(self._cluster) as proxy:
            proxy.heard = self._hear
            first = self._history.caught_up()
            ended = self._run(proxy, world)
            last = self._history.caught_up()
            asked = tuple(_asked(one) for one in list(proxy.requests))
        return Record(
            _conditions(self._stage),
            tuple(self._wanted()),
            first,
            last,
            tuple(self._history.states(self._namespace, manifests.group(self._namespace))),
            asked,
            tuple(self._heard),
            tuple(world.deeds),
            ended,
            frozenset(self._secrets()),
        )

    def _run(self, proxy: Proxy, world: World) -> Ended:
        said = self._folder / "stderr"
        said.touch()
        director = Director(self._stage, self._cluster, proxy, self._history, world, said)
        bound = self._stage.timeout * (2 if "--rollback-on-failure" in self._stage.options else 1) + SETTLED_SECONDS
        with (self._folder / "stdout").open("wb") as stdout, said.open("wb") as stderr:
            director.begin(self._namespace)
            begun = time.monotonic()
            process = subprocess.Popen(
                self._line(),
                env=self._environment(proxy),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
            director.send_signal = process.send_signal
            code = _waited(process, bound)
            at = time.monotonic()
        director.finish()
        return Ended(code, begun, at, self._texts(), self._report(), tuple(self._left(process.pid)))

    # -- what it is given

    def _write_manifests(self) -> None:
        made = [manifests.manifest(item, self._namespace) for item in self._stage.objects]
        (self._folder / "release.yaml").write_text(yaml.safe_dump_all(made, sort_keys=False, allow_unicode=True))

    def _line(self) -> list[str]:
        stage = self._stage
        words = [f"{one.kind.lower()}/{one.name}" for one in stage.objects] if stage.verb in _NAMED else []
        extra = {
            "scale": ["--replicas", str(stage.objects[0].replicas)],
            "patch": ["--image", f"app={stage.objects[0].image}"],
        }.get(stage.verb, [])
        files = [] if words else ["-f", "release.yaml"]
        told = ["--timeout", f"{stage.timeout:.0f}s", "--request-timeout", "10s", "-n", self._namespace]
        results = ["--report", "report.json", "--junit", "junit.xml"]
        step = [sys.executable, "-m", "k8s_step", stage.verb]
        return [*step, *words, *files, *extra, *stage.options, *told, *results]

    def _environment(self, proxy: Proxy) -> dict[str, str]:
        here = self._folder
        own = {"PATH": os.environ["PATH"], "HOME": str(here), "LANG": "C.UTF-8", "TMPDIR": str(here / "tmp")}
        github = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(here / "output"),
            "GITHUB_STEP_SUMMARY": str(here / "summary"),
        }
        root = Path(__file__).resolve().parents[2]
        to = {"K8S_API": proxy.url, "K8S_TOKEN": self._token, "PYTHONPATH": str(root)}
        return {**own, **to, **(github if self._stage.github else {})}

    def _wanted(self) -> Iterator[Wanted]:
        for item in self._stage.objects:
            whole = manifests.wanted(item, self._namespace, gone=self._stage.verb == "delete")
            yield Wanted(whole.key, _asked_for(self._stage.verb, item, whole.body), whole.gone)

    def _secrets(self) -> Iterator[str]:
        """The forms of all that is secret: the token, and the Secrets' values."""
        values = [manifests.secret_of(one) for one in self._stage.objects if one.kind == "Secret"]
        for value in (self._token, *values):
            yield from (form for _, form in forms(value))

    # -- what it left

    def _hear(self, request: Recorded, line: bytes) -> None:
        if not request.watch or not line.endswith(b"\n"):
            return
        with contextlib.suppress(ValueError, KeyError, AttributeError):
            event = json.loads(line)
            metadata = event["object"]["metadata"]
            key = Key(str(event["object"]["kind"]), metadata.get("namespace", ""), metadata["name"])
            self._heard.append(Heard(time.monotonic(), key, event["type"], int(metadata["resourceVersion"])))

    def _texts(self) -> dict[str, str]:
        names = ("stdout", "stderr", "report.json", "junit.xml", "output", "summary")
        paths = {name: self._folder / name for name in names}
        return {name: path.read_text(errors="replace") for name, path in paths.items() if path.exists()}

    def _report(self) -> Mapping[str, Any] | None:
        with contextlib.suppress(OSError, ValueError):
            return dict(json.loads((self._folder / "report.json").read_text()))
        return None

    def _left(self, group: int) -> Iterator[str]:
        known = {"stdout", "stderr", "report.json", "junit.xml", "output", "summary", "release.yaml", "tmp"}
        yield from (f"file {path.name}" for path in self._folder.iterdir() if path.name not in known)
        yield from (f"file tmp/{path.name}" for path in (self._folder / "tmp").iterdir())
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, 0)
            yield f"a process of the group {group}"


def _waited(process: subprocess.Popen[bytes], bound: float) -> int | None:
    """The exit code; None of one that had to be killed."""
    try:
        return process.wait(bound)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None


def _asked(request: Recorded) -> Asked:
    is_dry = "dryRun" in request.query
    return Asked(request.begun, request.method, request.path, is_dry, request.code, request.fault)


def _conditions(stage: Stage) -> Conditions:
    return Conditions(
        stage.verb,
        stage.timeout,
        wait="--no-wait" not in stage.options,
        rollback="--rollback-on-failure" in stage.options,
        preflight="--no-preflight" not in stage.options and stage.verb == "apply",
        invalid=any(one.invalid for one in stage.objects),
    )


def _asked_for(verb: str, item: Item, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a verb that names one object wants of it."""
    containers = [{"name": "app", "image": item.image}]
    wanted: dict[str, Mapping[str, Any]] = {
        "scale": {"spec": {"replicas": item.replicas}},
        "patch": {"spec": {"template": {"spec": {"containers": containers}}}},
        "restart": {},
        "status": {},
    }
    return wanted.get(verb, body)
