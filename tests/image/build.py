"""Builds the image with buildah and unpacks it into a cache outside the checkout, keyed by all it is made of.

``python -m tests.image`` does it and prints its size. ``K8S_STEP_TEST_BASE`` names a base to be pulled; without it one
is made here (``base``).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k8s_step import __version__
from tests.controlplane.build import cache_folder, locked
from tests.image import base
from tests.image.tools import Buildah, UnavailableError, missing, run

ROOT = Path(__file__).resolve().parents[2]
BASE = "K8S_STEP_TEST_BASE"
NAME = "localhost/k8s-step:test"
LABELS = {
    "VERSION": __version__,
    "REVISION": "f" * 40,
    "CREATED": "2026-01-02T03:04:05Z",
    "SOURCE": "https://x.example",
}
CONTEXT = (
    "Dockerfile",
    ".dockerignore",
    "requirements.lock",
    "requirements-build.lock",
    "pyproject.toml",
    "README.md",
    "LICENSE",
)
_KEPT = 3
# Where pip finds packages on this machine; the values go into a file that only the build sees.
_PIP_SETTINGS = (
    "index-url",
    "extra-index-url",
    "find-links",
    "cert",
    "client-cert",
    "trusted-host",
    "proxy",
    "timeout",
)


@dataclass(frozen=True)
class Image:
    """The unpacked image: its root, its configuration in OCI's words, its bytes and those of its base."""

    root: Path
    config: dict[str, Any]
    unpacked: int
    base: int

    @property
    def size(self) -> str:
        """For people; what is pulled is a gzipped tar."""
        packed = int(run("sh", "-c", 'tar -C "$0" -c . | gzip | wc -c', str(self.root)))
        whole, pull, base = (round(size / 1e6) for size in (self.unpacked, packed, self.base))
        return f"image: {whole} MB unpacked, {pull} MB to pull; its base alone is {base} MB unpacked"


def at_hand() -> Image | None:
    """The image of this checkout, where it has been built already."""
    return _read(_cache() / f"image-{_key()}")


def built() -> Image:
    """The image of this checkout; built first where the cache lacks it. Raises UnavailableError with the reason."""
    reason = missing(*(() if os.environ.get(BASE) else ("debootstrap",)))
    if reason:
        raise UnavailableError(reason)
    cache = _cache()
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"image-{_key()}"
    with locked(cache / "image.lock", lambda line: None):
        if not folder.is_dir():
            _build(Buildah(cache / "storage"), folder)
        os.utime(folder)
        image = _read(folder)
    assert image is not None
    return image


def _cache() -> Path:
    return cache_folder().with_name("k8s-step-image")


def _key() -> str:
    """What the image is made of, as a short hash."""
    digest = hashlib.sha256(os.environ.get(BASE, "").encode())
    sources = sorted(path for path in (ROOT / "k8s_step").rglob("*") if path.is_file() and path.suffix != ".pyc")
    for path in (*(ROOT / name for name in CONTEXT), Path(base.__file__), Path(__file__), *sources):
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _read(folder: Path) -> Image | None:
    try:
        return Image(folder / "root", **json.loads((folder / "image.json").read_text()))
    except FileNotFoundError:
        return None


def _build(buildah: Buildah, folder: Path) -> None:
    _sweep(buildah, folder.parent)
    named = os.environ.get(BASE) or base.made(buildah, base.minor_of((ROOT / "Dockerfile").read_text()))
    with _pip_settings() as settings:
        words = ["bud", "--layers", "--isolation", "chroot", "--network", "host", *settings]
        for argument, value in {"BASE": named, **LABELS}.items():
            words += ["--build-arg", f"{argument}={value}"]
        # By name, so that the layers of what changes rarely outlive the pruning below.
        for stage in ("build", "root"):
            buildah(*words, "--target", stage, "--tag", f"{NAME}-{stage}", str(ROOT))
        buildah(*words, "--tag", NAME, str(ROOT))
    _unpack(buildah, named, folder)
    buildah("rm", "--all")  # bud leaves some of its own
    buildah("rmi", "--prune")


def _sweep(buildah: Buildah, cache: Path) -> None:
    """Remove what an interrupted build left, and old images; another checkout's tests may be using a new one."""
    buildah("rm", "--all")
    images = sorted((path for path in cache.glob("image-*") if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for leftover in (*cache.glob("unpacking-*"), *images[:-_KEPT]):
        shutil.rmtree(leftover)


def _unpack(buildah: Buildah, named: str, folder: Path) -> None:
    """Beside the others, then renamed, so that nobody sees half of it."""
    temporary = Path(tempfile.mkdtemp(prefix="unpacking-", dir=folder.parent))
    with buildah.container(named) as (_, root):
        before = _disk(root)
    with buildah.container(NAME) as (_, root):
        run("cp", "-a", str(root), str(temporary / "root"))
    inspected = json.loads(buildah("inspect", "--type", "image", NAME))
    known = {"config": inspected["OCIv1"]["config"], "base": before, "unpacked": _disk(temporary / "root")}
    (temporary / "image.json").write_text(json.dumps(known))
    temporary.chmod(0o755)
    temporary.rename(folder)


def _disk(root: Path) -> int:
    return int(run("du", "-s", "--block-size=1", "--apparent-size", str(root)).split()[0])


@contextlib.contextmanager
def _pip_settings() -> Iterator[list[str]]:
    """Volumes that let the build's pip reach the packages as this machine's does; empty where it needs nothing."""
    settings = _pip_config(run("python3", "-m", "pip", "config", "list"))
    with tempfile.TemporaryDirectory() as folder:
        lines, volumes = [], []
        for name, value in settings.items():
            if Path(value).is_absolute():
                volumes += ["--volume", f"{value}:{value}:ro"]
            lines.append(f"{name} = {value}")
        config = Path(folder, "pip.conf")
        config.write_text("\n".join(["[global]", *lines, ""]))
        yield ["--volume", f"{config}:/etc/pip.conf:ro", *volumes]


def _pip_config(listed: str) -> Mapping[str, str]:
    """``pip config list`` says ``global.cert='/path'`` and, for PIP_CERT, ``:env:.cert='/path'``."""
    pairs = (line.partition("=") for line in listed.splitlines())
    named = {key.rpartition(".")[2]: value.strip("'\"") for key, _, value in pairs}
    return {name: value for name, value in named.items() if name in _PIP_SETTINGS and not _empty(value)}


def _empty(value: str) -> bool:
    """A folder that isn't there or holds nothing."""
    path = Path(value)
    return path.is_absolute() and not path.is_file() and not (path.is_dir() and any(path.iterdir()))
