"""Fixtures for tests against the real control plane: ``cluster``, ``namespace``, ``kubectl``, ``step``, ``proxy``."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import clock, leaks
from tests.controlplane import build
from tests.controlplane import cluster as clusters
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Proxy
from tests.forkserver import Forked, ForkServer

LOUD = "SKIPPED THE REAL CONTROL PLANE"
CANARY = "canary-in-a-coal-mine"  # in the environment of every run, and no business of the step's
EXISTING = "K8S_STEP_TEST_KUBECONFIG"
_reason = pytest.StashKey[str]()
_binaries = pytest.StashKey[dict[str, Path]]()

# How long an example takes is the machine's affair.
settings.register_profile("untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever asks for the cluster has the marker, so that ``-m 'not cluster'`` leaves the quick ones."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.cluster)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build before the first test: a cold build takes longer than any test may."""
    wanted = any(item.get_closest_marker("cluster") for item in session.items)
    if not wanted or session.config.option.collectonly or os.environ.get(EXISTING):
        return
    try:
        session.config.stash[_binaries] = build.find(notice=_notice(session.config))
    except build.UnavailableError as reason:
        session.config.stash[_reason] = str(reason)


def _notice(config: pytest.Config) -> Callable[[str], None]:
    capture = config.pluginmanager.getplugin("capturemanager")

    def notice(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{line}", file=sys.stderr, flush=True)

    return notice if capture else build.say


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One loud line for each thing that could not be had. The skips carry the reason, xdist's workers' too."""
    skips = terminalreporter.stats.get("skipped", [])
    texts = [report.longrepr[2] for report in skips if isinstance(report.longrepr, tuple)]
    reasons: dict[str, list[str]] = {}
    for found in filter(None, (re.search(r"(SKIPPED [A-Z ]+): (.*)", text, re.S) for text in texts)):
        reasons.setdefault(found[1], []).append(found[2])
    for loud, said in reasons.items():
        terminalreporter.write_line("")
        terminalreporter.write_line(f"{loud}: {said[0]} ({len(said)} tests skipped)", red=True, bold=True)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """The control plane: started by the first that asks, shared by all workers of the run, gone when they are gone."""
    if given := os.environ.get(EXISTING):
        return clusters.existing(Path(given), tmp_path_factory.mktemp("existing"))
    if reason := request.config.stash.get(_reason, None):
        pytest.skip(f"{LOUD}: {reason}")
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    try:
        binaries = request.config.stash.get(_binaries, None) or build.find()
        return clusters.start(shared / "controlplane", binaries)
    except build.UnavailableError as problem:
        request.config.stash[_reason] = str(problem)
        pytest.skip(f"{LOUD}: {problem}")


@pytest.fixture(scope="session")
def played(cluster: Cluster) -> Cluster:
    """The cluster, where its pods are played by image name (not a foreign one of ``K8S_STEP_TEST_KUBECONFIG``)."""
    if not cluster.played:
        pytest.skip(f"the cluster of {EXISTING} has no played pods")
    return cluster


@pytest.fixture(scope="session")
def owned(cluster: Cluster) -> Cluster:
    """The cluster, where we started it ourselves and so may look at its processes and files."""
    if not cluster.ours:
        pytest.skip(f"the cluster of {EXISTING} isn't ours to look into")
    return cluster


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh namespace, ready for pods; at the end nothing goes on in it."""
    word = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:30].strip("-")
    name = cluster.namespace(f"t{secrets.token_hex(3)}-{word}".rstrip("-"))
    yield name
    cluster.leave_namespace(name)


Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def kubectl(cluster: Cluster) -> Kubectl:
    """``kubectl("get", "pods")`` as admin; ``input=`` is its stdin, ``check=False`` lets it fail."""
    command = shutil.which("kubectl", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if not command:
        pytest.skip("no kubectl: install the dev dependencies")

    def run(*args: str, input: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        line = [command, f"--kubeconfig={cluster.kubeconfig}", *args]
        answer = subprocess.run(line, input=input, capture_output=True, text=True, timeout=120)
        assert not check or answer.returncode == 0, f"kubectl {' '.join(args)}: {answer.stderr}"
        return answer

    return run


@dataclass(frozen=True)
class Outcome:
    """How a run of the step ended. ``report`` is the parsed result file; None where none was asked for or written."""

    code: int
    stdout: str
    stderr: str
    seconds: float
    report: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """Both streams, for assertions on what a user reads."""
        return self.stdout + self.stderr


class Running:
    """A step in the background. Its streams go to files, so it never waits for a reader."""

    def __init__(
        self,
        process: subprocess.Popen[bytes] | Forked,
        folder: Path,
        report: Path | None,
        own: clock.Clock | None = None,
    ) -> None:
        self.process = process
        self._clock = own
        self.files: Callable[[], dict[str, str]] = dict
        self.left: dict[str, str] = {}
        self._folder = folder
        self._report = report
        self._begin = time.monotonic()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def text(self) -> str:
        """What it has said so far, both streams."""
        return self._read("stdout") + self._read("stderr")

    @property
    def stdout(self) -> str:
        """What it has written to stdout so far."""
        return self._read("stdout")

    def wait_for(self, words: str, timeout: float = 60) -> str:
        """Wait until it has said these words; returns what it said. Fails where it ends or takes too long."""
        end = time.monotonic() + timeout
        while words not in self.text:
            ended = self.process.poll() is not None
            assert not ended or words in self.text, f"ended without saying {words!r}:\n{self.text}"
            assert time.monotonic() < end, f"did not say {words!r} in {timeout}s:\n{self.text}"
            time.sleep(0.02)
        return self.text

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def cancel(self, number: int) -> None:
        """Send the signal to a step that has a clock of its own, and wait until it has handled it (or has ended)."""
        own = self._clock
        assert own is not None, "started without own_clock=True"
        before = own.signals
        self.signal(number)
        poll(lambda: own.signals > before or self.process.poll() is not None, "the signal to be handled")

    def time_passes(self, seconds: int = 3600) -> None:
        """Turn on the clock of a step that was started with one of its own."""
        assert self._clock is not None, "started without own_clock=True"
        self._clock.turn(seconds)

    def tokens_age(self, seconds: int) -> None:
        """Turn on the date of a step that was started with one of its own: no deadline is any nearer."""
        assert self._clock is not None, "started without date_stands=True"
        self._clock.turn_date(seconds)

    def wait(self, timeout: float = 120) -> Outcome:
        """Wait for its end; one that takes longer is killed, and the test fails."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.stop()
            pytest.fail(f"the step still ran after {timeout}s; it said:\n{self.text}")
        self.keep()
        return Outcome(code, self._read("stdout"), self._read("stderr"), time.monotonic() - self._begin, self._parsed())

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def keep(self) -> None:
        """Remember all that it wrote: a later run may write to the same files."""
        self.left = self.left or {"stdout": self._read("stdout"), "stderr": self._read("stderr"), **self.files()}

    def _read(self, stream: str) -> str:
        return (self._folder / stream).read_text(errors="replace")

    def _parsed(self) -> dict[str, Any] | None:
        if self._report is None or not self._report.exists():
            return None
        return dict(json.loads(self._report.read_text()))


class Step:
    """Runs ``python -m k8s_step`` as a process in a clean environment.

    At the end no secret that any of the runs was given may be found in anything that they wrote.
    """

    def __init__(
        self,
        folder: Path,
        kubeconfig: Path | None,
        program: Sequence[str] = ("-m", "k8s_step"),
        forks: ForkServer | None = None,
    ) -> None:
        self._folder = folder
        self._kubeconfig = kubeconfig
        self._program = program
        self._forks = forks
        self._runs: list[Running] = []
        self._secrets: set[str] = set()
        self._names: set[str] = set()

    def __call__(
        self,
        *args: str,
        env: Mapping[str, str | None] | None = None,
        input: str | None = None,
        timeout: float = 120,
        cwd: Path | None = None,
        report: bool = False,
    ) -> Outcome:
        """Run to the end. ``env`` is added to PATH, HOME, LANG and the admin's KUBECONFIG; None takes a variable away.

        ``report=True`` asks for the result file (``--report``) and parses it.
        """
        return self.start(*args, env=env, input=input, cwd=cwd, report=report).wait(timeout)

    def start(
        self,
        *args: str,
        env: Mapping[str, str | None] | None = None,
        input: str | None = None,
        cwd: Path | None = None,
        report: bool = False,
        own_clock: bool = False,
        clock_stands: bool = False,
        date_stands: bool = False,
    ) -> Running:
        """The same in the background; whatever still runs when the test ends is killed.

        ``own_clock``: time passes for it when the test says so (``Running.time_passes``), besides the machine's own;
        with ``clock_stands`` only then. ``date_stands``: the date changes when the test says so (``tokens_age``).
        """
        folder = self._folder / f"step-{len(self._runs) + 1}"
        folder.mkdir()
        (folder / "stdin").write_text(input or "")
        path = folder / "report.json" if report else None
        is_own = own_clock or clock_stands or date_stands
        own = clock.Clock(folder, stands=clock_stands, date_stands=date_stands) if is_own else None
        program = (clock.__file__, str(own.file)) if own else self._program
        words = [*args, *(("--report", str(path)) if path else ())]
        line = [sys.executable, *program, *words]
        environ = self.environment(env or {})
        where = cwd or self._folder
        with (
            (folder / "stdin").open("rb") as stdin,
            (folder / "stdout").open("wb") as stdout,
            (folder / "stderr").open("wb") as stderr,
        ):
            process: subprocess.Popen[bytes] | Forked
            if self._forks and not own and self._forks.can_start(environ):
                streams = [each.fileno() for each in (stdin, stdout, stderr)]
                process = self._forks.start(words, environ, where, streams)
            else:
                process = subprocess.Popen(line, env=environ, cwd=where, stdin=stdin, stdout=stdout, stderr=stderr)
        running = Running(process, folder, path, own)
        running.files = lambda: leaks.written(line, environ, where)
        self._runs.append(running)
        self._secrets |= leaks.planted(line, environ, input or "", where)
        self._names |= leaks.named(line, environ, input or "", where)
        return running

    def knows(self, *secrets: str) -> None:
        """Secrets that the runs got by themselves: they are searched for as well."""
        self._secrets |= {secret for secret in secrets if len(secret) >= leaks.SHORTEST}

    def timed_out(self, *args: str, after: str, **more: Any) -> Outcome:
        """A run whose time is up once it has said ``after``, however long that takes; ``more`` as for ``start``."""
        running = self.start(*args, own_clock=True, **more)
        running.wait_for(after)
        running.time_passes()
        return running.wait()

    def environment(self, given: Mapping[str, str | None]) -> dict[str, str]:
        """PATH, HOME, LANG, a secret that is none of the step's, the admin's KUBECONFIG, and what is ``given``."""
        home = self._folder / "home"
        home.mkdir(exist_ok=True)
        clean = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "UNRELATED_PASSWORD": CANARY}
        if self._kubeconfig:
            clean["KUBECONFIG"] = str(self._kubeconfig)
        return {name: value for name, value in {**clean, **given}.items() if value is not None}

    def close(self, *more: str) -> None:
        """Stop what still runs; fail where a secret, one of those given or of ``more``, was written out."""
        for run in self._runs:
            run.stop()
        for run in self._runs:
            run.keep()
            found = leaks.leaks(run.left, {*self._secrets, *(set(more) - self._names)}, self._names)
            assert not found, f"secrets came out of {run.process.args!r}: {found}"


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer | None]:
    """Starts steps sooner, unless ``K8S_STEP_TEST_FORK=0``."""
    if sys.platform != "linux" or os.environ.get("K8S_STEP_TEST_FORK") == "0":
        yield None
        return
    server = ForkServer(Step(tmp_path_factory.mktemp("forks"), None).environment({}))
    yield server
    server.stop()


@pytest.fixture
def step(request: pytest.FixtureRequest, tmp_path: Path, forks: ForkServer | None) -> Iterator[Step]:
    """Runs the step.

    In a test with a cluster (or namespace, proxy, …) ``KUBECONFIG`` is the admin's, unless ``env`` says otherwise
    (None: no kubeconfig); in a test without one there is no kubeconfig.
    """
    with_cluster = "cluster" in request.fixturenames
    cluster = request.getfixturevalue("cluster") if with_cluster else None
    namespace = request.getfixturevalue("namespace") if "namespace" in request.fixturenames else ""
    runner = Step(tmp_path, cluster.kubeconfig if cluster else None, forks=forks)
    yield runner
    runner.close(*(_secrets(cluster, namespace) if cluster and namespace else ()))


def _secrets(cluster: Cluster, namespace: str) -> list[str]:
    """The values of the Secrets that the step could read there."""
    found = cluster.get(f"/api/v1/namespaces/{namespace}/secrets")["items"]
    values = [value for item in found for value in leaks.values({**item, "kind": "Secret"})]
    return [value for value in values if len(value) >= leaks.SHORTEST]


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[Proxy]:
    """A recording reverse proxy in front of the API server, over plain HTTP, that can be told to misbehave."""
    with Proxy.before(cluster) as running:
        yield running


def poll(condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """Wait until the condition holds and return what it gave; fails with ``what`` after so many seconds."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {seconds}s in vain for {what}"
        time.sleep(0.02)
    return value


__all__: Sequence[str] = ("Kubectl", "Outcome", "Running", "Step", "poll")
