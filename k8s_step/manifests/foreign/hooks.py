"""Helm hooks in the output of ``helm template``: objects that Helm creates at its own events, not with the release.

Sources: ``pkg/release/v1/hook.go`` and ``SortManifests`` of Helm. A ``crd-install`` hook of Helm 2 is a
CustomResourceDefinition that other objects need, so it counts as an ordinary object.
"""

from __future__ import annotations

from collections.abc import Sequence

from k8s_step.errors import InputError
from k8s_step.manifests.manifest import Manifest
from k8s_step.objects.metadata import annotations_of

ANNOTATION = "helm.sh/hook"
ALL = "all"
_EVENTS = (
    *("pre-install", "post-install", "pre-upgrade", "post-upgrade", "pre-rollback", "post-rollback"),
    *("pre-delete", "post-delete", "test", "test-success", "test-failure"),
)
_DEFINITION = "crd-install"
_NAMED = 5


def check_events(wanted: Sequence[str]) -> None:
    """:raises InputError: a word of ``--helm-hooks`` that is no Helm event."""
    for event in wanted:
        if event.lower() not in (ALL, *_EVENTS):
            hint = f"there are {', '.join(_EVENTS)}, and {ALL}"
            raise InputError(f"{event!r} is no event of Helm's", where="--helm-hooks", hint=hint)


def parted(manifests: Sequence[Manifest], wanted: Sequence[str]) -> tuple[list[Manifest], list[Manifest]]:
    """The manifests of the release, and the hooks left out since none of their events is ``wanted``.

    :raises InputError: every manifest is such a hook.
    """
    events = {event.lower() for event in wanted}
    left_out = [one for one in manifests if not _is_part(_events(one), events)]
    if left_out and len(left_out) == len(manifests):
        message = f"nothing but Helm hooks: {_listed(left_out)}"
        raise InputError(message, where=left_out[0].where, hint=_ways(left_out))
    out = {id(one) for one in left_out}
    return [one for one in manifests if id(one) not in out], left_out


def summary(left_out: Sequence[Manifest]) -> str:
    """One line about the hooks left out, with the option that includes them."""
    count = "1 Helm hook is" if len(left_out) == 1 else f"{len(left_out)} Helm hooks are"
    return f"{count} left out: {_listed(left_out)}; {_ways(left_out)}"


def _is_part(events: Sequence[str], wanted: set[str]) -> bool:
    return not events or _DEFINITION in events or ALL in wanted or not wanted.isdisjoint(events)


def _events(manifest: Manifest) -> list[str]:
    text = annotations_of(manifest.object).get(ANNOTATION)
    return [event.strip().lower() for event in text.split(",") if event.strip()] if isinstance(text, str) else []


def _listed(hooks: Sequence[Manifest]) -> str:
    named = [f"{one.kind.lower()}/{one.name} ({', '.join(_events(one))})" for one in hooks[:_NAMED]]
    more = [f"{len(hooks) - _NAMED} more"] if len(hooks) > _NAMED else []
    return ", ".join([*named, *more])


def _ways(hooks: Sequence[Manifest]) -> str:
    return f"--helm-hooks {_events(hooks[0])[0]} takes such in, like any other object"
