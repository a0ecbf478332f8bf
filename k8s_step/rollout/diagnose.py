"""Gathers the evidence for a failure: logs, events and claims, once, in bounded time and size."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from k8s_step.api.client import Client
from k8s_step.api.concurrency import gather
from k8s_step.api.request import Answer, Request
from k8s_step.errors import ForbiddenError, NotFoundError, StepError, UnreachableError
from k8s_step.objects.kinds.pods import controller_of, spec_of, status_of
from k8s_step.objects.metadata import Object, metadata_of, uid_of
from k8s_step.objects.reference import Reference
from k8s_step.objects.resource import required
from k8s_step.objects.selection import of_workload
from k8s_step.objects.values.times import last_written
from k8s_step.rollout import events
from k8s_step.verdict import revision
from k8s_step.verdict.evidence import claims, probes
from k8s_step.verdict.evidence.advice import Advice, advice, probe_advice
from k8s_step.verdict.evidence.finding import Finding
from k8s_step.verdict.evidence.signals import signal_of
from k8s_step.verdict.judgement import Blame, Judgement
from k8s_step.verdict.podfailures import RUNNING, Symptom
from k8s_step.verdict.states import State
from k8s_step.verdict.target import Target

LIMIT = 10.0  # seconds for all evidence together
CANCELLED = 0.8  # the same, for a step that is to end within a second
_EACH = 4.0  # seconds for one request
_MOST = 20  # causes that the server is asked about
_LINES = 20
_LINE = 10_000  # characters; the journal cuts to what a person reads, once secrets are masked
_BYTES = 512 * 1024  # of a log
_CLAIMS = 5
_MOST_REPLICA_SETS = "500"  # of one Deployment; its revisionHistoryLimit is 10 by default
# Warnings of what the API server repairs by itself: the repair loops of kubernetes' ``pkg/registry/core/service``.
_REPAIRED = ("ClusterIPNotAllocated", "PortNotAllocated")
_PODS, _REPLICA_SETS = required("v1", "Pod"), required("apps/v1", "ReplicaSet")
_CLAIM = required("v1", "PersistentVolumeClaim")


def diagnose(client: Client, targets: Sequence[Target], limit: float = LIMIT) -> Iterator[list[Finding]]:
    """The findings on targets that failed or are not current, in the order of the targets, yielded ever more complete.

    The first list holds no evidence that takes a request, the last one all that the server gave within ``limit``
    seconds; an interrupted caller keeps the last list it got. A request that fails becomes a line of the finding.
    """
    source = _EvidenceSource(client, time.monotonic() + limit)
    causes = [_Cause(target, group) for target in targets for group in _groups(target)]
    found = [cause.finding() for cause in causes]
    yield found
    asked = list(enumerate(causes[:_MOST]))
    for (index, _), result in gather(lambda item: _Evidence(source, item[1]).finding(), asked, 8):
        if isinstance(result, Exception):
            problem = f"no evidence: {type(result).__name__} ({result}), a bug of k8s-step"
            result = replace(found[index], missing=(problem,))
        found[index] = result
        yield found
    for index in range(_MOST, len(found)):
        found[index] = replace(found[index], missing=(f"no evidence: only the first {_MOST} causes get theirs",))
    yield found


def _groups(target: Target) -> list[tuple[Blame, ...]]:
    """The blamed pods by cause; one empty group where no pod is to blame."""
    groups: dict[tuple[str, str], list[Blame]] = {}
    for blame in target.judgement.blamed if target.judgement else ():
        groups.setdefault((blame.symptom.family or blame.symptom.reason, blame.symptom.container), []).append(blame)
    telling = [tuple(group) for (reason, _), group in groups.items() if reason != RUNNING]
    return telling or [tuple(group) for group in groups.values()] or [()]


@dataclass(frozen=True)
class _Cause:
    """One reason why a target is not current, and the pods that show it."""

    target: Target
    group: tuple[Blame, ...]

    @property
    def pod(self) -> Object | None:
        return self.group[0].pod if self.group else None

    def finding(self) -> Finding:
        """The finding as far as it is known without a request."""
        judgement = self.target.judgement or Judgement(State.IN_PROGRESS, "")
        if not self.group:
            told = advice(judgement.reason, judgement.message)
            return Finding(
                self.target.reference, judgement.reason, judgement.message, advice=told.likely, check=told.check
            )
        blame = self.group[0]
        symptom = blame.symptom
        reason, message = _told_of(judgement, symptom)
        told = advice(symptom.reason, symptom.message, symptom.exit_code)
        told = told if any(told) else advice(reason, message, symptom.exit_code)
        return Finding(
            reference=self.target.reference,
            reason=reason,
            message=message,
            pod=str(blame.pod["metadata"].get("name", "")),
            container=symptom.container,
            image=_image(blame),
            node=str((blame.pod.get("spec") or {}).get("nodeName") or ""),
            alike=len(self.group) - 1,
            advice=told.likely,
            check=told.check,
            exit_code=symptom.exit_code,
            signal=signal_of(symptom.exit_code),
        )


def _told_of(judgement: Judgement, symptom: Symptom) -> tuple[str, str]:
    """Reason and message of a cause. The reason of an object that has itself given up comes first (a Job, for one)."""
    own = judgement.reason if judgement.state is State.FAILED else ""
    if not own or own in {blame.symptom.reason for blame in judgement.blamed}:
        return symptom.reason, symptom.message or judgement.message
    because = f"{symptom.reason}: {symptom.message}" if symptom.message else symptom.reason
    return own, f"{judgement.message.rstrip('.')}; {because}" if judgement.message else because


def _says_why(symptom: Symptom) -> bool:
    """A pod's conditions only list the containers that are not ready: ``pkg/kubelet/status/generate.go``."""
    return bool(symptom.message) and not symptom.message.startswith("containers with ")


def _image(blame: Blame) -> str:
    """The image as the pod's spec writes it: the status may spell it in another way, or lack it."""
    container = spec_of(blame.pod, blame.symptom.container)
    return str(container.get("image", "")) if container else blame.symptom.image


class _AwayError(StepError):
    """The server has stopped answering, so no further evidence is requested."""


class _EvidenceSource:
    """Requests for evidence until the deadline, or until the server stops answering."""

    def __init__(self, client: Client, deadline: float) -> None:
        self._client = client
        self._deadline = deadline
        self._away: _AwayError | None = None

    def get(self, request: Request, *, from_node: bool = False) -> Answer:
        """Send a request. ``from_node``: a kubelet answers it, whose silence says nothing about the API server.

        Raises :class:`StepError`.
        """
        if self._away is not None:
            raise self._away
        now = time.monotonic()
        if now >= self._deadline:
            raise StepError("there was no time left to ask")
        try:
            return self._client.until(min(self._deadline, now + _EACH)).send(request)
        except UnreachableError as error:
            if from_node:
                raise
            self._away = _AwayError(f"the server does not answer ({error.message})")
            raise self._away from None


class _Evidence:
    """Gathers the events, claims, probes and logs of one cause."""

    def __init__(self, source: _EvidenceSource, cause: _Cause) -> None:
        self._source = source
        self._cause = cause
        self._events: list[Object] = []
        self._missing: dict[str, None] = {}

    def finding(self) -> Finding:
        """The finding with its evidence. Events come before logs, since the node that serves the log may be down."""
        cause, found = self._cause, self._cause.finding()
        for obj in self._concerned():
            self._read_events(obj)
        if cause.pod is not None and (cause.pod.get("status") or {}).get("phase") == "Pending":
            found = replace(found, claims=tuple(self._claims(cause.pod)))
        self._events = events.newest_first(self._events)
        found = self._with_probe(found)
        if not found.probe_answer:
            found = self._with_cause(found)
        logs, logs_of = self._logs()
        told = events.event_lines(self._events)
        return replace(found, logs=logs, logs_of=logs_of, events=told, missing=tuple(self._missing))

    def _get(self, request: Request, what: str, permission: str) -> Answer | None:
        """Send a request; a refusal is noted as missing evidence and returns ``None``.

        ``permission``: the verb, resource and namespace that the request needs, with blanks between them.
        """
        try:
            return self._source.get(request)
        except StepError as error:
            self._missing[_why_not(error, what, permission)] = None
            return None

    # -- events

    def _concerned(self) -> Iterator[Object]:
        """The objects whose events matter: the pod, the ReplicaSet above it, and the target."""
        cause = self._cause
        obj, pod = cause.target.object, cause.pod
        if pod is not None:
            yield pod
        if obj.get("kind") == "Deployment":
            between = controller_of(pod) if pod is not None else self._replica_set(obj)
            namespace = Reference.to(obj).namespace
            if between:
                metadata = {"name": between.get("name"), "namespace": namespace, "uid": between.get("uid")}
                yield {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata}
        if pod is None or uid_of(pod) != uid_of(obj):
            yield obj

    def _replica_set(self, deployment: Object) -> Object:
        """The metadata of the newest ReplicaSet of a Deployment none of whose pods is known."""
        selector, namespace = of_workload(deployment), Reference.to(deployment).namespace
        if selector is None:  # an empty selector would list the ReplicaSets of the whole namespace
            return {}
        query = (("labelSelector", selector), ("limit", _MOST_REPLICA_SETS))
        request = Request("GET", _REPLICA_SETS.path(namespace), query, patient=False)
        answer = self._get(request, "events of its ReplicaSet", f"list replicasets {namespace}")
        listed = (answer.body.get("items") or []) if answer else []
        newest = revision.replica_set_of(deployment, {uid_of(each): each for each in listed})
        return metadata_of(newest) if newest else {}

    def _read_events(self, obj: Object) -> None:
        answer = self._get(events.request(obj), "events", f"list events {events.namespace_of(obj)}")
        self._events += (answer.body.get("items") or []) if answer else []

    def _with_cause(self, found: Finding) -> Finding:
        """The finding with the newest warning as its cause, where the status gives none (an unmountable volume)."""
        warning = self._newest_warning(found)
        group = self._cause.group
        if warning is None or (_says_why(group[0].symptom) if group else found.reason):
            return found
        reason, message = str(warning.get("reason", "")), events.message(warning)
        found = _advised(found, advice(reason, message))
        if group:
            return _explained(found, group[0].symptom, f"{reason}: {message}")
        return replace(found, reason=reason, message=f"{found.message}; {message}" if found.message else message)

    def _newest_warning(self, found: Finding) -> Object | None:
        """The newest warning about this generation; FailedScheduling no longer counts once the pod has a node."""
        since = last_written(self._cause.target.object)
        passed = {*_REPAIRED, *(("FailedScheduling",) if found.node else ())}
        fresh = (each for each in self._events if events.last_seen(each) >= since)
        return next((each for each in fresh if events.is_warning(each) and each.get("reason") not in passed), None)

    # -- claims

    def _claims(self, pod: Object) -> Iterator[str]:
        namespace = Reference.to(pod).namespace
        for name in claims.names(pod)[:_CLAIMS]:
            request = Request("GET", _CLAIM.path(namespace, name), where=f"claim/{name}", patient=False)
            try:
                claim = self._source.get(request).body
            except NotFoundError:
                yield claims.missing_claim_line(name, namespace)
            except StepError as error:
                permission = f"get persistentvolumeclaims {namespace}"
                self._missing[_why_not(error, "claims", permission)] = None
            else:
                if not claims.is_bound(claim):
                    self._read_events(claim)
                    yield claims.claim_line(claim)

    # -- probes and logs

    def _with_probe(self, found: Finding) -> Finding:
        """The finding with the probe that keeps the container unready or had it killed, and the probe's last answer."""
        if not self._cause.group:
            return found
        blame = self._cause.group[0]
        container = blame.symptom.container
        is_unready = blame.symptom.reason == "ContainersNotReady"
        kind = ""
        if blame.symptom.crashed:
            kind = probes.killed_by(self._events, container)
        elif is_unready:
            kind = probes.unready(blame.pod, container)
        if not kind:
            return found
        answer = probes.answer(self._events, container, kind)
        if is_unready and answer:
            found = _explained(found, blame.symptom, f"{kind.capitalize()} probe failed: {answer}")
        found = _advised(found, probe_advice(kind, answer))
        return replace(found, probe=probes.probe_line(blame.pod, container, kind), probe_answer=answer)

    def _logs(self) -> tuple[tuple[str, ...], str]:
        """The last log lines of the run that crashed, else of the present run; and which of both it is."""
        if not self._cause.group:
            return (), ""
        blame = self._cause.group[0]
        if not (blame.symptom.crashed or blame.symptom.reason in ("ContainersNotReady", RUNNING)):
            return (), ""
        logs_of = "the run that crashed" if blame.symptom.crashed else "the current run"
        raw = self._log(blame)
        if raw is None:
            return (), ""
        if not raw.strip():
            self._missing[f"{logs_of} logged nothing"] = None
            return (), ""
        return tuple(line[:_LINE] for line in raw.decode("utf-8", "replace").splitlines()[-_LINES:]), logs_of

    def _log(self, blame: Blame) -> bytes | None:
        """The end of the log. The kubelet serves a run as ``previous`` only once the next run has begun."""
        if blame.symptom.crashed and blame.symptom.restarts > 0 and not _is_terminated(blame):
            try:
                return self._tail(blame, ("previous", "true"))
            except StepError:
                pass  # the current run's log is tried instead, and its refusal is noted
        try:
            return self._tail(blame)
        except StepError as error:
            permission = f"get pods/log {blame.pod['metadata'].get('namespace', '')}"
            self._missing[_why_not(error, "logs", permission)] = None
            return None

    def _tail(self, blame: Blame, *which: tuple[str, str]) -> bytes:
        """The last lines of a log; only the very last one where the size limit would have cut it off."""
        metadata = blame.pod["metadata"]
        path = _PODS.path(metadata.get("namespace"), metadata["name"], "log")
        raw = b""
        for lines in (_LINES, 1):
            query = (("container", blame.symptom.container), ("tailLines", str(lines)), ("limitBytes", str(_BYTES)))
            where = f"pod/{metadata['name']}"
            request = Request("GET", path, (*query, *which), accept="*/*", patient=False, where=where)
            raw = self._source.get(request, from_node=True).raw
            if len(raw) < _BYTES:
                break
        return raw


def _why_not(error: StepError, what: str, permission: str) -> str:
    if isinstance(error, ForbiddenError):
        verb, resource, namespace = permission.split()
        return (
            f"no {what}: this token may not {verb} {resource} in namespace {namespace}: grant {verb} on {resource}"
            " (k8s-step permissions -f … prints the Role)"
        )
    return f"no {'evidence' if isinstance(error, _AwayError) else what}: {error.message}"


def _explained(found: Finding, symptom: Symptom, why: str) -> Finding:
    """The finding with ``why`` in the place of the pod status' message; the object's own message stays."""
    if found.reason == symptom.reason:
        return replace(found, message=why)
    if symptom.message:
        return replace(found, message=found.message.replace(symptom.message, why))
    return replace(found, message=f"{found.message}: {why}")


def _advised(found: Finding, told: Advice) -> Finding:
    return replace(found, advice=told.likely, check=told.check) if any(told) else found


def _is_terminated(blame: Blame) -> bool:
    """Whether the crashed run is the current one."""
    return bool((status_of(blame.pod, blame.symptom.container).get("state") or {}).get("terminated"))
