"""The Jobs of ``run``: which manifests are taken, a fresh name for each run, and their deletion."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from k8s_step.api.client import Client
from k8s_step.errors import ConflictError, InputError, InputErrors, StepError
from k8s_step.manifests.manifest import Manifest
from k8s_step.objects.metadata import Object
from k8s_step.objects.reference import name_ending
from k8s_step.operations.create import create, find_created
from k8s_step.operations.delete import DeleteOptions, delete_read
from k8s_step.operations.plan import ApplyOptions, Planned, Written
from k8s_step.verdict.target import Target

_LONGEST = 63  # characters: the Job's name is a label of its pods
_TRIES = 4  # random names that are tried before giving up


def jobs_of(manifests: Sequence[Manifest]) -> list[Manifest]:
    """The manifests, each of which must be a Job that is not suspended. Raises :class:`InputErrors`."""
    errors = [InputError(told, where=one.where, hint=hint) for one in manifests for told, hint in _objections(one)]
    if errors:
        raise InputErrors(errors)
    return list(manifests)


def create_job(
    client: Client,
    planned: Planned,
    options: ApplyOptions,
    choose: Callable[[str], str] = secrets.choice,
) -> Written:
    """Create the Job under its own name or, where that is taken by an earlier run, under a fresh one.

    Raises :class:`ApiError` as :func:`create` does.
    """
    for name in names(planned.object, choose):
        try:
            return create(client, _named(planned, name), options)
        except ConflictError as error:
            if error.reason != "AlreadyExists":
                raise
            taken = error
    raise taken


def names(job: Object, choose: Callable[[str], str] = secrets.choice) -> Iterator[str]:
    """The names to try: the Job's own, one with a digest of its spec, then random ones."""
    own = str(job["metadata"]["name"])
    yield own
    spec = json.dumps(job.get("spec"), sort_keys=True, default=str).encode()
    yield _with_ending(own, hashlib.sha256(spec).hexdigest()[:8])
    for _ in range(_TRIES):
        yield _with_ending(own, name_ending(choose))


def find_job(client: Client, planned: Planned, manager: str, started: float) -> Written | None:
    """The Job whose creation got no answer, where this run has created it under its own name."""
    try:
        found = find_created(client, planned, manager, started)
    except StepError:  # created by somebody else, or unknown
        return None
    return Written(planned, "created", found.body) if found is not None else None


def delete_job(client: Client, target: Target) -> StepError | None:
    """Delete the Job and its pods, but no successor of its name; returns the error where that failed."""
    try:
        delete_read(client, target, DeleteOptions())
    except StepError as error:
        return error
    return None


def has_several_logs(jobs: Sequence[Object]) -> bool:
    """Whether more than one container is certain to write a log."""
    specs = [job.get("spec") or {} for job in jobs]
    return len(specs) > 1 or any(_containers(spec) * _pods(spec) > 1 for spec in specs)


def _objections(manifest: Manifest) -> Iterator[tuple[str, str]]:
    if (manifest.api_version, manifest.kind) != ("batch/v1", "Job"):
        told = manifest.kind if manifest.kind != "Job" else f"Job of {manifest.api_version}"
        yield f"run takes Jobs of batch/v1, and this is a {told}", "k8s-step apply sends what a Job needs"
    elif (manifest.object.get("spec") or {}).get("suspend") is True:
        yield "this Job is suspended, so it would never run", "leave spec.suspend out"


def _named(planned: Planned, name: str) -> Planned:
    metadata = {**planned.object["metadata"], "name": name}
    obj = {**planned.object, "metadata": metadata}
    address = planned.address._replace(reference=replace(planned.reference, name=name))
    return replace(planned, object=obj, address=address)


def _with_ending(name: str, ending: str) -> str:
    return f"{name[: _LONGEST - len(ending) - 1].rstrip('-.')}-{ending}"


def _containers(spec: Object) -> int:
    pod = (spec.get("template") or {}).get("spec") or {}
    return len(pod.get("containers") or []) + len(pod.get("initContainers") or [])


def _pods(spec: Object) -> int:
    return max(int(spec.get("completions") or 1), int(spec.get("parallelism") or 1))
