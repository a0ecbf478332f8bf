"""A test cluster as the tests see it: start or join one, speak to it as admin, mint tokens, write kubeconfigs."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import requests
import yaml

from tests.controlplane import build, plays, reviews

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120.0
_serial = itertools.count(1)
# What makes work for controllers and simulated nodes, owners first.
_AT_WORK = (
    "apis/autoscaling/v2/{}/horizontalpodautoscalers",
    "apis/batch/v1/{}/cronjobs",
    "apis/batch/v1/{}/jobs",
    "apis/apps/v1/{}/deployments",
    "apis/apps/v1/{}/replicasets",
    "apis/apps/v1/{}/statefulsets",
    "apis/apps/v1/{}/daemonsets",
    "api/v1/{}/replicationcontrollers",
    "api/v1/{}/services",
    "api/v1/{}/pods",
    "api/v1/{}/persistentvolumeclaims",
)
_held: dict[Path, IO[str]] = {}


class _Connections(threading.local):
    """The calling thread's session, which keeps its connections open: a request needs no handshake of its own."""

    def __init__(self) -> None:
        self.session = requests.Session()


_connections = _Connections()


@dataclass(frozen=True)
class Answer:
    """What the API server answered: the HTTP status and the object (``{}`` where it was no JSON)."""

    code: int
    body: dict[str, Any]
    text: str = field(repr=False, default="")


@dataclass(frozen=True)
class Cluster:
    """A cluster to test against.

    ``played`` says whether its pods are played by ``plays``; ``ours`` whether we started it. The paths are the admin's.
    """

    server: str
    folder: Path
    kubeconfig: Path
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    played: bool = True
    ours: bool = True
    processes: Mapping[str, int] = field(default_factory=dict)
    supervisor: int = 0
    etcd: str = ""

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        content_type: str = "application/json",
        **query: str,
    ) -> Answer:
        """One request as admin, or with ``token`` as whoever that is. Never raises for an HTTP status."""
        headers = {"Content-Type": content_type, **({"Authorization": f"Bearer {token}"} if token else self.headers)}
        own = not token and self.certificate and self.key
        answer = _connections.session.request(
            method,
            self.server + path,
            params=query,
            headers=headers,
            timeout=30,
            data=body if isinstance(body, bytes | str) or body is None else json.dumps(body),
            verify=str(self.ca) if self.ca else True,
            cert=(str(self.certificate), str(self.key)) if own else None,
        )
        with contextlib.suppress(ValueError):
            return Answer(answer.status_code, answer.json(), answer.text)
        return Answer(answer.status_code, {}, answer.text)

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """GET as admin; the object. Raises AssertionError with the server's words where it isn't there."""
        answer = self.request("GET", path, **query)
        assert answer.code == 200, f"GET {path}: {answer.code} {answer.text}"
        return answer.body

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST as admin; the object. An object that is already there is left as it is."""
        answer = self.request("POST", path, body)
        assert answer.code in (200, 201, 409), f"POST {path}: {answer.code} {answer.text}"
        return answer.body

    def token(
        self,
        namespace: str,
        service_account: str = "ci",
        *,
        rules: Sequence[Mapping[str, Any]] = (),
        cluster_rules: Sequence[Mapping[str, Any]] = (),
        seconds: int = 3600,
    ) -> str:
        """The JWT of a service account that may do what ``rules`` (Role) and ``cluster_rules`` (ClusterRole) say."""
        self.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", _object("v1", "ServiceAccount", service_account))
        if rules:
            self._grant(namespace, service_account, "Role", rules, f"/namespaces/{namespace}")
        if cluster_rules:
            self._grant(namespace, service_account, "ClusterRole", cluster_rules, "")
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        request = {**_object("authentication.k8s.io/v1", "TokenRequest"), "spec": {"expirationSeconds": seconds}}
        return str(self.create(path, request)["status"]["token"])

    def _grant(self, namespace: str, account: str, kind: str, rules: Sequence[Mapping[str, Any]], where: str) -> None:
        version = "rbac.authorization.k8s.io/v1"
        name = f"{account}-{os.getpid()}-{next(_serial)}" if where else f"{namespace}-{account}-{next(_serial)}"
        role = {**_object(version, kind, name), "rules": list(rules)}
        subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
        binding = {**_object(version, f"{kind}Binding", name), "subjects": [subject], "roleRef": reference}
        self.create(f"/apis/{version}{where}/{kind.lower()}s", role)
        self.create(f"/apis/{version}{where}/{kind.lower()}bindings", binding)
        self._wait_for_rules(f"system:serviceaccount:{namespace}:{account}", namespace, rules[0])

    def _wait_for_rules(self, user: str, namespace: str, rule: Mapping[str, Any]) -> None:
        """The authorizer reads roles from its own cache: wait until it has seen these."""
        if not rule.get("resources"):
            return
        resource, _, subresource = rule["resources"][0].partition("/")
        asked = {
            "namespace": namespace,
            "verb": rule["verbs"][0],
            "group": rule.get("apiGroups", [""])[0],
            "resource": resource,
            "subresource": subresource,
            "name": (rule.get("resourceNames") or [""])[0],
        }
        review = _object("authorization.k8s.io/v1", "SubjectAccessReview")
        review["spec"] = {"user": user, "resourceAttributes": asked}
        end = time.monotonic() + 10
        while not self.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"].get("allowed"):
            assert time.monotonic() < end, f"{user} is still not allowed to {asked}"
            time.sleep(0.02)

    @contextlib.contextmanager
    def trusting(self, *authenticators: Mapping[str, Any]) -> Iterator[None]:
        """Take tokens of these issuers (``AuthenticationConfiguration.jwt``) too.

        The API server reads its configuration again when it changes, but not at once: poll for the first token.
        """
        self._change_trust(lambda trusted: [*trusted, *authenticators])
        try:
            yield
        finally:
            self._change_trust(lambda trusted: [each for each in trusted if each not in authenticators])

    @contextlib.contextmanager
    def reviewing(self, url: str) -> Iterator[None]:
        """Ask this URL as well who a bearer token is of that none of the issuers gave: it takes TokenReviews."""
        path = self.folder / reviews.REVIEWERS
        self._change(path, lambda urls: [*urls, url])
        try:
            yield
        finally:
            self._change(path, lambda urls: [each for each in urls if each != url])

    def _change_trust(self, change: Callable[[list[Any]], list[Any]]) -> None:
        self._change(self.folder / "authentication.json", lambda config: {**config, "jwt": change(config["jwt"])})

    def _change(self, path: Path, change: Callable[[Any], Any]) -> None:
        """Under a lock: other workers have issuers of their own. One that is gone would hold up all reloading."""
        with build.locked(path.with_suffix(".lock"), lambda _: None):
            temporary = path.with_suffix(".new")
            temporary.write_text(json.dumps(change(json.loads(path.read_text()))))
            temporary.replace(path)

    def namespace(self, name: str) -> str:
        """Create a namespace and wait for the account and the ConfigMap that controllers put into each one.

        Without the account no pod starts in it; a list of its ConfigMaps would hold theirs or not, as it comes.
        """
        self.create("/api/v1/namespaces", _object("v1", "Namespace", name))
        end = time.monotonic() + 20
        for given in ("serviceaccounts/default", "configmaps/kube-root-ca.crt"):
            while self.request("GET", f"/api/v1/namespaces/{name}/{given}").code != 200:
                assert time.monotonic() < end, f"namespace {name} got no {given}"
                time.sleep(0.02)
        return name

    def compact(self) -> None:
        """Have etcd forget all but what is there now, and tell API servers so, as one of them does every five minutes.

        They forget what they cache within 15 seconds: ``storage/etcd3/compact.go`` and ``storage/cacher/compactor.go``.
        """
        key = base64.b64encode(b"compact_rev_key").decode()
        revision = str(self._etcd("range", {"key": key})["header"]["revision"])
        with contextlib.suppress(requests.HTTPError):  # somebody else has had it forget more since
            self._etcd("compaction", {"revision": revision, "physical": True})
        self._etcd("put", {"key": key, "value": base64.b64encode(revision.encode()).decode()})

    def created_at(self, key: str) -> int:
        """The revision, a resourceVersion, at which etcd got this key: ``GROUP/RESOURCE/NAMESPACE/NAME``."""
        (found,) = self._etcd("range", {"key": base64.b64encode(f"/registry/{key}".encode()).decode()})["kvs"]
        return int(found["create_revision"])

    def _etcd(self, verb: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = requests.post(f"{self.etcd}/v3/kv/{verb}", json=body, timeout=30)
        answer.raise_for_status()
        return dict(answer.json())

    def delete_namespace(self, name: str) -> None:
        """Ask for its deletion and don't wait: the namespace controller empties it."""
        self.request("DELETE", f"/api/v1/namespaces/{name}")

    def leave_namespace(self, name: str) -> None:
        """Have nothing go on in it, and don't wait. In a cluster of ours the rest stays: to empty it costs more.

        The namespace controller sends two requests for each of some fifty kinds.
        """
        if not self.ours:
            self.delete_namespace(name)
            return
        for path in _AT_WORK:
            self.request("DELETE", "/" + path.format(f"namespaces/{name}"))

    def volume(self, namespace: str, claim: str) -> None:
        """A PersistentVolume of 1 GiB for this claim, of a class that nobody provisions for, and for no other."""
        name = f"{namespace}-{claim}"
        spec = {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            "storageClassName": "unprovisioned",
            "hostPath": {"path": f"/var/empty/{name}"},
            "claimRef": {"namespace": namespace, "name": claim},
        }
        self.create("/api/v1/persistentvolumes", {**_object("v1", "PersistentVolume", name), "spec": spec})

    def write_kubeconfig(
        self,
        path: Path,
        *,
        user: Mapping[str, Any] | None = None,
        cluster: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        name: str = "test",
    ) -> Path:
        """Write a kubeconfig with one context ``name``.

        ``user`` replaces the admin's certificate (``{"token": …}``, ``certificate_files()``, ``{"exec": …}``);
        ``cluster`` and ``context`` add to the server and CA, and to the context (``{"namespace": …}``).
        """
        config = kubeconfig(self.server, self.folder, user=user, cluster=cluster, context=context, name=name)
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        return path

    def certificate_files(self) -> dict[str, str]:
        """The admin's client certificate as a kubeconfig user with paths in it."""
        return {"client-certificate": str(self.certificate), "client-key": str(self.key)}


def _object(api_version: str, kind: str, name: str = "") -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, **({"metadata": {"name": name}} if name else {})}


def kubeconfig(
    server: str,
    folder: Path,
    *,
    user: Mapping[str, Any] | None = None,
    cluster: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
    name: str = "test",
) -> dict[str, Any]:
    """A kubeconfig document: by default the admin's, with the certificate's data. A None in ``cluster`` drops a key."""
    if user is None:
        files = {"client-certificate-data": "admin.crt", "client-key-data": "admin.key"}
        user = {key: _base64(folder / name) for key, name in files.items()}
    to = {"server": server, "certificate-authority-data": _base64(folder / "ca.crt"), **(cluster or {})}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {key: value for key, value in to.items() if value is not None}}],
        "users": [{"name": name, "user": dict(user)}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, **(context or {})}}],
        "current-context": name,
    }


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


SUPERVISOR = "tests.controlplane.supervisor"


def start(folder: Path, binaries: Mapping[str, Path], supervisor: str = SUPERVISOR) -> Cluster:
    """The cluster of this folder: started by whoever comes first, shared by all, stopped when the last one is gone.

    ``supervisor`` is the module that runs its servers. Raises UnavailableError where the cluster doesn't come up.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with build.locked(folder.with_suffix(".lock"), lambda _: None):
        folder.mkdir(mode=0o700, exist_ok=True)
        _hold(folder)
        return running(folder) or _start(folder, binaries, supervisor)


def _hold(folder: Path) -> None:
    """Be a user of this cluster until this process ends: the kernel lets go of the lock even after SIGKILL."""
    file = (folder / "in-use").open("w")
    fcntl.flock(file, fcntl.LOCK_SH)
    _held[folder] = file


def release(folder: Path) -> None:
    """Stop being a user of the cluster before the process ends."""
    if file := _held.pop(folder, None):
        file.close()


def running(folder: Path) -> Cluster | None:
    """The cluster that runs in this folder, or None."""
    try:
        told = json.loads((folder / "cluster.json").read_text())
    except FileNotFoundError:
        return None
    return Cluster(
        told["server"],
        folder,
        folder / "admin.kubeconfig",
        folder / "ca.crt",
        folder / "admin.crt",
        folder / "admin.key",
        processes=told["processes"],
        supervisor=told["pid"],
        etcd=told["etcd"],
    )


def _start(folder: Path, binaries: Mapping[str, Path], supervisor: str) -> Cluster:
    """Two attempts: another process may take a free port between our look and the server's start."""
    for attempt in (1, 2):
        problem = _supervise(folder, binaries, supervisor)
        if cluster := running(folder):
            return cluster
        if attempt == 2 or "address already in use" not in problem:
            break
    raise build.UnavailableError(f"it was built but does not start: {problem}")


def _supervise(folder: Path, binaries: Mapping[str, Path], supervisor: str) -> str:
    """Start the supervisor and wait until the cluster is there; what went wrong, or nothing."""
    (folder / "failed").unlink(missing_ok=True)
    names = json.dumps({name: str(path) for name, path in binaries.items()})
    with (folder / "supervisor.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", supervisor, str(folder), names],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    end = time.monotonic() + START_SECONDS
    while not (folder / "cluster.json").exists():
        if process.poll() is not None:
            return _problem(folder)
        if time.monotonic() > end:
            process.terminate()
            return f"not ready after {START_SECONDS:.0f}s"
        time.sleep(0.05)
    return ""


def _problem(folder: Path) -> str:
    for name in ("failed", "supervisor.log"):
        path = folder / name
        if path.exists() and (text := path.read_text(errors="replace").strip()):
            return text
    return "the supervisor ended without a word"


def existing(path: Path, folder: Path) -> Cluster:
    """The cluster of ``K8S_STEP_TEST_KUBECONFIG``: nothing is started or stopped."""
    config = yaml.safe_load(path.read_text())
    current = _named(config, "contexts", config["current-context"])["context"]
    server = _named(config, "clusters", current["cluster"])["cluster"]
    user = _named(config, "users", current["user"])["user"]
    headers = {"Authorization": f"Bearer {user['token']}"} if user.get("token") else {}
    found = Cluster(
        server["server"].rstrip("/"),
        folder,
        path,
        ca=_file(folder, "ca.crt", server, "certificate-authority"),
        certificate=_file(folder, "admin.crt", user, "client-certificate"),
        key=_file(folder, "admin.key", user, "client-key"),
        headers=headers,
        ours=False,
    )
    nodes = found.get("/api/v1/nodes", labelSelector=f"{plays.PREFIX}/played=true")["items"]
    return replace(found, played=bool(nodes))


def _named(config: Mapping[str, Any], kind: str, name: str) -> dict[str, Any]:
    return next(dict(entry) for entry in config[kind] if entry["name"] == name)


def _file(folder: Path, name: str, section: Mapping[str, Any], key: str) -> Path | None:
    """A kubeconfig entry, data or path, as a file of this folder."""
    path = folder / name
    if data := section.get(f"{key}-data"):
        path.touch(mode=0o600)
        path.write_bytes(base64.b64decode(data))
        return path
    return Path(section[key]) if section.get(key) else None
