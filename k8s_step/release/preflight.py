"""Before the first write: every object is read, and every change is tried by the server's dry run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from k8s_step.api.client import Client
from k8s_step.api.request import Request
from k8s_step.errors import ApiError, InvalidError, NotFoundError
from k8s_step.objects.body import encode
from k8s_step.objects.kinds.secrets import values_of
from k8s_step.objects.reference import Reference
from k8s_step.operations.apply import write
from k8s_step.operations.look import MANY, look
from k8s_step.operations.plan import ApplyOptions, Planned, Seen, Written
from k8s_step.redaction import Redactor
from k8s_step.release.batch import run_all
from k8s_step.release.planning.session import Run, Session

if TYPE_CHECKING:
    from k8s_step.report.difference import Difference

_ELSEWHERE = "default"  # a namespace that every cluster has


class Checked(NamedTuple):
    """What applying an object would do, as the server's dry run says.

    ``lacks``: an object of the same release that must exist before the server can try this one; ``written`` then holds
    the manifest.
    """

    seen: Seen
    written: Written
    lacks: Reference | None = None


@dataclass(frozen=True)
class Preflight:
    """Reads, checks and applies objects by the same options.

    All refusals of a reading or a check are reported, and end in a :class:`ReportedError`.
    """

    run: Run
    session: Session
    options: ApplyOptions
    _tried: dict[tuple[str, ...], Checked] = field(default_factory=dict, init=False, repr=False)

    def look(self, plan: Sequence[Planned]) -> list[Seen]:
        """Read all objects, many of one kind and namespace by a list where that is cheaper."""
        client = self.session.client
        if len(plan) < MANY:
            return run_all(self.run, plan, lambda one: look(client, one, self.options))
        from k8s_step.operations.survey import Survey  # imported here: few releases are so large

        survey = Survey(client, plan, self.run.inputs.concurrency)
        return run_all(self.run, plan, lambda one: survey.look(one, self.options))

    def check(self, wanted: Sequence[Seen], release: Sequence[Seen]) -> list[Checked]:
        """What applying the ``wanted`` objects of a release would do; an object that is current costs no request.

        Nor does one that was checked before, unless it lacked another object then.
        """
        options = self.options._replace(dry_run=True)

        def try_out(one: Seen) -> Checked:
            known = self._tried.get(one.reference.key)
            if known is not None and known.seen is one:
                return known
            made = _checked(self.session.client, one, release, options)
            if made.lacks is None:
                self._tried[one.reference.key] = made
            return made

        return run_all(self.run, wanted, try_out)

    def apply(self, one: Seen) -> Written:
        """Apply one object. Raises :class:`ApiError`."""
        return write(self.session.client, one, self.options)

    def tell_unchecked(self, checked: Sequence[Checked]) -> None:
        """Report the objects that the server could not try yet, and why."""
        lacking = Counter(one.lacks for one in checked if one.lacks)
        for reference, count in lacking.items():
            objects = "1 object" if count == 1 else f"{count} objects"
            besides = " (their fields were checked)" if reference.kind == "Namespace" else ""
            self.run.journal.notice(f"the server can't try out {objects} before {reference} is there{besides}")


def settled(seen: Sequence[Seen], checked: Sequence[Checked]) -> list[Seen]:
    """``seen`` with what the dry run has shown: an object that it left unchanged needs no write."""
    known = {one.seen.reference.key: _settled(one) for one in checked if one.lacks is None}
    return [known.get(one.reference.key, one) for one in seen]


def _settled(checked: Checked) -> Seen:
    seen, written = checked.seen, checked.written
    if written.action != "unchanged" or seen.handover is not None:
        return replace(seen, is_change=True)
    return replace(seen, is_current=True, warnings=written.warnings)


def missing(one: Seen, release: Sequence[Seen], error: ApiError) -> Reference | None:
    """The object of this release that ``one`` needs to be tried; raises ``error`` where there is none."""
    message = str(error.status.get("message") or error.message)
    for other in release:
        if other is not one and _is_missed(other, one, error, message):
            return other.reference
    return None


def difference_of(checked: Checked, redactor: Redactor) -> Difference:
    """The difference that applying would make, masked."""
    from k8s_step.report.difference import difference

    seen, written = checked.seen, checked.written
    note = f"not tried out, as {checked.lacks} comes with this release" if checked.lacks else ""
    note = f"deleted and created anew, as {written.because}" if written.because else note
    if seen.live is None and written.action != "created":
        note = "this token may not read it, so all that it would hold is shown"
    reference = seen.reference
    return difference(reference, written.action, seen.live, written.object, seen.planned.object, note, redactor)


def _is_missed(other: Seen, one: Seen, error: ApiError, message: str) -> bool:
    """Whether ``error`` is due to ``other``, which does not exist yet or does not match its manifest yet."""
    kind, name = other.reference.kind, other.reference.name
    resource = one.planned.resource
    if (kind, name) == ("CustomResourceDefinition", f"{resource.plural}.{resource.group}"):
        return isinstance(error, NotFoundError) or (isinstance(error, InvalidError) and not other.is_current)
    if (kind, name) == ("Namespace", one.reference.namespace) and _DEFAULT_ACCOUNT in message:
        return True
    if other.live is not None:
        return False
    # The server says that the *binding* of this name isn't there: NewNotFound in policybased storage.
    role = one.planned.object.get("roleRef") or {}
    is_bound = isinstance(error, NotFoundError) and (role.get("kind"), role.get("name")) == (kind, name)
    return is_bound or _says_missing(message, kind, name)


# The controller creates it a moment after its namespace.
_DEFAULT_ACCOUNT = 'serviceaccount "default" not found'
_MISSING = r"not found|was found|does not exist"


def _says_missing(message: str, kind: str, name: str) -> bool:
    """Whether the server's message says that this object is missing.

    Examples: ``error looking up service account shop/web: serviceaccount "web" not found``, ``no PriorityClass with
    name high was found``, ``namespaces "shop" not found``.
    """
    is_named = re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", message)
    is_kind = re.search(rf"\b{kind}(?:e?s)?\b", message, re.IGNORECASE)
    return bool(re.search(_MISSING, message) and is_named and is_kind)


def _checked(client: Client, one: Seen, release: Sequence[Seen], options: ApplyOptions) -> Checked:
    try:
        return Checked(one, write(client, one, options))
    except ApiError as error:
        lacks = missing(one, release, error)
        if lacks is None:
            raise
    if lacks.kind == "Namespace":
        _check_elsewhere(client, one.planned, options)
    return Checked(one, Written(one.planned, "created", dict(one.planned.object)), lacks)


def _check_elsewhere(client: Client, planned: Planned, options: ApplyOptions) -> None:
    """Check the fields of an object whose namespace does not exist yet, by a dry-run creation in another namespace.

    Refusals by that other namespace's quota or admission rules do not count.
    """
    metadata = {key: value for key, value in planned.object["metadata"].items() if key != "namespace"}
    body = encode({**planned.object, "metadata": metadata})
    path = planned.resource.path(_ELSEWHERE)
    query = tuple(pair for pair in options.query if pair[0] != "force")
    try:
        client.send(Request("POST", path, query, body, "application/json", where=planned.where))
    except InvalidError as error:
        if not _BY_ADMISSION.search(error.message):
            from k8s_step.operations.explanations import explain

            raise explain(error, planned) from None
    except ApiError:
        return


_BY_ADMISSION = re.compile(r"denied (the )?request|webhook")


def show_differences(run: Run, checked: Sequence[Checked]) -> int:
    """Show what would change, in the manifests' order; return how many objects would."""
    run.redactor.add_values(values_of(one.seen.live for one in checked if one.seen.live))
    changes = 0
    for one in checked:
        if one.written.action != "unchanged":
            found = difference_of(one, run.redactor)
            changes += bool(found.lines)
            if one.written.because and not found.lines:
                run.journal.notice(found.title)
            else:
                run.journal.differs(found)
    return changes
