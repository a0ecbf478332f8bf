"""The process that runs one test cluster, and takes it down when the last process that uses it is gone.

A user holds the folder's ``in-use`` lock, which the kernel lets go of however that process ended.
Started by ``cluster.start``.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.controlplane import kubelet, plays, reviews
from tests.controlplane.pki import Authority, new_key, public_key

START_SECONDS = 90.0
NODES = ("node-1", "node-2", "node-3")
_AUTHENTICATION = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": []}
_PR_SET_PDEATHSIG = 1


class StartError(Exception):
    """A server of the cluster ended or never became ready; the message carries the end of its log."""


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens on now; all are held until the last is found, so they differ."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _die_with_parent() -> None:
    """In the child: have the kernel kill it when its parent dies (Linux; elsewhere the in-use lock must do)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Supervisor:
    """One cluster in one folder."""

    def __init__(self, folder: Path, binaries: dict[str, str]) -> None:
        self.folder = folder
        self.binaries = binaries
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.etcd_port, self.peer_port, self.port, self.kubelet_port, self.reviews_port = free_ports(5)
        self.server = f"https://127.0.0.1:{self.port}"
        self.stopping = threading.Event()

    def run(self) -> int:
        """Start, say so in ``cluster.json``, wait for the end, stop. What went wrong goes to ``failed``."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())
        try:
            self._start()
            self._announce()
            threading.Thread(target=self._wait_for_users, daemon=True).start()
            self._watch()
        except StartError as error:
            (self.folder / "failed").write_text(str(error))
            return 1
        finally:
            self._stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        return 0

    def _start(self) -> None:
        self._write_credentials()
        reviews.write_config(self.reviews_port, self.folder)
        reviews.serve(self.reviews_port, self.folder)
        self._launch("etcd", self._etcd_flags())
        self._launch("kube-apiserver", self._apiserver_flags())
        self._wait_until(self._ready, "the API server to be ready")
        kubeconfig = f"--kubeconfig={self.folder}/admin.kubeconfig"
        self._launch("kube-controller-manager", [kubeconfig, *self._manager_flags()])
        self._launch(
            "kube-scheduler",
            [kubeconfig, "--leader-elect=false", "--secure-port=0", "--kube-api-qps=500", "--kube-api-burst=1000"],
        )
        self._dress()
        self._write_stages()
        self._launch(
            "kwok",
            [
                kubeconfig,
                f"--config={self.folder}/stages.yaml",
                "--manage-all-nodes",
                "--node-ip=127.0.0.1",
                "--cidr=10.244.0.0/16",
                "--v=ERROR",
            ],
        )
        kubelet.serve(self.kubelet_port, self.folder, self._get_pod)
        self._wait_until(self._default_account, "the default service account")

    def _launch(self, name: str, flags: Sequence[str]) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [self.binaries[name], *flags],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
            )

    def _write_credentials(self) -> None:
        authority = Authority()
        hosts = ("127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "10.0.0.1")
        (self.folder / "ca.crt").write_bytes(authority.certificate)
        authority.sign("kube-apiserver", hosts=hosts).write(self.folder, "server")
        authority.sign("kubelet", hosts=("127.0.0.1",)).write(self.folder, "kubelet")
        admin = authority.sign("admin", organization="system:masters")
        admin.write(self.folder, "admin")
        key = new_key()
        (self.folder / "accounts.key").write_bytes(key)
        (self.folder / "accounts.pub").write_bytes(public_key(key))
        (self.folder / "authentication.json").write_text(json.dumps(_AUTHENTICATION))
        self._write_kubeconfig()

    def _write_kubeconfig(self) -> None:
        from tests.controlplane.cluster import kubeconfig

        (self.folder / "admin.kubeconfig").write_text(json.dumps(kubeconfig(self.server, self.folder)))

    def _write_stages(self) -> None:
        documents = [json.dumps(document) for document in plays.stages()]
        (self.folder / "stages.yaml").write_text("\n---\n".join(documents))

    def _etcd_flags(self) -> list[str]:
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{self.peer_port}"
        return [
            f"--data-dir={self.folder}/etcd",
            "--unsafe-no-fsync",
            "--log-level=warn",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]

    def _apiserver_flags(self) -> list[str]:
        folder = self.folder
        return [
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}",
            "--authorization-mode=RBAC",
            f"--client-ca-file={folder}/ca.crt",
            f"--authentication-config={folder}/authentication.json",
            f"--authentication-token-webhook-config-file={folder}/{reviews.CONFIG}",
            "--authentication-token-webhook-version=v1",
            "--authentication-token-webhook-cache-ttl=1s",
            f"--tls-cert-file={folder}/server.crt",
            f"--tls-private-key-file={folder}/server.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={folder}/accounts.key",
            f"--service-account-key-file={folder}/accounts.pub",
            "--service-cluster-ip-range=10.0.0.0/16",
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-certificate-authority={folder}/ca.crt",
            f"--kubelet-client-certificate={folder}/admin.crt",
            f"--kubelet-client-key={folder}/admin.key",
            "--allow-privileged=true",
            "--profiling=false",
            "--endpoint-reconciler-type=none",
            # What is in etcd can then be read there, whatever the API server says of it (tests/chaos/history.py).
            "--storage-media-type=application/json",
        ]

    def _manager_flags(self) -> list[str]:
        return [
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            "--controllers=*,-node-lifecycle-controller",
            f"--root-ca-file={self.folder}/ca.crt",
            f"--service-account-private-key-file={self.folder}/accounts.key",
            "--profiling=false",
            "--concurrent-deployment-syncs=20",
            "--concurrent-replicaset-syncs=20",
            "--concurrent-gc-syncs=20",
            "--concurrent-service-endpoint-syncs=10",
            "--concurrent-namespace-syncs=20",
        ]

    def _dress(self) -> None:
        for name in NODES:
            self._create("/api/v1/nodes", _node(name))
            self._call("PATCH", f"/api/v1/nodes/{name}/status", {"status": _node_status(name, self.kubelet_port)})
            # Admission taints a new node until the node-lifecycle controller, which is off here, finds it ready.
            self._call("PATCH", f"/api/v1/nodes/{name}", {"spec": {"taints": None}})
        for name, mode, provisioner, default in _STORAGE_CLASSES:
            self._create("/apis/storage.k8s.io/v1/storageclasses", _storage_class(name, mode, provisioner, default))

    def _create(self, path: str, body: dict[str, Any]) -> None:
        self._call("POST", path, body)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One request as admin. RBAC and admission may still be filling their caches: refused ones are repeated."""
        end = time.monotonic() + 30
        while True:
            code, answer = self._request(method, path, body)
            if code < 300 or (method == "POST" and code == 409):
                return answer
            if time.monotonic() > end:
                raise StartError(f"{method} {path} answered {code}: {answer.get('message')}")
            self.stopping.wait(0.05)

    def _request(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        context.load_cert_chain(self.folder / "admin.crt", self.folder / "admin.key")
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=context)
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        with contextlib.closing(connection):
            connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": kind})
            answer = connection.getresponse()
            text = answer.read()
        return answer.status, json.loads(text) if text.startswith(b"{") else {}

    def _get_pod(self, namespace: str, name: str) -> dict[str, Any] | None:
        code, pod = self._request("GET", f"/api/v1/namespaces/{namespace}/pods/{name}")
        return pod if code == 200 else None

    def _ready(self) -> bool:
        try:
            return self._request("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def _default_account(self) -> bool:
        return self._request("GET", "/api/v1/namespaces/default/serviceaccounts/default")[0] == 200

    def _wait_until(self, condition: Any, what: str) -> None:
        end = time.monotonic() + START_SECONDS
        while not condition():
            self._check()
            if time.monotonic() > end:
                raise StartError(f"waited {START_SECONDS:.0f}s in vain for {what}\n{self._tail('kube-apiserver')}")
            self.stopping.wait(0.05)

    def _check(self) -> None:
        """Raise where a server has ended by itself, or where we are told to stop."""
        if self.stopping.is_set():
            raise StartError("stopped while starting")
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise StartError(f"{name} ended with {process.returncode}:\n{self._tail(name)}")

    def _tail(self, name: str) -> str:
        lines = (self.folder / f"{name}.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-8:])

    def _announce(self) -> None:
        told = {
            "server": self.server,
            "etcd": f"http://127.0.0.1:{self.etcd_port}",
            "pid": os.getpid(),
            "processes": {name: process.pid for name, process in self.processes.items()},
        }
        temporary = self.folder / "cluster.json.new"
        temporary.write_text(json.dumps(told))
        temporary.rename(self.folder / "cluster.json")

    def _wait_for_users(self) -> None:
        """Every user holds ``in-use`` shared, for as long as its process lives: alone means nobody is left."""
        with (self.folder / "in-use").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.stopping.set()

    def _watch(self) -> None:
        while not self.stopping.wait(0.5):
            self._check()

    def _stop(self) -> None:
        """Nothing is worth keeping: kill them all, the writers first."""
        (self.folder / "cluster.json").unlink(missing_ok=True)
        for process in reversed(list(self.processes.values())):
            process.kill()
        for process in self.processes.values():
            process.wait()


_STORAGE_CLASSES = (
    ("immediate", "Immediate", plays.PROVISIONER, True),
    ("wait-for-consumer", "WaitForFirstConsumer", plays.PROVISIONER, False),
    ("unprovisioned", "Immediate", "kubernetes.io/no-provisioner", False),
)


def _storage_class(name: str, mode: str, provisioner: str, default: bool) -> dict[str, Any]:
    notes = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "provisioner": provisioner,
        "volumeBindingMode": mode,
        "metadata": {"name": name, "annotations": notes},
    }


def _node(name: str) -> dict[str, Any]:
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        f"{plays.PREFIX}/played": "true",
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def _node_status(name: str, port: int) -> dict[str, Any]:
    room = {"cpu": "1000", "memory": "4Ti", "ephemeral-storage": "10Ti", "pods": "5000"}
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
    return {
        "capacity": room,
        "allocatable": room,
        "conditions": [ready],
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }


if __name__ == "__main__":
    sys.exit(Supervisor(Path(sys.argv[1]), json.loads(sys.argv[2])).run())
