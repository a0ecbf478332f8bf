"""What a reason of Kubernetes usually means, and what to check next: by the reason, its message and the exit code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple


class Advice(NamedTuple):
    """``likely``: the usual cause; ``check``: where to look next. Both are empty for a reason without advice."""

    likely: str = ""
    check: str = ""


def advice(reason: str, message: str = "", exit_code: int | None = None) -> Advice:
    """The advice for a reason: by its message if that is more precise, else by the exit code, else by the reason."""
    told = [found for words, found in _BY_WORDS.get(reason, ()) if re.search(words, message, re.I)]
    if told and _BY_WORDS[reason] is _NODES:  # a scheduler's message may hold several causes
        return Advice(*("; ".join(dict.fromkeys(texts)) for texts in zip(*told, strict=True)))
    if told:
        return told[0]
    if reason in _ENDED and exit_code is not None:
        return BY_EXIT_CODE.get(exit_code, _FAILED)
    return BY_REASON.get(reason, Advice())


def probe_advice(kind: str, answer: str) -> Advice:
    """The advice for a failing probe of ``kind`` readiness, liveness or startup, by the probe's last ``answer``."""
    own, by_answer = BY_REASON[_PROBES[kind]], advice("Unhealthy", answer)
    return Advice(f"{own.likely}: {by_answer.likely}", by_answer.check) if any(by_answer) else own


Words = Sequence[tuple[str, Advice]]  # regular expressions of a message, the more precise ones first
_IMAGE: Words = (
    (
        "toomanyrequests|too many requests|rate limit",
        Advice("the registry limits how often it is asked", "pull with credentials, or through a mirror"),
    ),
    (
        "no match for platform|no matching manifest",
        Advice(
            "the image is not built for this node's architecture",
            "build it for that one too, or choose nodes by the label kubernetes.io/arch",
        ),
    ),
    (
        "denied|unauthorized|authorization failed|no basic auth",
        Advice(
            "the node may not read this image, or there is none of this name",
            "the name; imagePullSecrets of the pod or its ServiceAccount, and whether that password still works",
        ),
    ),
    (
        "not found|manifest unknown|does not exist",
        Advice(
            "no such image or tag in the registry",
            "was it pushed, and is the name spelled as the build job spells it?",
        ),
    ),
    (
        "x509|certificate",
        Advice(
            "the node does not trust the registry's certificate", "the CA that the node's container runtime is given"
        ),
    ),
    (
        r"\b5\d\d\b|timed? ?out|refused|no such host|reset by peer|\bEOF\b",
        Advice(
            "the registry is down, or this node cannot reach it",
            "the registry's own state; the node's DNS, proxy and firewall",
        ),
    ),
)
_NO_COMMAND = (
    "executable file not found|no such file or directory",
    Advice(
        "the command is not in the image",
        "command and args, and PATH; for a script, the interpreter its first line names",
    ),
)
_NOT_EXECUTABLE = (
    "permission denied",
    Advice("the command may not be executed", "chmod +x in the Dockerfile, and the user it runs as"),
)
_OTHER_ARCHITECTURE = (
    "exec format error",
    Advice(
        "the program is built for another architecture",
        "the platform the image was built for, and the node's (kubernetes.io/arch)",
    ),
)
_START: Words = (_NO_COMMAND, _NOT_EXECUTABLE, _OTHER_ARCHITECTURE)
_POLICY = Advice(
    "a policy of the cluster does not let these pods in",
    "the message names the policy: change what it objects to, or ask those who run it",
)
_CREATE: Words = (
    (
        "exceeded quota",
        Advice(
            "the namespace's quota is used up",
            "kubectl describe quota; while a Deployment updates, old pods count as well (maxSurge)",
        ),
    ),
    (
        "failed quota|must specify",
        Advice(
            "the namespace's quota wants each container to say what it needs",
            "set resources.requests and limits on every container, init containers too, or a LimitRange's defaults",
        ),
    ),
    (
        "failed calling webhook",
        Advice(
            "an admission webhook does not answer, so no pod is let in",
            "the Service and the pods behind the webhook that the message names",
        ),
    ),
    (
        "violates PodSecurity",
        Advice(
            "the namespace's Pod Security level forbids what these pods ask for",
            "set what the message lists in securityContext, or move to a namespace of another level",
        ),
    ),
    (
        "serviceaccount .*not found|error looking up service account",
        Advice(
            "the pods' ServiceAccount does not exist",
            "is it part of the release, and of this namespace? is serviceAccountName spelled right?",
        ),
    ),
    (
        "PriorityClass",
        Advice("the pods' priority class does not exist, or is not allowed here", "kubectl get priorityclass"),
    ),
    (
        r"usage per (?:Container|Pod)|limit to request ratio",
        Advice("a LimitRange of the namespace forbids these requests or limits", "kubectl describe limitrange"),
    ),
    ("webhook|ValidatingAdmissionPolicy|denied", _POLICY),
)
_CONFIG: Words = (
    (
        "runAsNonRoot|run as root|non-numeric user",
        Advice(
            "runAsNonRoot is set, and the image runs as root or as a user without a number",
            "securityContext.runAsUser, or a number after USER in the Dockerfile",
        ),
    ),
    (
        "couldn't find key|non-existent config key|references non-existent",
        Advice("the Secret or ConfigMap is there, but not this key of it", "its keys: kubectl describe, names only"),
    ),
)
_VOLUME: Words = (
    (
        "Multi-Attach|already exclusively attached|already used by",
        Advice(
            "the volume is still held by another pod on another node",
            "ReadWriteOnce volumes need strategy Recreate; is an old pod, or a dead node, still holding it?",
        ),
    ),
    (
        '(?:secret|configmap) "[^"]*" not found|references non-existent',
        Advice("a Secret, ConfigMap or key that a volume shows is not there", "its name, its namespace, its keys"),
    ),
)
# Messages of kubernetes' pkg/probe/http and pkg/probe/exec, and of Go's net and context packages.
_ANSWERS: Words = (
    (
        "connection refused",
        Advice("nothing listens there", "the probe's port; does the program listen on 0.0.0.0, not on localhost?"),
    ),
    (
        r"statuscode: 404",
        Advice("there is no such path", "the probe's path, and the prefix that the program is served under"),
    ),
    (
        r"statuscode: 40[13]",
        Advice("the path wants credentials", "let the probe's path be read without them"),
    ),
    (
        r"statuscode: \d",
        Advice("the program says by itself that it is not well", "its last lines: what does it wait for?"),
    ),
    (
        "deadline exceeded|timed? ?out|no recent network activity",
        Advice("it does not answer in time", "is it busy or stuck? timeoutSeconds is 1 unless it is set"),
    ),
    (
        "executable file not found|unable to start container process",
        Advice("the probe's command is not in the image", "its exec.command; many images have no shell and no curl"),
    ),
    (
        "http response to https client|malformed HTTP|server gave HTTP",
        Advice("one speaks HTTPS, the other HTTP", "the probe's scheme"),
    ),
)
_NODES: Words = (
    (
        "Insufficient|Too many pods",
        Advice("no node has room for what the pod requests", "resources.requests against what the nodes have left"),
    ),
    (
        "taint",
        Advice("nodes keep it away by a taint", "tolerations; not-ready and unreachable are taints of broken nodes"),
    ),
    (
        r"node affinity/selector|node selector",
        Advice("no node has the labels it asks for", "nodeSelector and affinity; kubectl get nodes --show-labels"),
    ),
    (
        "anti-affinity|topology spread",
        Advice("its rules keep it off the nodes where others of it are", "podAntiAffinity, topologySpreadConstraints"),
    ),
    (
        "free ports",
        Advice("the host port is taken on every node", "hostPort: one pod a node can have it"),
    ),
    (
        "volume node affinity conflict|available persistent volumes to bind",
        Advice("its volume is where no node can take it", "the volume's zone, and nodes there"),
    ),
    (
        "unbound immediate|persistentvolumeclaim",
        Advice("a claim of the pod has no volume yet", "the claim named here: is it there, and who provisions it?"),
    ),
    (
        "cordon|unschedulable",
        Advice("nodes are cordoned", "kubectl get nodes; kubectl uncordon once the work on them is done"),
    ),
)
# Messages of ``verdict.readiness`` and ``verdict.judgement`` for states that have no reason in Kubernetes.
_WAITING: Words = (
    (
        "waiting for a load balancer address",
        Advice(
            "nothing in the cluster has given the Service an address",
            "does the cluster have a load balancer controller (the cloud's, MetalLB)? its log; if it is to have none: "
            '--no-wait-for service, or the annotation k8s-step/wait: "false"',
        ),
    ),
    (
        "waiting for a volume",
        Advice("nothing has made a volume for the claim yet", "its storage class, and the pods of its provisioner"),
    ),
    (
        "waiting for the controller|controller has not yet seen|waiting for its controller",
        Advice("its controller has not looked at it", "is that controller running? its log"),
    ),
)
_BY_WORDS: dict[str, Words] = {
    **dict.fromkeys(("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError"), _IMAGE),
    **dict.fromkeys(("CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun"), _START),
    **dict.fromkeys(("FailedCreate", "ReplicaFailure"), _CREATE),
    **dict.fromkeys(("FailedMount", "FailedAttachVolume", "FailedMapVolume"), _VOLUME),
    "CreateContainerConfigError": _CONFIG,
    "": _WAITING,
    "Unhealthy": _ANSWERS,
    **dict.fromkeys(("Unschedulable", "FailedScheduling"), _NODES),
}
_FAILED = Advice("the program gave up with an error of its own", "its last lines tell which")
# Source of 126 and 127: "Exit Status for Commands" of POSIX's shell; above 128, the signal that ended the program.
BY_EXIT_CODE = {
    0: Advice(
        "the program ended, as if its work were done; a server is to go on",
        "does the command start it in the foreground? work that ends belongs in a Job",
    ),
    1: _FAILED,
    2: Advice(
        "the program gave up: a Go panic, a shell's syntax error, or arguments it does not know",
        "its last lines; command and args",
    ),
    126: Advice(
        "the command is there but can't be executed",
        "chmod +x in the Dockerfile, the interpreter in a script's first line, the image's architecture",
    ),
    127: Advice(
        "the command, or a library it needs, is not in the image",
        "command and args, PATH, and what the last stage of the Dockerfile copies",
    ),
    134: Advice("the program aborted itself: a failed assertion, or a full heap", "its last lines; its heap's limit"),
    135: Advice("the program read or wrote where there is no memory", "a full /dev/shm or volume that it maps"),
    137: Advice(
        "it was killed: it did not end in time after a failed liveness probe, or memory ran out",
        "events (Killing, Unhealthy), memory limits of container and node, terminationGracePeriodSeconds",
    ),
    139: Advice(
        "the program crashed in native code (segmentation fault)",
        "native libraries, musl or glibc, and whether the image fits the node's architecture",
    ),
    143: Advice(
        "it was asked to end, and did: by a failed liveness probe, or by what started it",
        "events (Killing, Unhealthy); what else in the container sends signals",
    ),
    255: Advice("the program gave up with the code -1, or out of range", "its last lines tell why"),
}
_ENDED = (
    "CrashLoopBackOff",
    "Error",
    "Completed",
    "PodFailed",
    "BackoffLimitExceeded",
    "BackoffLimitExceededPerIndex",
    "FailedIndexes",
    "PodFailurePolicy",
)
BY_REASON = {
    "ErrImagePull": Advice("the node cannot get the image", "its name, the registry, and the node's way to it"),
    "ImageInspectError": Advice("the image on the node can't be read", "the container runtime on that node"),
    "SignatureValidationFailed": Advice(
        "the node trusts no signature of this image", "was it signed, and with the key that the node's policy names?"
    ),
    "ErrImageNeverPull": Advice(
        "imagePullPolicy is Never and the node does not have the image",
        "load it onto the nodes, or let it be pulled (IfNotPresent)",
    ),
    "InvalidImageName": Advice(
        "this is no image reference", "an empty variable, a capital letter or a stray character in it"
    ),
    "CreateContainerConfigError": Advice(
        "a Secret, ConfigMap or key that the container asks for is not there",
        "is it in this namespace, applied before this, and spelled as env and envFrom spell it?",
    ),
    "CreateContainerError": Advice(
        "the container runtime could not make the container", "volumes and subPaths, devices, command"
    ),
    "RunContainerError": Advice(
        "the container was made but could not be started", "command and args, mounts, security context"
    ),
    "CrashLoopBackOff": Advice("the program ends soon after its start", "its last lines tell why"),
    "OOMKilled": Advice(
        "it needs more memory than its limit",
        "raise resources.limits.memory, or make it use less: a runtime's heap must fit below the limit",
    ),
    "ProgressDeadlineExceeded": Advice(
        "no progress within spec.progressDeadlineSeconds", "what its pods wait for; if they need it, more time"
    ),
    "FailedCreate": Advice(
        "the pods may not be created", "the message: quota, an admission webhook, or a missing ServiceAccount"
    ),
    "BackoffLimitExceeded": Advice(
        "the Job's pods failed more often than spec.backoffLimit allows", "the pods' last lines tell why"
    ),
    "PodFailurePolicy": Advice(
        "a pod failed in a way that spec.podFailurePolicy calls final", "which of its rules the message names"
    ),
    "DeadlineExceeded": Advice(
        "it ran longer than spec.activeDeadlineSeconds", "its last lines: what was it busy with? does it need more?"
    ),
    "Unschedulable": Advice(
        "no node can take the pod", "its requests, selectors and tolerations against what the nodes offer"
    ),
    "SchedulingGated": Advice("a gate keeps it from being scheduled", "who is to lift spec.schedulingGates"),
    "ContainersNotReady": Advice(
        "it runs, but its readiness probe does not succeed", "the probe's answer, and what the program waits for"
    ),
    "ReadinessGatesNotReady": Advice(
        "its containers are ready, but a readiness gate is not", "the controller that sets it, often a load balancer's"
    ),
    "ContainerCreating": Advice(
        "its node has not started it yet: a large image, a volume or the network", "events; the node's kubelet"
    ),
    "PodInitializing": Advice("its init containers are not done", "their logs: kubectl logs -c NAME"),
    "FailedMount": Advice("a volume can't be mounted", "what the message names: is it there, and on this node?"),
    "FailedAttachVolume": Advice("the volume can't be attached to the node", "the storage driver's pods, the volume"),
    "FailedCreatePodSandBox": Advice(
        "the node could not give the pod a network or sandbox", "the network plugin's pods on that node; free addresses"
    ),
    "ProvisioningFailed": Advice(
        "no volume can be made for the claim", "its storage class, and that one's provisioner"
    ),
    "FailedBinding": Advice(
        "no volume fits the claim, and no storage class makes one",
        "storageClassName; is one of the cluster's classes the default?",
    ),
    "SyncLoadBalancerFailed": Advice(
        "the cloud did not make the load balancer", "what the message says of quota, subnets or permissions"
    ),
    "LatestGenerationNotObserved": Advice(
        "its controller has not looked at it yet", "is the controller running, and is its own log well?"
    ),
    "Superseded": Advice(
        "another release, or a person, changed the same fields meanwhile", "who, and why; let releases take turns"
    ),
    **dict.fromkeys(
        ("Paused", "RolloutPaused"),
        Advice(
            "somebody holds it until it is resumed or promoted",
            "who, and why; kubectl rollout resume, kubectl argo rollouts promote; or --paused ok",
        ),
    ),
    "Deleted": Advice("somebody else deleted it", "other pipelines, or a finished Job's ttlSecondsAfterFinished"),
    "Pending": Advice(
        "it has no node, or its node has not looked at it yet", "kubectl get nodes; the scheduler, the node's kubelet"
    ),
    "Running": Advice(
        "the Job is still at work", "its last lines: is it busy, or does it wait for something? does it need more time?"
    ),
    "Failed": Advice("its controller has given it up, or tries in vain", "its status and events; its controller's log"),
    "PodFailed": Advice("its pod failed", "the pod's last lines and events, and those of its node"),
    "UnexpectedAdmissionError": Advice("the node's kubelet refused the pod", "devices and their plugins on that node"),
    "NodeShutdown": Advice("its node was shut down", "the node: an upgrade, or a cheap machine taken back?"),
    "Lost": Advice("the volume that the claim was bound to is gone", "who deleted the PersistentVolume; backups"),
    "ServiceNotFound": Advice("the Service it points to does not exist", "its name and namespace in spec.service"),
    "MissingEndpoints": Advice("no ready pod is behind the Service it points to", "that Service's pods and selector"),
    "FailedDiscoveryCheck": Advice(
        "the server behind it does not answer as an API", "that server's pods, port and certificate (spec.caBundle)"
    ),
    "Evicted": Advice("its node ran short of something", "the message says of what: requests and limits for that"),
    "Preempted": Advice("a pod of higher priority took its place", "priority classes, and room on the nodes"),
    "LivenessProbe": Advice(
        "its liveness probe fails, so the kubelet stops and restarts it",
        "the probe's answer; does the program need longer to start (startupProbe) or to answer (timeoutSeconds)?",
    ),
    "StartupProbe": Advice(
        "its startup probe does not succeed",
        "the probe's answer; failureThreshold times periodSeconds is the time it gets to start",
    ),
}
_PROBES = {"readiness": "ContainersNotReady", "liveness": "LivenessProbe", "startup": "StartupProbe"}
BY_REASON |= {
    "ImagePullBackOff": BY_REASON["ErrImagePull"],
    "RegistryUnavailable": BY_REASON["ErrImagePull"],
    "StartError": BY_REASON["RunContainerError"],
    "ContainerCannotRun": BY_REASON["RunContainerError"],
    "ReplicaFailure": BY_REASON["FailedCreate"],
    "FailedMapVolume": BY_REASON["FailedMount"],
}
