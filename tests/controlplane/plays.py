"""What pods play, by a word in a container's image, and the kwok stages that play it.

The table is the one source for kwok's stages, the logs that ``kubelet`` serves and what ``make cluster`` prints.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PREFIX = "test.k8s-step"


@dataclass(frozen=True)
class Play:
    """What a container does whose image holds ``word``; the first row that matches wins.

    ``does``: run, wait (never starts), pull (alternates two reasons) or die (exits with ``code``; restarted as the
    pod's restart policy says). ``recovers``: after so many restarts or pulls it runs for good; 0 is never.
    """

    word: str
    about: str
    does: str
    ready: bool = False
    reason: str = ""
    message: str = ""
    code: int = 0
    recovers: int = 0
    event: str = ""
    log: tuple[str, ...] = ()


_PULL = 'rpc error: code = {code} desc = failed to pull and unpack image "{{reference}}": '
_RESOLVE = 'failed to resolve reference "{reference}": '
_NOT_FOUND = _PULL.format(code="NotFound") + _RESOLVE + "{reference}: not found"
_DENIED = (
    _PULL.format(code="Unknown") + _RESOLVE + "pull access denied, repository does not exist or may require"
    " authorization: server message: insufficient_scope: authorization failed"
)
_RATE_LIMITED = (
    _PULL.format(code="Unknown") + "failed to copy: httpReadSeeker: failed open: unexpected status code 429 Too Many"
    " Requests - Server message: toomanyrequests: You have reached your unauthenticated pull rate limit."
    " https://www.docker.com/increase-rate-limit"
)
_UNAVAILABLE = _PULL.format(code="Unknown") + _RESOLVE + "unexpected status from HEAD request: 503 Service Unavailable"
_NO_COMMAND = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed:"
    ' unable to start container process: error during container init: exec: "/app/server": stat /app/server: no such'
    " file or directory"
)
_CRASH_LOG = (
    "starting",
    "connecting to db:5432",
    "FATAL: password authentication failed",
)
_NOT_FOUND_LOG = ("sh: /app/server: not found",)

PLAYS = (
    Play(
        "pull-rate-limited",
        "ErrImagePull (429 toomanyrequests) and ImagePullBackOff, in turn",
        "pull",
        message=_RATE_LIMITED,
    ),
    Play("pull-denied", "the same with 'pull access denied'", "pull", message=_DENIED),
    Play("pull-unavailable", "the same with the registry's 503", "pull", message=_UNAVAILABLE),
    Play("pull-retry", "one failed pull (503), then ready", "pull", message=_UNAVAILABLE, recovers=1),
    Play("pull-fail", "ErrImagePull ('not found') and ImagePullBackOff, in turn", "pull", message=_NOT_FOUND),
    Play(
        "invalid-name",
        "InvalidImageName",
        "wait",
        reason="InvalidImageName",
        event="InspectFailed",
        message='Failed to apply default image tag "{image}": couldn\'t parse image name "{image}": invalid reference'
        " format",
    ),
    Play(
        "never-pull",
        "ErrImageNeverPull",
        "wait",
        reason="ErrImageNeverPull",
        event="ErrImageNeverPull",
        message='Container image "{image}" is not present with pull policy of Never',
    ),
    Play(
        "config-error",
        "CreateContainerConfigError",
        "wait",
        reason="CreateContainerConfigError",
        message='secret "app-secrets" not found',
    ),
    Play(
        "create-error",
        "CreateContainerError",
        "wait",
        reason="CreateContainerError",
        message='failed to reserve container name "app": name "app" is reserved',
    ),
    Play("run-error", "RunContainerError", "wait", reason="RunContainerError", message=_NO_COMMAND),
    Play("crash-once", "exits with 1 once, then ready", "die", reason="Error", code=1, recovers=1, log=_CRASH_LOG),
    Play(
        "crash-ready",
        "is ready for a moment, then exits with 1, again and again",
        "die",
        ready=True,
        reason="Error",
        code=1,
        log=_CRASH_LOG,
    ),
    Play(
        "crash",
        "exits with 1, again and again: CrashLoopBackOff (as an init container too)",
        "die",
        reason="Error",
        code=1,
        log=_CRASH_LOG,
    ),
    Play(
        "oom",
        "killed with 137 OOMKilled, again and again",
        "die",
        reason="OOMKilled",
        code=137,
        log=("starting", "loading the catalogue into memory"),
    ),
    Play("no-command", "exits with 127, again and again", "die", reason="Error", code=127, log=_NOT_FOUND_LOG),
    Play("segfault", "exits with 139, again and again", "die", reason="Error", code=139, log=("starting",)),
    Play(
        "liveness",
        "stopped by its liveness probe, with 137, again and again",
        "die",
        reason="Error",
        code=137,
        event="Killing",
        message="failed liveness probe, will be restarted",
        log=("starting", "GET /healthz ..."),
    ),
    Play(
        "never-ready",
        "running, never ready",
        "run",
        message="HTTP probe failed with statuscode: 503",
        log=("listening on :8080", "GET /healthz 503"),
    ),
    Play(
        "job-fail",
        "exits with 3",
        "die",
        reason="Error",
        code=3,
        log=("migrating", "applied 0001_users", 'ERROR: relation "orders" already exists'),
    ),
    Play(
        "job-ok",
        "exits with 0",
        "die",
        reason="Completed",
        code=0,
        log=("migrating", "applied 0001_users", "applied 0002_orders", "done"),
    ),
    Play("job-hang", "runs for ever, in a Job too", "run", ready=True, log=("waiting for the lock",)),
)
DEFAULT_LOG = ("starting", "listening on :8080")

ANNOTATIONS = {
    "create-delay": "3s: ContainerCreating for so long",
    "delay": "3s: running but not ready for so long; a Job's pod runs for so long (also image word ready-after-3s)",
    "termination": "3s: Terminating for so long",
    "log": "the container's log, line by line, instead of the play's own",
    "log-every": "20ms: an endless log, tick 0, tick 1, …, a line each so long",
    "no-address": '"true" on a Service of type LoadBalancer: it never gets an address',
}


def play_of(image: str) -> Play | None:
    """The play an image names, or None: an ordinary container."""
    return next((play for play in PLAYS if re.search(f"(^|[^a-zA-Z0-9]){play.word}", image)), None)


def lines_of(image: str) -> tuple[str, ...]:
    """The whole log of one run of a container with this image."""
    play = play_of(image)
    return (play and play.log) or DEFAULT_LOG


def stages() -> list[dict[str, Any]]:
    """kwok's configuration: options and every stage, as documents."""
    # A number left out is 0 here, not kwok's default, and 0 workers play nothing.
    options = {
        "podPlayStageParallelism": 16,
        "nodePlayStageParallelism": 1,
        "podsOnNodeSyncParallelism": 4,
        "nodeLeaseParallelism": 1,
        "enableDebuggingHandlers": False,
    }
    configuration = {"apiVersion": "config.kwok.x-k8s.io/v1alpha1", "kind": "KwokConfiguration", "options": options}
    # kwok looks after the pods of nodes it has a stage for; ours never matches: the supervisor wrote the nodes' status.
    node = _stage("v1", "Node", "node", '"as it is"', "never", [])
    return [configuration, node, *_pod_stages(), *_service_stages(), *_claim_stages()]


def _pod_stages() -> list[dict[str, Any]]:
    return [
        _pod_stage("delete", [{"delete": True}], delay=f'{_note("termination")} // "0s"'),
        _pod_stage("creating", [_status("creating")]),
        _pod_stage("start", [_status("start")], delay=f'{_note("create-delay")} // "0s"'),
        _pod_stage("start-trouble", [_event("start"), _status("start")], delay=f'{_note("create-delay")} // "0s"'),
        _pod_stage("ready", [_status("ready")], delay=_READY_DELAY),
        _pod_stage("finish", [_status("turn")], delay=f'{_note("delay")} // "100ms"'),
        _pod_stage("turn", [_event("turn"), _status("turn")], delay=_TURN_DELAY),
    ]


def _pod_stage(name: str, steps: list[dict[str, Any]], delay: str = "") -> dict[str, Any]:
    return _stage("v1", "Pod", f"pod-{name}", _POD_STAGE, name, steps, delay)


def _stage(
    group: str, kind: str, name: str, query: str, value: str, steps: list[dict[str, Any]], delay: str = ""
) -> dict[str, Any]:
    wait = {"durationMilliseconds": 0, **({"durationFrom": {"jq": {"expression": delay}}} if delay else {})}
    spec = {
        "resourceRef": {"apiGroup": group, "kind": kind},
        "selector": {"matchExpressions": [{"jq": {"key": query, "operator": "In", "values": [value]}}]},
        "delay": wait,
        "steps": steps,
    }
    return {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": name}, "spec": spec}


def _status(tick: str) -> dict[str, Any]:
    return {"patch": {"subresource": "status", "template": _template(tick, "status.gotmpl")}}


def _event(tick: str) -> dict[str, Any]:
    return {"apply": {"template": _template(tick, "event.gotmpl")}}


def _template(tick: str, ending: str) -> str:
    common = (HERE / "pods.gotmpl").read_text().replace('"TICK"', json.dumps(tick)).replace("PLAYS`", f"{_TABLE}`")
    return common + (HERE / ending).read_text()


def _note(name: str) -> str:
    return f'.metadata.annotations["{PREFIX}/{name}"]'


_COLUMNS = ("word", "does", "ready", "reason", "message", "code", "recovers", "event")
_TABLE = json.dumps([{name: getattr(play, name) for name in _COLUMNS} for play in PLAYS])
_IMAGE_DELAY = '([.spec.containers[].image | capture("ready-after-(?<wait>[0-9]+m?s)").wait] | first)'
_READY_DELAY = f'{_note("delay")} // {_IMAGE_DELAY} // "0s"'
# A restart costs writes: after half a minute a loop slows down, as the kubelet's does.
_TURN_DELAY = 'if now - (.status.startTime | fromdate) > 30 then "5s" else "400ms" end'

# One expression names the stage a pod is in, so that never two of them match (kwok would toss a coin).
_POD_STAGE = (
    f"""
def plays: {_TABLE};
def named($image): select(.word as $word | $image | test("(^|[^a-zA-Z0-9])" + $word));
def play($image): first((plays[] | named($image)), {{"does": "run", "ready": true}});
def policy: .spec.restartPolicy // "Always";
def job: any(.metadata.ownerReferences[]?; .kind == "Job");
def statuses: [.status.initContainerStatuses[]?, .status.containerStatuses[]?];
def loops: any(.state.waiting.reason; IN("ErrImagePull", "ImagePullBackOff", "CrashLoopBackOff"));
def dies($default): . as $status | .state.running != null
  and (first((plays[] | named($status.image)), $default)
    | .does == "die" and (.recovers == 0 or $status.restartCount < .recovers));
def moving: any(statuses[]; loops)
  or any(.status.initContainerStatuses[]?; dies({{"does": "run"}}))
  or ((if job then "die" else "run" end) as $usual
    | any(.status.containerStatuses[]?; dies({{"does": $usual, "recovers": 0}})));
def runs: .state.running != null;
def again: policy == "Always" or any(statuses[]; loops)
  or (policy == "OnFailure" and any(.status.containerStatuses[]?; runs and (play(.image).code // 0) != 0))
  or (policy != "Never" and any(.status.initContainerStatuses[]?; dies({{"does": "run"}})));
def trouble: any((.spec.initContainers[]?, .spec.containers[]); play(.image) | .does == "wait" or .does == "pull"
  or (.does == "run" and (.ready | not)));
def late: {_note("delay")} != null or any(.spec.containers[].image; test("ready-after-[0-9]+m?s"));
"""
    'if .metadata.deletionTimestamp then "delete"'
    ' elif .status.phase == "Succeeded" or .status.phase == "Failed" then "none"'
    f' elif .status.startTime == null and {_note("create-delay")} != null then "creating"'
    ' elif .status.podIP == null then (if trouble then "start-trouble" else "start" end)'
    ' elif moving then (if again then "turn" else "finish" end)'
    " elif late and any(.status.containerStatuses[]?; .state.running != null and (.ready | not)"
    ' and (play(.image) | .does == "run" and .ready)) then "ready"'
    ' else "none" end'
)

_ADDRESS = """
loadBalancer:
  ingress:
  - ip: {{ printf "203.0.113.%d" (add1 (mod (adler32sum .metadata.uid | atoi) 250)) }}
    ipMode: VIP
"""
_SERVICE_STAGE = (
    'if .metadata.deletionTimestamp == null and .spec.type == "LoadBalancer"'
    f' and {_note("no-address")} != "true" and (.status.loadBalancer.ingress | not) then "address" else "none" end'
)


def _service_stages() -> list[dict[str, Any]]:
    """A stand-in cloud: Services of type LoadBalancer get an address."""
    patch = {"patch": {"subresource": "status", "root": "status", "template": _ADDRESS}}
    return [_stage("v1", "Service", "service-address", _SERVICE_STAGE, "address", [patch])]


PROVISIONER = f"{PREFIX}/provisioner"
_VOLUME = """
apiVersion: v1
kind: PersistentVolume
metadata:
  name: pvc-{{ .metadata.uid }}
  annotations: {pv.kubernetes.io/provisioned-by: PROVISIONER}
spec:
  accessModes: {{ toJson .spec.accessModes }}
  capacity: {storage: {{ .spec.resources.requests.storage | quote }}}
  volumeMode: {{ .spec.volumeMode | default "Filesystem" }}
  storageClassName: {{ .spec.storageClassName | quote }}
  persistentVolumeReclaimPolicy: Delete
  hostPath: {path: /var/empty/{{ .metadata.uid }}}
  claimRef:
    apiVersion: v1
    kind: PersistentVolumeClaim
    name: {{ .metadata.name }}
    namespace: {{ .metadata.namespace }}
    uid: {{ .metadata.uid }}
""".replace("PROVISIONER", PROVISIONER)
# The volume controller asks an outside provisioner by this annotation, for WaitForFirstConsumer once a node is chosen.
_CLAIM_STAGE = (
    'if .metadata.deletionTimestamp == null and .status.phase == "Pending" and (.spec.volumeName | not)'
    f' and .metadata.annotations["volume.kubernetes.io/storage-provisioner"] == "{PROVISIONER}"'
    ' then "provision" else "none" end'
)


def _claim_stages() -> list[dict[str, Any]]:
    """A stand-in provisioner: claims of our storage classes get a volume."""
    return [
        _stage(
            "v1", "PersistentVolumeClaim", "claim-volume", _CLAIM_STAGE, "provision", [{"apply": {"template": _VOLUME}}]
        )
    ]


def described() -> str:
    """The plays and annotations in lines a person can read."""
    rows = [("(any other)", "ready at once; in a Job or as an init container: exits with 0")]
    rows += [(play.word, play.about) for play in PLAYS]
    images = "\n".join(f"  {word:18} {about}" for word, about in rows)
    notes = "\n".join(f"  {PREFIX}/{name}: {about}" for name, about in ANNOTATIONS.items())
    return f"Pods are played by a word in their containers' images:\n{images}\nAnnotations:\n{notes}"
