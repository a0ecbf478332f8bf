"""Replaces one object unless somebody changed it meanwhile, and then says who changed what."""

from __future__ import annotations

from k8s_step.api.client import Client
from k8s_step.api.delivery import deliver
from k8s_step.api.request import Answer, Request
from k8s_step.errors import (
    AnswerLostError,
    ApiError,
    ApiErrors,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
)
from k8s_step.objects.body import encode
from k8s_step.objects.metadata import Object, entries, guard_of, metadata_of, uid_of
from k8s_step.objects.ownership.applied import has_same_content, without_controllers_own, without_counts
from k8s_step.objects.ownership.managers import changes_text, field_changes, latest
from k8s_step.operations.explanations import explain
from k8s_step.operations.plan import ApplyOptions, Planned, Written

_AGAIN = 10  # repetitions of a PUT after conflicts with a controller's status updates
_IMMUTABLE = ("immutable", "may not change", "forbidden: updates to")


class GuardedPut:
    """The PUT of one manifest, guarded by the ``resourceVersion`` it names or else by the one just read."""

    def __init__(self, client: Client, planned: Planned, options: ApplyOptions) -> None:
        self._client = client
        self._planned = planned
        self._options = options
        self._pinned = guard_of(planned.object)

    def make(self, retries: int = 0) -> Written:
        """Replace the object; after a conflict read it again and repeat, up to ``retries`` times.

        A conflict only with the status does not count, since a PUT does not change the status. Where the manifest names
        a ``resourceVersion``, nothing is repeated: its author asked for that very version. Raises
        :class:`ConflictError` with who changed what since, else :class:`ApiError` with the next move as its hint.
        """
        again = _AGAIN
        while True:
            before = None if self._pinned else self._read()
            try:
                return self._put(self._pinned or guard_of(before or {}), before)
            except ConflictError as error:
                if again and before and self._has_only_new_status(before):
                    again -= 1
                    continue
                if self._pinned or retries == 0:
                    raise self._stale(error, before) from None
                retries -= 1
            except NotFoundError as error:
                raise self._missing(error, "it is not there" if self._pinned else "it was deleted meanwhile") from None
            except InvalidError as error:
                raise _immutable(explain(error, self._planned)) from None

    def _has_only_new_status(self, before: Object) -> bool:
        """Whether only the status has changed since, and the kind has it as a subresource, which a PUT leaves alone."""
        try:
            now = self._get().body
        except ApiError:
            return False
        is_apart = any(entry.get("subresource") == "status" for entry in (*entries(before), *entries(now)))
        same = without_controllers_own(before) == without_controllers_own(now)
        return same and uid_of(before) == uid_of(now) and (is_apart or before.get("status") == now.get("status"))

    def _put(self, version: str, before: Object | None) -> Written:
        request = self._request(version)
        if self._options.dry_run:
            answer = self._client.send(request)
        else:
            answer = deliver(self._client, request, lambda: self._look(version))
        action = "unchanged" if guard_of(answer.body) == version else "replaced"
        if self._options.dry_run and before is not None:
            action = "unchanged" if has_same_content(before, answer.body) else "replaced"
        return Written(self._planned, action, answer.body, answer.warnings)

    def _request(self, version: str, *, dry_run: bool = False) -> Request:
        manifest = self._planned.object
        body = encode({**manifest, "metadata": {**manifest["metadata"], "resourceVersion": version}})
        dry = self._options.dry_run or dry_run
        query = (*self._options.query, ("dryRun", "All")) if dry_run else self._options.query
        where = self._planned.where
        return Request("PUT", self._planned.path, query, body, self._planned.content_type, retry=dry, where=where)

    def _look(self, version: str) -> Answer | None:
        """After a lost answer: the object where the PUT was done, ``None`` where the object has not changed.

        Raises :class:`ConflictError` where somebody else has changed it.
        """
        for _ in range(_AGAIN):
            live = self._looked_at()
            if guard_of(live.body) == version:
                return None
            try:
                wanted = self._client.send(self._request(guard_of(live.body), dry_run=True))
            except ConflictError:  # a controller has written the status since
                continue
            if has_same_content(without_counts(wanted.body), without_counts(live.body)):
                return live
            raise ConflictError("it changed", code=409, status={"reason": "Conflict"}, where=self._planned.where)
        message = "the answer to its replacement was lost, and others write it faster than it can be looked at"
        raise AnswerLostError(message, where=self._planned.where, hint="look at it before you run this again")

    def _looked_at(self) -> Answer:
        try:
            return self._get()
        except ForbiddenError:
            message = "the answer to its replacement was lost, and this token may not look what came of it"
            raise AnswerLostError(message, where=self._planned.where, hint="allow get") from None

    def _get(self) -> Answer:
        return self._client.send(Request("GET", self._planned.path, where=self._planned.where))

    def _read(self) -> Object:
        try:
            return self._get().body
        except NotFoundError as error:
            raise self._missing(error) from None
        except ForbiddenError as error:
            error.hint = "replace reads an object before it writes it: allow get, or name a metadata.resourceVersion"
            raise

    def _missing(self, error: NotFoundError, message: str = "it is not there") -> ApiError:
        """The error for a missing object, or for a kind that the server does not serve."""
        if not error.status.get("details"):
            return explain(error, self._planned)
        hint = "k8s-step create creates it, k8s-step apply creates or updates"
        return NotFoundError(message, code=error.code, status=error.status, where=self._planned.where, hint=hint)

    def _stale(self, error: ConflictError, before: Object | None) -> ApiError:
        """The conflict, with who changed which fields since the version that was read."""
        where, status = self._planned.where, error.status
        try:
            now = self._get().body
        except NotFoundError:
            return ConflictError("it was deleted meanwhile", code=409, status=status, where=where)
        except ApiError:
            return error
        if uid_of(self._planned.object) not in ("", uid_of(now)) or (before and uid_of(before) != uid_of(now)):
            hint = "look at the new one first"
            return ConflictError("it was deleted and created anew", code=409, status=status, where=where, hint=hint)
        earlier = before or self._earlier()
        if earlier is None:
            last = changes_text(latest(now))
            since = f"it is not as it was at resourceVersion {self._pinned}; the last change was {last}"
        else:
            since = f"it changed since resourceVersion {guard_of(earlier)}: {changes_text(field_changes(earlier, now))}"
        hint = "read it again with --retry-conflicts N, which overwrites these changes"
        if self._pinned:
            hint = "bring these changes into the manifest, or take metadata.resourceVersion out of it to overwrite them"
        return ConflictError(since.rstrip(": "), code=409, status=status, where=where, hint=hint)

    def _earlier(self) -> Object | None:
        """The object at the version that the manifest names; the server keeps old versions for some minutes.

        Source: ``resourceVersionMatch=Exact`` in "Resource versions" of Kubernetes' API concepts; only lists take it.
        """
        reference = self._planned.reference
        query = (
            ("fieldSelector", f"metadata.name={reference.name}"),
            ("resourceVersion", self._pinned),
            ("resourceVersionMatch", "Exact"),
        )
        path = self._planned.resource.path(reference.namespace or None)
        try:
            items = self._client.send(Request("GET", path, query)).body.get("items")
        except ApiError:
            return None
        return dict(items[0], metadata={**metadata_of(items[0]), "resourceVersion": self._pinned}) if items else None


def _immutable(error: ApiError) -> ApiError:
    """The refusal with the next move for fields that no update can change."""
    for each in error.errors if isinstance(error, ApiErrors) else [error]:
        if any(words in each.message for words in _IMMUTABLE):
            each.hint = "this cannot change while the object lives: delete it and create it anew, or keep the field"
    return error
