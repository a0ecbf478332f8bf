"""The resources that the server serves: built-in kinds cost no request, others one per group version.

Source: ``/api`` and ``/apis`` of the API server, aggregated (apidiscovery.k8s.io/v2) where the server supports that,
and kubectl's rules for short names (client-go's ``restmapper``).
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from k8s_step.api.client import Client
from k8s_step.api.request import Request
from k8s_step.errors import ApiError, InputError, NotFoundError
from k8s_step.objects.kindword import KindWord, names_of
from k8s_step.objects.metadata import metadata_of
from k8s_step.objects.resource import BUILTIN, Resource, builtin

_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


class Discovery:
    """The resources of one server; each group version is requested at most once. Thread-safe."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[tuple[str, str], Resource] = {}  # by apiVersion and kind
        self._own: list[Resource] = []
        self._words: dict[KindWord, Resource] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._stale: list[str] = []
        self._lock = threading.Lock()

    def add(self, resource: Resource) -> None:
        """Treat ``resource`` as served, since this run creates its CustomResourceDefinition."""
        self._known[resource.api_version, resource.kind] = resource
        self._own.append(resource)

    def known(self, api_version: str, kind: str) -> Resource | None:
        """The resource of a manifest's apiVersion and kind; ``None`` where the server would have to be asked."""
        return builtin(api_version, kind) or self._known.get((api_version, kind))

    def resource(self, api_version: str, kind: str) -> Resource:
        """The resource of a manifest's apiVersion and kind.

        Raises :class:`InputError` for a kind that is not served; its hint names what the server has instead.
        """
        known = self.known(api_version, kind)
        if known is not None:
            return known
        with self._lock:
            lock = self._locks[api_version]
        with lock:
            known = self._known.get((api_version, kind))
            return known or self._asked(api_version, kind)

    def find(self, word: str) -> Resource:
        """The resource that ``word`` names, by kubectl's rules. Raises :class:`InputError` where there is none.

        ``word`` is a kind, plural, singular or short name, alone or as ``name.group``, ``name.version.group``,
        ``version/name`` or ``group/version/name``. Full names come before short ones, then kubectl's order of groups.
        """
        wanted = KindWord.read(word)
        if found := self._known_by(wanted):
            return found
        return self._found(word, wanted, self._everything())

    def find_all(self, word: str) -> list[Resource]:
        """Like :meth:`find`; of a category, such as ``all``, all its resources, each in its preferred version."""
        wanted = KindWord.read(word)
        if found := self._known_by(wanted):
            return [found]
        everything = self._everything()
        in_category = [each for each in everything if wanted.name in each.categories] if wanted.is_bare else []
        preferred = {each.full_name: each for each in reversed(in_category)}
        members = [each for each in in_category if preferred[each.full_name] is each]
        return members or [self._found(word, wanted, everything)]

    def serving(self, kinds: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Resource]:
        """The resources of these kinds, given by group and kind, each in its preferred version.

        Of a built-in kind the server is not asked: where its list is not found, :meth:`served` tells the version that
        an older server has. Any other kind that is missing is not served, for certain: raises
        :class:`UnavailableError` where it may be one of an aggregated API that is down.
        """
        wanted = list(kinds)
        builtins = {(each.group, each.kind): each for each in reversed(BUILTIN)}
        found = {each: builtins[each] for each in wanted if each in builtins}
        left = [each for each in wanted if each not in found]
        if not left:
            return found
        served = {(each.group, each.kind): each for each in reversed(self._everything())}
        groups = {group for group, kind in left if (group, kind) not in served}
        for api_version in [each for each in self._stale if each.rpartition("/")[0] in groups]:
            answer = self._client.send(Request("GET", _path(api_version), where=api_version)).body
            served = {**{(each.group, each.kind): each for each in _listed(answer)}, **served}
        return {**found, **{each: served[each] for each in left if each in served}}

    def served(self, group: str, kind: str) -> Resource | None:
        """The resource of a kind in the version that the server prefers; ``None`` where it serves the kind in none.

        Asked anew each time. Raises :class:`ApiError` where the server can't tell.
        """
        for api_version in self._versions_of(group):
            try:
                answer = self._client.send(Request("GET", _path(api_version), where=api_version)).body
            except NotFoundError:  # a version that has just gone
                continue
            if found := next((each for each in _listed(answer) if each.kind == kind), None):
                return found
        return None

    def _versions_of(self, group: str) -> list[str]:
        """The group versions of a group, the preferred one first; none where the server has no such group."""
        if not group:
            return ["v1"]
        try:
            answer = self._client.send(Request("GET", f"/apis/{group}", where=group)).body
        except NotFoundError:
            return []
        return _legacy_versions({"groups": [answer]})

    def _known_by(self, wanted: KindWord) -> Resource | None:
        return self._words.get(wanted) or wanted.best(BUILTIN) or wanted.best(self._own)

    def _found(self, word: str, wanted: KindWord, everything: list[Resource]) -> Resource:
        found = wanted.best(everything)
        if found is None:
            self._ask_for_stale(word, wanted)
            raise self._no_such(word, wanted, everything)
        self._words[wanted] = found
        return found

    def _asked(self, api_version: str, kind: str) -> Resource:
        what = f"{api_version} {kind}"
        request = Request("GET", _path(api_version), where=what)
        try:
            answer = self._client.send(request).body
        except NotFoundError:
            raise InputError(
                f"the server does not serve {api_version}", where=what, hint=self._versions(api_version, kind)
            ) from None
        self._known |= {(resource.api_version, resource.kind): resource for resource in _listed(answer)}
        if (api_version, kind) not in self._known:
            from k8s_step.objects.kinds import retired

            hint = retired.advice(api_version, kind) or _kubernetes_own(kind) or _near(kind, answer)
            raise InputError(f"the server serves no kind {kind} in {api_version}", where=what, hint=hint)
        return self._known[api_version, kind]

    def _versions(self, api_version: str, kind: str) -> str:
        """The hint for an apiVersion that is not served: its successor, or the versions of the same group."""
        from k8s_step.objects.kinds import retired

        if moved := retired.advice(api_version, kind):
            return moved
        own = _kubernetes_own(kind)
        missing = f"is its CustomResourceDefinition installed?{f' Else {own}' if own else ''}"
        group = api_version.rpartition("/")[0]
        if not group:
            return "is the apiVersion right?"
        try:
            answer = self._client.send(Request("GET", f"/apis/{group}")).body
        except ApiError:
            return missing
        served = [str(version.get("groupVersion")) for version in answer.get("versions") or []]
        return f"it serves {', '.join(served)}" if served else missing

    def _everything(self) -> list[Resource]:
        """All resources in kubectl's order: the core group, then groups by priority, the preferred version first.

        The list is requested again for each unknown word, since a CustomResourceDefinition may have been added.
        """
        with self._lock:
            self._stale = []
            return [resource for root in ("/api", "/apis") for resource in self._below(root)]

    def _below(self, root: str) -> Iterator[Resource]:
        answer = self._client.send(Request("GET", root, accept=_AGGREGATED)).body
        if answer.get("kind") == "APIGroupDiscoveryList":
            yield from self._aggregated(answer)
            return
        for api_version in _legacy_versions(answer):
            try:
                request = Request("GET", _path(api_version))
                yield from _listed(self._client.send(request).body)
            except ApiError:  # an aggregated API whose extension server is down must not hide the other APIs
                self._stale.append(api_version)

    def _aggregated(self, answer: dict[str, Any]) -> Iterator[Resource]:
        for group in answer.get("items") or []:
            name = metadata_of(group).get("name") or ""
            for version in group.get("versions") or []:
                api_version = f"{name}/{version['version']}" if name else version["version"]
                if version.get("freshness") == "Stale":
                    self._stale.append(api_version)
                yield from _aggregated_resources(name, version)

    def _ask_for_stale(self, word: str, wanted: KindWord) -> None:
        """Request the stale group version that ``word`` names. Raises :class:`UnavailableError` while it is down."""
        for api_version in self._stale:
            group, _, version = api_version.rpartition("/")
            if group == wanted.group and wanted.version in (None, version):
                request = Request("GET", _path(api_version), where=word)
                self._client.send(request)

    def _no_such(self, word: str, wanted: KindWord, everything: list[Resource]) -> InputError:
        import difflib

        names = {name for resource in everything for name in names_of(resource)}
        close = difflib.get_close_matches(wanted.name, sorted(names), n=3)
        hints = [f"close to it: {', '.join(close)}"] if close else []
        if self._stale:
            hints.append(f"not available at the moment: {', '.join(self._stale)}")
        return InputError(f"the server serves no kind {word!r}", hint="; ".join(hints) or None)


def _path(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _listed(answer: dict[str, Any]) -> Iterator[Resource]:
    """The resources of an APIResourceList, without subresources."""
    group, _, version = str(answer.get("groupVersion") or "").rpartition("/")
    for item in answer.get("resources") or []:
        if "/" not in item["name"]:
            yield Resource(
                group,
                version,
                item["kind"],
                item["name"],
                bool(item.get("namespaced")),
                item.get("singularName") or item["kind"].lower(),
                tuple(item.get("shortNames") or ()),
                tuple(item.get("categories") or ()),
            )


def _aggregated_resources(group: str, version: dict[str, Any]) -> Iterator[Resource]:
    for item in version.get("resources") or []:
        kind = (item.get("responseKind") or {}).get("kind")
        if kind:
            yield Resource(
                group,
                version["version"],
                kind,
                item["resource"],
                item.get("scope") == "Namespaced",
                item.get("singularResource") or kind.lower(),
                tuple(item.get("shortNames") or ()),
                tuple(item.get("categories") or ()),
            )


def _legacy_versions(answer: dict[str, Any]) -> list[str]:
    """The group versions of an APIVersions or APIGroupList document, each group's preferred one first."""
    found = [str(version) for version in answer.get("versions") or []]
    for group in answer.get("groups") or []:
        preferred = (group.get("preferredVersion") or {}).get("groupVersion")
        versions = [version["groupVersion"] for version in group.get("versions") or []]
        found += sorted(versions, key=lambda version: version != preferred)
    return found


def _kubernetes_own(kind: str) -> str:
    """A hint naming the apiVersions of Kubernetes' own kind of this name; empty where it has none."""
    versions = dict.fromkeys(one.api_version for one in BUILTIN if one.kind == kind)
    return f"Kubernetes' own {kind} is in {' and '.join(versions)}" if versions else ""


def _near(kind: str, answer: dict[str, Any]) -> str:
    kinds = sorted({resource.kind for resource in _listed(answer)})
    import difflib

    close = difflib.get_close_matches(kind, kinds, n=3)
    return f"close to it: {', '.join(close)}" if close else f"kinds there: {', '.join(kinds[:20])}"
