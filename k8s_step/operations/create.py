"""Creates one object, at most once even where the answer is lost, and with a generated name where it asks for one."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from k8s_step.api.client import Client
from k8s_step.api.delivery import deliver
from k8s_step.api.request import Answer, Request
from k8s_step.errors import AnswerLostError, ApiError, ConflictError, ForbiddenError, NotFoundError
from k8s_step.manifests.manifest import Manifest
from k8s_step.objects.body import encode
from k8s_step.objects.metadata import Object, entries, metadata_of
from k8s_step.objects.reference import name_ending
from k8s_step.objects.values.times import is_known, moment
from k8s_step.operations.explanations import explain
from k8s_step.operations.plan import ApplyOptions, Planned, Written

_LONGEST_PREFIX = 58  # characters, so that the name makes 63 at the most: ``names/generate.go`` of k8s.io/apiserver
_SLACK = 2.0  # seconds: the server's times are cut to whole seconds, here two of them


def name_generated(manifests: Iterable[Manifest], choose: Callable[[str], str] = secrets.choice) -> None:
    """Give each manifest that has only a ``generateName`` a name, as the server would.

    With a known name, a creation whose answer was lost can be looked up.
    """
    for manifest in manifests:
        if not manifest.name:
            metadata = manifest.object["metadata"]
            prefix = str(metadata["generateName"])[:_LONGEST_PREFIX]
            metadata["name"] = prefix + name_ending(choose)


def create(client: Client, planned: Planned, options: ApplyOptions) -> Written:
    """POST the manifest. Raises :class:`ApiError` with file, line, kind and name, and the next move as its hint."""
    body, kind = encode(planned.object), planned.content_type
    request = Request(
        "POST", planned.address.collection, options.query, body, kind, retry=options.dry_run, where=planned.where
    )
    started = time.monotonic()

    def look() -> Answer | None:
        return find_created(client, planned, options.field_manager, started)

    try:
        answer = client.send(request) if options.dry_run else deliver(client, request, look)
    except ConflictError as error:
        raise _taken(error, planned) from None
    except ApiError as error:
        raise explain(error, planned) from None
    return Written(planned, "created", answer.body, answer.warnings)


def find_created(client: Client, planned: Planned, manager: str, started: float) -> Answer | None:
    """The object, where this run has created it; ``None`` where it does not exist.

    ``started``: when its creation began, by ``time.monotonic``. Raises :class:`ConflictError` where somebody else has
    created it, :class:`AnswerLostError` where this token may not read it.
    """
    try:
        answer = client.send(Request("GET", planned.path, where=planned.where))
    except NotFoundError:
        return None
    except ForbiddenError:
        message = "the answer to its creation was lost, and this token may not look whether it is there"
        hint = "allow get, or look before you run this again"
        raise AnswerLostError(message, where=planned.where, hint=hint) from None
    if _is_by(manager, answer.body) and _age(answer) <= time.monotonic() - started + _SLACK:
        return answer
    raise ConflictError("it already exists", code=409, status={"reason": "AlreadyExists"}, where=planned.where)


def _is_by(manager: str, live: Object) -> bool:
    """Whether ``manager`` has created or updated the object; an Apply entry does not count."""
    return any(entry.get("manager") == manager and entry.get("operation") == "Update" for entry in entries(live))


def _age(answer: Answer) -> float:
    """Seconds since the object's creation by the server's clock; infinite where the answer does not give that clock."""
    created = moment(metadata_of(answer.body).get("creationTimestamp"))
    if not is_known(created):
        return math.inf
    now = parsedate_to_datetime(answer.date) if answer.date else datetime.now(UTC)
    return (now - created).total_seconds()


def _taken(error: ConflictError, planned: Planned) -> ApiError:
    if error.reason != "AlreadyExists":
        return error
    hint = "k8s-step apply updates what is there, k8s-step replace overwrites it"
    if planned.object["metadata"].get("generateName"):
        hint = "run this again: another name is made up"
    return ConflictError("it already exists", code=error.code, status=error.status, where=planned.where, hint=hint)
