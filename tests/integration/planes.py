"""Control planes side by side: one more beside the tests' own, and a kubeconfig with a context for each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.controlplane import build
from tests.controlplane import cluster as clusters
from tests.controlplane.cluster import Cluster, kubeconfig

NOWHERE = "https://127.0.0.1:9"  # nobody listens at the discard port


@contextmanager
def plane(folder: Path) -> Iterator[Cluster]:
    """A control plane of its own in this folder."""
    try:
        yield clusters.start(folder, build.find())
    finally:
        stop(folder)


def stop(folder: Path) -> None:
    """Stop the control plane, and wait until it is gone."""
    clusters.release(folder)
    end = time.monotonic() + 120
    while folder.exists():
        assert time.monotonic() < end, f"the control plane in {folder} did not stop"
        time.sleep(0.05)


def side_by_side(path: Path, namespace: str, **planes: Cluster | str) -> str:
    """Write a kubeconfig with a context for each control plane, or for a mere URL, and return its path."""
    merged: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []}
    for name, one in planes.items():
        config = _of_url(one, name) if isinstance(one, str) else kubeconfig(one.server, one.folder, name=name)
        for kind in ("clusters", "users", "contexts"):
            merged[kind] += [_renamed(entry, name, kind, namespace) for entry in config[kind]]
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(merged, sort_keys=False))
    return str(path)


def _of_url(url: str, name: str) -> dict[str, Any]:
    return {
        "clusters": [{"name": name, "cluster": {"server": url}}],
        "users": [{"name": name, "user": {}}],
        "contexts": [{"name": name, "context": {}}],
    }


def _renamed(entry: Mapping[str, Any], name: str, kind: str, namespace: str) -> dict[str, Any]:
    if kind != "contexts":
        return {**entry, "name": name}
    return {"name": name, "context": {"cluster": name, "user": name, "namespace": namespace}}
