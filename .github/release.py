"""Makes of a commit what a release is: its version, its tags, an action.yml that names its image, links that hold.

``release.yml`` runs it, with no package beside Python: ``version``, ``action IMAGE`` and ``readme URL``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_RELATIVE = re.compile(r"(!?)(\[[^\]]*\])\((?![a-z]+:|#)([^)\s]+)\)")
_IMAGE = "  image: Dockerfile\n"


def version() -> None:
    """Print the package's version, the tags that move to it, and whether it is the newest, as outputs of a step."""
    found = re.search(r'__version__ = "(.*)"', Path("k8s_step/__init__.py").read_text(encoding="utf-8"))
    released = found[1] if found else ""
    if not _VERSION.fullmatch(released):
        raise SystemExit(f"k8s_step/__init__.py: {released!r} is not a version to release, such as 1.2.3")
    tags = subprocess.run(["git", "tag", "--list"], check=True, capture_output=True, text=True).stdout.split()
    if f"v{released}" in tags:
        raise SystemExit(f"v{released} is there already: raise __version__ in k8s_step/__init__.py")
    latest = all(other < _number(released) for other in _released(tags))
    print(f"version={released}\ntags={' '.join(moving(released, tags))}\nlatest={str(latest).lower()}")


def moving(released: str, tags: Iterable[str]) -> list[str]:
    """``v1.2`` and ``v1`` for 1.2.3, each where no newer release of that line is tagged; no ``v0``, for 0.x breaks."""
    major, minor, _ = number = _number(released)
    others = _released(tags)
    lines = {f"v{major}.{minor}": (major, minor), f"v{major}": (major,)} if major else {f"v0.{minor}": (0, minor)}
    return [tag for tag, line in lines.items() if not any(o[: len(line)] == line and o > number for o in others)]


def _released(tags: Iterable[str]) -> list[tuple[int, ...]]:
    return [_number(tag[1:]) for tag in tags if tag.startswith("v") and _VERSION.fullmatch(tag[1:])]


def _number(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def action(image: str) -> None:
    """Let action.yml start the published image, which a runner pulls, in place of the Dockerfile, which it builds."""
    path = Path("action.yml")
    text = path.read_text(encoding="utf-8")
    if text.count(_IMAGE) != 1:
        raise SystemExit(f"action.yml has no line {_IMAGE.strip()!r}")
    path.write_text(text.replace(_IMAGE, f"  image: docker://{image.lower()}\n"), encoding="utf-8")


def readme(url: str) -> None:
    """Let README.md's links lead to the files of that tag, for PyPI's page of the project; ``url`` ends in the tag."""
    path = Path("README.md")
    repository, _, tag = url.rpartition("/")

    def absolute(found: re.Match[str]) -> str:
        kind = "raw" if found[1] else "blob"
        return f"{found[1]}{found[2]}({repository}/{kind}/{tag}/{found[3]})"

    path.write_text(_RELATIVE.sub(absolute, path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    {"version": version, "action": action, "readme": readme}[sys.argv[1]](*sys.argv[2:])
