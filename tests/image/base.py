"""A base image where the registry's can't be pulled: Debian by debootstrap and a Python of this machine, in /usr/local.

It has what ``python:…-slim-bookworm`` has (its Debian packages, its Python's layout, pip), so that the Dockerfile can't
tell the two apart.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.image.tools import Buildah, FailedError, UnavailableError, run

SUITE = "bookworm"
# What docker-library/python installs beside debian:bookworm-slim: the libraries that its Python links.
PACKAGES = (
    "ca-certificates,netbase,tzdata,libbz2-1.0,libdb5.3,libffi8,libgdbm6,liblzma5,libncursesw6,libnsl2,libreadline8,"
    "libsqlite3-0,libssl3,libtirpc3,libuuid1,zlib1g"
)
_PREFIX = "import sys; print(sys.base_prefix, '%d.%d.%d' % sys.version_info[:3])"
_WORKS = "import bz2, ctypes, lzma, ssl, sqlite3, zlib; import pip"
_NOT_IN_SLIM = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
    "var/cache/apt",
    "var/lib/apt/lists",
)


def made(buildah: Buildah, minor: str) -> str:
    """The base's name, of Python ``minor`` where this machine has one, else of the Python that runs this."""
    prefix, version = _python(minor)
    recipe = hashlib.sha256(Path(__file__).read_bytes() + f"{version} {os.uname().machine}".encode()).hexdigest()
    name = f"localhost/k8s-step-base:{version}-{recipe[:12]}"
    if not buildah.has(name):
        try:
            _make(buildah, name, prefix, version.rpartition(".")[0])
        except FailedError as problem:
            raise UnavailableError(f"no base image could be made: {problem}") from problem
    return name


def _python(minor: str) -> tuple[Path, str]:
    """Prefix and version of an interpreter that can be copied: one of its own folder, not the distribution's."""
    for executable in _interpreters(minor):
        answer = subprocess.run([executable, "-I", "-c", _PREFIX], capture_output=True, text=True, timeout=60)
        prefix, _, version = answer.stdout.strip().rpartition(" ")
        if answer.returncode == 0 and Path(prefix) != Path("/usr"):
            return Path(prefix), version
    raise UnavailableError("no Python here that could be copied into a base image (the distribution's can't)")


def _interpreters(minor: str) -> Iterator[str]:
    if named := shutil.which(f"python{minor}"):
        yield named
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(map(str, pyenv.glob(f"versions/{minor}.*/bin/python{minor}")), reverse=True)
    yield sys.executable


def _make(buildah: Buildah, name: str, prefix: Path, minor: str) -> None:
    with buildah.container("scratch") as (container, root):
        run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root))
        for folder in _NOT_IN_SLIM:
            shutil.rmtree(root / folder, ignore_errors=True)
        _copy_python(prefix, minor, root / "usr/local")
        run("chroot", str(root), "ldconfig")
        run("chroot", str(root), "python", "-m", "ensurepip")
        run("chroot", str(root), "python", "-c", _WORKS)
        shutil.rmtree(root / "root/.cache", ignore_errors=True)
        buildah("commit", container, name)


def _copy_python(prefix: Path, minor: str, target: Path) -> None:
    """As in the official image: no tests, no bytecode, no static library, no packages; stripped."""
    library = target / f"lib/python{minor}"
    unwanted = shutil.ignore_patterns("__pycache__", "test", "tests", "idle_test", "*.a", "site-packages")
    shutil.copytree(prefix / f"lib/python{minor}", library, symlinks=True, ignore=unwanted)
    (library / "site-packages").mkdir()
    for shared in prefix.glob("lib/libpython*.so*"):
        shutil.copy2(shared, target / "lib", follow_symlinks=False)
    shutil.copy2(prefix / f"bin/python{minor}", target / "bin")
    for link, to in (("python3", f"python{minor}"), ("python", "python3")):
        (target / "bin" / link).symlink_to(to)
    if strip := shutil.which("strip"):
        binaries = [path for path in target.rglob("*.so*") if path.is_file() and not path.is_symlink()]
        run(strip, "--strip-unneeded", *map(str, binaries), str(target / f"bin/python{minor}"))


def minor_of(dockerfile: str) -> str:
    """The Python the Dockerfile's own base has: 3.13."""
    found = re.search(r"^ARG BASE=python:(\d+\.\d+)\.", dockerfile, re.M)
    assert found, "the Dockerfile names no python base"
    return found[1]
