"""What the replays share: the environment of a container, and what a release has left."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from xml.etree import ElementTree as Xml

from tests.conftest import Kubectl
from tests.controlplane.cluster import Cluster


def images(kubectl: Kubectl, namespace: str) -> dict[str, str]:
    """The image of each Deployment."""
    found = json.loads(kubectl("-n", namespace, "get", "deployments", "-o", "json").stdout)["items"]
    return {item["metadata"]["name"]: item["spec"]["template"]["spec"]["containers"][0]["image"] for item in found}


def cases(path: Path) -> int:
    """How many objects the JUnit report has; it must have been written by this job."""
    return len(list(Xml.parse(path).getroot().iter("testcase")))


def listed(path: Path, cluster: Cluster, namespace: str, context: str = "") -> None:
    """A clusters file with the cluster, or a context of the kubeconfig, twice: as ``eu`` and ``us``."""
    where = {"context": context} if context else {"server": cluster.server, "ca": str(cluster.ca)}
    one = {**where, "namespace": namespace}
    path.write_text(json.dumps({"clusters": [{"name": name, **one} for name in ("eu", "us")]}))


def clean(**more: str) -> dict[str, str]:
    """What a container has: the image's ``k8s-step`` on the path, no kubeconfig."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {"PATH": path, "LANG": "C.UTF-8", **more}
