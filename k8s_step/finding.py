"""Why an object failed, with the evidence: what a tired engineer needs to act on."""

from __future__ import annotations

from dataclasses import dataclass

from k8s_step.reference import Reference


@dataclass(frozen=True)
class Finding:
    """One cause. ``logs`` are the last lines of the run that crashed (``previous``) or of the current one;
    ``events`` are newest first; ``alike`` counts further pods with the same cause.

    ``logs_of`` says which run the lines are of, or why there are none.
    """

    reference: Reference
    reason: str
    message: str
    pod: str = ""
    container: str = ""
    image: str = ""
    node: str = ""
    alike: int = 0
    logs: tuple[str, ...] = ()
    logs_of: str = ""
    events: tuple[str, ...] = ()
    advice: str = ""


def advice(reason: str, message: str = "") -> str:
    """What ``reason`` usually means and what to look at next; empty where there is nothing to add."""
    words = message.lower()
    if reason in ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError"):
        return _image_advice(words)
    return _ADVICE.get(reason, "")


def _image_advice(words: str) -> str:
    if "toomanyrequests" in words or "rate limit" in words:
        return "the registry limits how often it is asked: pull with credentials, or through a mirror"
    if "denied" in words or "unauthorized" in words or "authorization failed" in words:
        return "the node may not read this image: check the name, and imagePullSecrets of the pod or its ServiceAccount"
    if "not found" in words or "manifest unknown" in words or "does not exist" in words:
        return (
            "no such image or tag in the registry: was it pushed, and is the name spelled as the build job spells it?"
        )
    return "the node cannot get the image: check its name, the registry, and the node's way to it"


_ADVICE = {
    "SignatureValidationFailed": "the node trusts no signature of this image: was it signed, and with the right key?",
    "ErrImageNeverPull": "imagePullPolicy is Never and the node does not have the image",
    "InvalidImageName": "this is no image reference: look for an empty variable or a stray character",
    "CreateContainerConfigError": "a Secret, ConfigMap or key the container asks for is not there",
    "CreateContainerError": "the container runtime refused the container: check volumes, devices and the command",
    "RunContainerError": "the container could not be started: check its command, arguments and security context",
    "CrashLoopBackOff": "the program ends soon after its start: its last lines tell why",
    "OOMKilled": "it needs more memory than its limit: raise resources.limits.memory, or make it use less",
    "ProgressDeadlineExceeded": "no progress within spec.progressDeadlineSeconds",
    "FailedCreate": "the pods may not be created: quota, an admission webhook, or a missing ServiceAccount",
    "BackoffLimitExceeded": "the Job's pods failed more often than spec.backoffLimit allows",
    "DeadlineExceeded": "it ran longer than spec.activeDeadlineSeconds",
    "Unschedulable": "no node can take the pod: compare its requests, selectors and tolerations with the nodes",
    "ContainersNotReady": "it runs, but its readiness probe does not succeed",
    "Superseded": "another release, or a person, changed the same fields meanwhile: let them take turns",
    "Deleted": "somebody else deleted it, or a finished Job's ttlSecondsAfterFinished did",
    "Evicted": "the node ran out of something: the message tells of what",
}
