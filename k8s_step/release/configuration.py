"""Restarts workloads whose configuration changes: a digest of it is an annotation of their pod template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from k8s_step.api.concurrency import gather
from k8s_step.api.request import Request
from k8s_step.errors import ApiError, NotFoundError
from k8s_step.objects.kinds.configuration import ROLL, Name, digest, rolls, used_by
from k8s_step.objects.metadata import Object, annotations_of
from k8s_step.objects.resource import required
from k8s_step.operations.look import asking
from k8s_step.operations.plan import ApplyOptions, Seen
from k8s_step.release.planning.session import Session
from k8s_step.release.preflight import Preflight

DIGEST = "k8s-step/config-digest"
_KINDS = ("Deployment", "StatefulSet", "DaemonSet", "Rollout")  # kinds that replace their pods for a new template
_CONFIGURATION = ("ConfigMap", "Secret")
_Key = tuple[str, str, str]  # kind, namespace, name


def roll_on_config(preflight: Preflight, seen: Sequence[Seen]) -> list[Seen]:
    """``seen``, with the digest of its configuration in the pod template of each workload that asks for it.

    The digest is of the ConfigMaps and Secrets as this release leaves them: those of the release by the server's dry
    run, others as they are.
    """
    by_option = preflight.run.inputs.roll_on_config
    asking = [one for one in seen if one.reference.kind in _KINDS and _asks(one, by_option)]
    if not asking:
        return list(seen)
    used = {one.reference.key: used_by(one.planned.object) for one in asking}
    contents = _contents(preflight, seen, used, asking)
    return [
        _with_digest(one, digest(_of(one, used[one.reference.key], contents)), preflight.options)
        if used.get(one.reference.key)
        else one
        for one in seen
    ]


def _asks(one: Seen, by_option: bool) -> bool:
    """The annotation decides, else the option."""
    return rolls(one.planned.object) if ROLL in annotations_of(one.planned.object) else by_option


def _contents(
    preflight: Preflight,
    seen: Sequence[Seen],
    used: Mapping[Any, Sequence[Name]],
    asking: Sequence[Seen],
) -> dict[_Key, Object | None]:
    """The configuration that the workloads use, after this release; an object that may not be read is left out."""
    run, session = preflight.run, preflight.session
    wanted = {(kind, one.reference.namespace, name) for one in asking for kind, name in used[one.reference.key]}
    own = [one for one in seen if one.reference.kind in _CONFIGURATION and _key(one) in wanted]
    found: dict[_Key, Object | None] = {_key(one.seen): one.written.object for one in preflight.check(own, seen)}
    others = sorted(wanted - found.keys())
    for key, result in gather(lambda key: _read(session, key), others, run.inputs.concurrency):
        if isinstance(result, ApiError):
            kind, namespace, name = key
            title = f"{kind.lower()}/{namespace}/{name}"
            run.journal.notice(f"{title} may not be read, so a change of it restarts nothing: {result.message}")
        elif isinstance(result, Exception):
            raise result
        else:
            found[key] = result
    return found


def _read(session: Session, key: _Key) -> Object | None:
    kind, namespace, name = key
    path = required("v1", kind).path(namespace, name)
    try:
        return session.client.send(Request("GET", path, where=f"{kind.lower()}/{namespace}/{name}")).body
    except NotFoundError:
        return None


def _of(one: Seen, names: Sequence[Name], contents: Mapping[_Key, Object | None]) -> list[tuple[Name, Object | None]]:
    keys = [((kind, name), (kind, one.reference.namespace, name)) for kind, name in names]
    return [(name, contents[key]) for name, key in keys if key in contents]


def _with_digest(one: Seen, value: str, options: ApplyOptions) -> Seen:
    spec = one.planned.object["spec"]
    metadata = spec["template"].get("metadata") or {}
    annotated = {**metadata, "annotations": {**(metadata.get("annotations") or {}), DIGEST: value}}
    template = {**spec["template"], "metadata": annotated}
    return asking(one, {**one.planned.object, "spec": {**spec, "template": template}}, options)


def _key(one: Seen) -> _Key:
    return one.reference.kind, one.reference.namespace, one.reference.name
