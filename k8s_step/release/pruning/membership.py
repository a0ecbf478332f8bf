"""The members of a set that the release no longer holds: found by their label, and judged whether they go or stay."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from k8s_step.api.concurrency import gather, successes
from k8s_step.api.request import Request
from k8s_step.errors import ForbiddenError, NotFoundError, StepError, UnavailableError
from k8s_step.objects.applyset import Contents, GroupKind
from k8s_step.objects.metadata import PART_OF, Object, labels_of
from k8s_step.objects.resource import Resource, required
from k8s_step.objects.selection import Group
from k8s_step.operations.delete import members
from k8s_step.operations.plan import Planned
from k8s_step.release.planning.guards import Guards
from k8s_step.release.planning.session import Run, Session
from k8s_step.release.pruning.parent import HINT, Parent
from k8s_step.release.pruning.protection import reason_to_keep
from k8s_step.verdict.target import Target

_NAMESPACE = required("v1", "Namespace")


@dataclass(frozen=True)
class Members:
    """The members that the release no longer holds: those that go, and those that stay, each with the reason."""

    going: Sequence[Target] = ()
    kept: Sequence[tuple[Target, str]] = ()


@dataclass(frozen=True)
class Membership:
    """Looks for the members of a set.

    ``before``: what the parent listed at first: a kind of which this release has the first member need not be listed.
    """

    run: Run
    session: Session
    parent: Parent
    plan: Sequence[Planned]
    before: Contents
    resources: Sequence[Resource] = field(repr=False)

    @classmethod
    def of(cls, run: Run, session: Session, parent: Parent, plan: Sequence[Planned]) -> Membership:
        """The membership of a set whose parent has been read, its kinds looked up.

        A kind that the server no longer serves has no objects left: that is reported. Raises
        :class:`UnavailableError` where the server can't tell because an aggregated API is down.
        """
        kinds = parent.contents.kinds
        served = session.discovery.serving((each.group, each.kind) for each in kinds)
        resources = sorted(served.values())
        gone = kinds - {kind_of(each) for each in resources} - of_plan(plan).kinds
        before = Contents(kinds - gone, parent.contents.namespaces)
        found = cls(run, session, parent, plan, before, resources)
        if gone:
            found._tell_unserved(gone)
        return found

    def widened(self, other: Contents) -> Membership:
        """The membership with kinds and namespaces that the parent did not list."""
        served = self.session.discovery.serving((each.group, each.kind) for each in other.kinds)
        resources = sorted({*self.resources, *served.values()})
        return replace(self, before=self.before | other, resources=resources)

    def find(self, uids: Collection[str]) -> Members:
        """The members that are neither planned nor have one of these ``uids``, whatever API version serves them."""
        planned = {one.reference.key for one in self.plan}
        going: dict[str, Target] = {}
        kept: dict[str, tuple[Target, str]] = {}
        for target in self._listed():
            if target.reference.key in planned or target.uid in (self.parent.uid, *uids):
                continue
            if reason := self.reason(target, target.object):
                kept[target.uid] = (target, reason)
            else:
                going[target.uid] = target
        return Members(list(going.values()), list(kept.values()))

    def reason(self, target: Target, obj: Object) -> str:
        """Why a member stays, by its present state ``obj``; empty where it goes."""
        if not self.holds(obj):
            return "it is in this set no more"
        objection = Guards.of(self.run.inputs).objection(target.resource, target.reference)
        return objection or reason_to_keep(obj, self.parent.uid, with_data=self.run.inputs.prune_data)

    def holds(self, obj: Object) -> bool:
        """Whether the object bears the label of this set."""
        return bool(labels_of(obj).get(PART_OF) == self.parent.id)

    def _listed(self) -> Iterator[Target]:
        """All members of the kinds and in the namespaces that the parent listed."""
        found = dict(successes(gather(self._members, self._groups, self.run.inputs.concurrency), self._refused))
        for group in self._groups:
            yield from found.get(group, [])

    @property
    def _groups(self) -> list[Group]:
        spaces, selector = sorted(self.before.namespaces), f"{PART_OF}={self.parent.id}"
        return [
            Group(each, space, selector) for each in self.resources for space in (spaces if each.namespaced else [""])
        ]

    def _members(self, group: Group) -> list[Target]:
        """The members of one kind in one namespace; none where that namespace is gone, with the token's Role in it."""
        try:
            return members(self.session.client, group, self.run.journal.notice)
        except ForbiddenError as error:
            if group.namespace and self._is_gone(group.namespace):
                return []
            error.hint = error.hint or HINT
            raise
        except NotFoundError:
            if group.namespace and self._is_gone(group.namespace):
                return []
            return self._members_as_served(group)

    def _members_as_served(self, group: Group) -> list[Target]:
        """The members of a kind whose list was not found: in the version that the server has, as of older Kubernetes.

        Raises :class:`NotFoundError` where it serves the kind in none, and :class:`UnavailableError` where it says that
        it serves a kind and does not find its list.
        """
        resource = self.session.discovery.served(group.resource.group, group.resource.kind)
        if resource is None:
            raise NotFoundError("it is not served", code=404, where=group.text)
        try:
            return members(self.session.client, group._replace(resource=resource), self.run.journal.notice)
        except NotFoundError as error:
            message = f"the server serves {resource.api_version} {resource.kind}, and does not find its list"
            hint = "is its definition about to go? Try again"
            raise UnavailableError(message, code=error.code, status=error.status, where=group.text, hint=hint) from None

    def _refused(self, group: Group, error: StepError) -> None:
        if not isinstance(error, NotFoundError):
            raise error
        self._tell_unserved([kind_of(group.resource)])

    def _tell_unserved(self, kinds: Iterable[GroupKind]) -> None:
        """Warn of kinds that the server no longer serves, so that no object of them is left."""
        names = ", ".join(sorted(map(str, kinds)))
        self.run.journal.warning(f"the server no longer serves {names}: nothing of it is left in the set")

    def _is_gone(self, namespace: str) -> bool:
        """Whether the namespace is known to be gone: a token that may not read it can't tell."""
        try:
            self.session.client.send(Request("GET", _NAMESPACE.path(name=namespace), where=f"namespace/{namespace}"))
        except NotFoundError:
            return True
        except ForbiddenError:
            return False
        return False


def of_plan(plan: Sequence[Planned]) -> Contents:
    """The kinds and namespaces of planned objects."""
    return Contents.of((kind_of(one.resource), one.reference.namespace) for one in plan)


def kind_of(resource: Resource) -> GroupKind:
    return GroupKind(resource.group, resource.kind)
