"""Deletes an object in order to create it anew: to change what can't change, or to run a Job once more."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from k8s_step.api.client import Client
from k8s_step.api.fielderrors import field_errors
from k8s_step.api.request import Request
from k8s_step.errors import ApiError, ConflictError, ForbiddenError, InputError, InvalidError
from k8s_step.objects import provenance
from k8s_step.objects.body import encode
from k8s_step.objects.kinds.pods import controller_of
from k8s_step.objects.kinds.retention import claims_go_with
from k8s_step.objects.metadata import ON_IMMUTABLE, RUN, Object, annotations_of, labels_of, uid_of
from k8s_step.objects.reference import name_ending
from k8s_step.operations.delete import DeleteOptions, delete_read
from k8s_step.operations.explanations import explain_invalid, is_immutable, remade
from k8s_step.operations.handover import anew
from k8s_step.operations.plan import ApplyOptions, Planned, Seen, Written
from k8s_step.operations.restoring.restore import KEPT
from k8s_step.verdict.readiness import is_decided
from k8s_step.verdict.target import Target

_RECREATE, _ALWAYS = "recreate", "always"
_LONGEST = 63  # characters of a name that every kind takes


def may_be_recreated(obj: Object) -> bool:
    """Whether the ``k8s-step/on-immutable`` annotation allows it. Raises :class:`InputError`."""
    value = annotations_of(obj).get(ON_IMMUTABLE)
    if value is None or value == "":
        return False
    kind = str(obj.get("kind"))
    if value != _RECREATE:
        raise InputError(f"{value!r} is not known", where=ON_IMMUTABLE, hint=f'"{_RECREATE}" is')
    if kind in KEPT:
        message = f"a {kind} is not deleted to be created anew: {KEPT[kind]}"
        raise InputError(message, where=ON_IMMUTABLE, hint="drop the annotation")
    return True


def runs_always(obj: Object) -> bool:
    """Whether the ``k8s-step/run`` annotation asks for a Job's run at each release. Raises :class:`InputError`."""
    value = annotations_of(obj).get(RUN)
    if value is None or value == "":
        return False
    if value != _ALWAYS:
        raise InputError(f"{value!r} is not known", where=RUN, hint=f'"{_ALWAYS}" is')
    if (obj.get("apiVersion"), obj.get("kind")) != ("batch/v1", "Job"):
        message = f"only a Job of batch/v1 runs at each release, and this is a {obj.get('kind')}"
        raise InputError(message, where=RUN, hint="drop the annotation")
    if (obj.get("spec") or {}).get("suspend") is True:
        raise InputError("this Job is suspended, so it would never run", where=RUN, hint="leave spec.suspend out")
    return True


def may_be_replaced(obj: Object) -> bool:
    """Whether one of the annotations says so. Raises :class:`InputError`."""
    return may_be_recreated(obj) or runs_always(obj)


def is_rerun(seen: Seen) -> bool:
    """Whether an earlier run of a Job is in the way of this release's."""
    return not seen.is_absent and runs_always(seen.planned.object)


def rerun(client: Client, seen: Seen, options: ApplyOptions) -> Written:
    """What running the Job once more would make. Raises :class:`ApiError` where the one before may not be deleted."""
    unfinished = seen.live is not None and not is_decided(seen.live)
    because = f"it runs at each release{' (the one before is not finished)' if unfinished else ''}"
    refusal = ConflictError(because, code=409, where=seen.planned.where)
    return _tried(client, seen, refusal, because, options)


def is_called_for(error: ApiError, planned: Planned) -> bool:
    """Whether a refusal is about nothing but what can't change, and the manifest allows that it is created anew."""
    found = field_errors(error)
    return may_be_recreated(planned.object) and all(is_immutable(one.message) for one in found)


def try_out(client: Client, seen: Seen, refusal: InvalidError, options: ApplyOptions) -> Written:
    """What creating the object anew would make, by dry runs of its deletion and its creation under another name.

    Raises the ``refusal`` where the object may not be deleted, and :class:`ApiError` where the server says so.
    """
    return _tried(client, seen, refusal, _fields(refusal), options)


def _tried(client: Client, seen: Seen, refusal: ApiError, because: str, options: ApplyOptions) -> Written:
    planned, live = anew(seen, options).planned, seen.live
    reason = _obstacle(live, planned.object)
    if live is None or reason:
        raise remade(refusal, planned, because, reason)
    delete_read(client, target_of(seen), DeleteOptions(cascade_of(live, planned.object), dry_run=True))
    source = provenance.kept(live, options.field_manager, force=options.force)
    shown = replace(planned, object=provenance.with_source(planned.object, source))
    return Written(planned, "replaced", _created(client, shown, live, options), because=because)


def target_of(seen: Seen) -> Target:
    """The object as it was read: what is deleted, and no other of its name."""
    return Target(seen.reference, seen.planned.resource, seen.live or {})


def cascade_of(old: Object, new: Object) -> str:
    """How an object that ``new`` comes after is deleted.

    The pods of a StatefulSet stay and are taken over, where the new one selects them. Those of a Job are gone before
    the new one begins. The others' go while the new ones come.
    """
    kind = old.get("kind")
    if kind == "StatefulSet":
        return "orphan" if _selects_pods_of(new, old) else "foreground"
    return "foreground" if kind == "Job" else "background"


def _selects_pods_of(new: Object, old: Object) -> bool:
    selector = (new.get("spec") or {}).get("selector") or {}
    labels = labels_of((old.get("spec") or {}).get("template") or {})
    wanted = selector.get("matchLabels") or {}
    return not selector.get("matchExpressions") and all(labels.get(key) == value for key, value in wanted.items())


def _obstacle(live: Object | None, manifest: Object) -> str:
    """Why the object may not be deleted, as the next move; empty where it may."""
    if live is None:
        return "allow get: without it this token can't tell which object it would delete"
    owner = controller_of(live)
    if owner:
        return f"{owner.get('kind')} {owner.get('name')} controls it, so it is not deleted here: change that one"
    if claims_go_with(live) and cascade_of(live, manifest) != "orphan":
        return "its claims, and their data, would be deleted with it: set whenDeleted to Retain first"
    return ""


def _fields(error: ApiError) -> str:
    """``spec.template can't be changed in place``."""
    fields = [one.field for one in field_errors(error) if one.field]
    return f"{', '.join(dict.fromkeys(fields)) or 'it'} can't be changed in place"


def _created(client: Client, planned: Planned, live: Object, options: ApplyOptions) -> Object:
    """The object that a creation would make; the manifest where only what it takes from the old one is in the way."""
    name = f"{planned.reference.name[: _LONGEST - 6].rstrip('-.')}-{name_ending(secrets.choice)}"
    body = {**planned.object, "metadata": {**planned.object["metadata"], "name": name}}
    query = tuple(pair for pair in options.query if pair[0] != "force")
    path, where = planned.address.collection, planned.where
    request = Request("POST", path, query, encode(body), "application/json", where=where)
    try:
        made = client.send(request).body
    except InvalidError as error:
        if all("already allocated" in one.message for one in field_errors(error)):  # addresses and ports of a Service
            return planned.object
        raise explain_invalid(error, planned) from None
    except ForbiddenError as error:
        if "exceeded quota" in error.message:
            return planned.object
        raise
    return _renamed(made, name, planned.reference.name, uid_of(live))


def _renamed(made: Mapping[str, Any], trial: str, name: str, uid: str) -> Object:
    """The object as if it had its own name and the old one's uid, which a Job's labels repeat."""
    text = json.dumps(made).replace(f'"{trial}"', json.dumps(name))
    renamed: Object = json.loads(text.replace(f'"{uid_of(made)}"', json.dumps(uid)) if uid_of(made) else text)
    return renamed
