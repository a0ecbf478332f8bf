"""The drift of a live object from its manifest, as a patch guarded by the resourceVersion that was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from k8s_step.api.client import Client
from k8s_step.api.request import Request
from k8s_step.errors import ApiError, ConflictError, InvalidError, NotFoundError
from k8s_step.objects import jsonpatch
from k8s_step.objects.body import PatchType, encode
from k8s_step.objects.metadata import Object, guard_of
from k8s_step.objects.ownership.applied import without_servers_own
from k8s_step.operations.explanations import explain, explain_missing
from k8s_step.operations.patch import send
from k8s_step.operations.plan import ApplyOptions, Planned, PlannedPatch, Written

_TRIES = 5
# Dry-run as a manager that owns nothing: with our own name the server would remove fields that the manifest dropped,
# and they would show as drift.
_ONLOOKER = "k8s-step-drift"


@dataclass(frozen=True)
class Drift:
    """``live`` is the object as read; ``wanted`` is ``live`` with the manifest's fields merged in by the server."""

    planned: Planned
    live: Object
    wanted: Object

    def patch(self, patch_type: PatchType) -> Any:
        """The patch's body, guarded by the ``resourceVersion`` of ``live``; empty where nothing differs."""
        version = guard_of(self.live)
        live, wanted = without_servers_own(self.live), without_servers_own(self.wanted)
        if patch_type is PatchType.JSON:
            found = jsonpatch.between(live, wanted)
            return [{"op": "test", "path": "/metadata/resourceVersion", "value": version}, *found] if found else []
        body = jsonpatch.merge_between(live, wanted)
        return jsonpatch.merged(body, {"metadata": {"resourceVersion": version}}) if body else {}

    def change(self, patch_type: PatchType) -> PlannedPatch:
        """The patch as a change of the object, with the manifest's lines."""
        planned, body = self.planned, self.patch(patch_type)
        line = planned.reference.line
        lines = {"line_of": planned.line_of, "line_of_operation": lambda _: line}
        return PlannedPatch(planned.address, planned.object, patch_type=patch_type, body=body, **lines)


def measure(client: Client, planned: Planned) -> Drift:
    """Read the object, and dry-run the manifest on the server, which knows the merge keys of lists."""
    live: Object = {}
    for _ in range(_TRIES):
        live = _read(client, planned)
        wanted = _merged(client, planned)
        if guard_of(wanted) == guard_of(live):
            return Drift(planned, live, wanted)
    raise _restless(planned)


def close(client: Client, drift: Drift, patch_type: PatchType, options: ApplyOptions) -> Written:
    """Send the patch. After a conflict with another writer, measure again and send the same patch with a new guard.

    Raises :class:`ConflictError` where the drift measured again differs from the drift that was shown.
    """
    shown = _unguarded(drift.change(patch_type))
    for _ in range(_TRIES):
        change = drift.change(patch_type)
        if not change.body:
            return Written(drift.planned, "unchanged", drift.live)
        if _unguarded(change) != shown:
            raise _restless(drift.planned)
        try:
            return send(client, change, drift.live, options)
        except (ConflictError, InvalidError) as error:
            again = measure(client, drift.planned)
            if guard_of(again.live) == guard_of(drift.live):
                raise error from None  # the conflict is not about the guard
            drift = again
    raise _restless(drift.planned)


def _read(client: Client, planned: Planned) -> Object:
    try:
        return client.send(Request("GET", planned.path, where=planned.where)).body
    except NotFoundError as error:
        raise explain_missing(error, planned) from None


def _merged(client: Client, planned: Planned) -> Object:
    query = ApplyOptions(_ONLOOKER, force=True, dry_run=True).query
    body = encode(without_servers_own(planned.object))
    request = Request("PATCH", planned.path, query, body, PatchType.APPLY.value, where=planned.where)
    try:
        return client.send(request).body
    except ApiError as error:
        raise explain(error, planned) from None


def _unguarded(change: PlannedPatch) -> Any:
    if isinstance(change.body, list):
        return change.body[1:]
    return jsonpatch.merged(change.body, {"metadata": {"resourceVersion": None}})


def _restless(planned: Planned) -> ConflictError:
    message = "it changed between its reading and the patch, again and again, or to something else than was shown"
    return ConflictError(message, code=409, where=planned.where, hint="nothing was changed: run this again")
