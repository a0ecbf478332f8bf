"""Named components and whether enough of their pods are ready; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from k8s_step.errors import InputError, InputErrors
from k8s_step.objects.kinds.pods import is_alive, is_ready, statuses
from k8s_step.objects.metadata import Object, metadata_of
from k8s_step.objects.reference import Reference
from k8s_step.objects.selection import label_selector
from k8s_step.verdict.evidence.advice import advice
from k8s_step.verdict.evidence.finding import Finding
from k8s_step.verdict.podfailures import complaint

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_FORM = "NAME=SELECTOR, such as api=component=kube-apiserver"


@dataclass(frozen=True)
class Component:
    """A name and the label selector, as the API takes it, of the pods that make it up."""

    name: str
    selector: str


@dataclass(frozen=True)
class Health:
    """How many pods a component has, how many of them are ready, and how often their containers have restarted.

    Pods that have succeeded (of a finished Job, say) are left out.
    """

    pods: int
    ready: int
    restarts: int

    def is_good(self, least: int) -> bool:
        """Whether at least ``least`` pods are ready."""
        return self.ready >= least

    def text(self, least: int) -> str:
        """``2 of 3 pods are ready, 3 are wanted``."""
        if not self.pods:
            return "it has no pod"
        told = f"{self.ready} of {self.pods} {'pod is' if self.pods == 1 else 'pods are'} ready"
        return told if self.is_good(least) else f"{told}, {least} {'is' if least == 1 else 'are'} wanted"


def components(words: Sequence[str], where: str) -> list[Component]:
    """The components of ``NAME=SELECTOR`` words. Raises :class:`InputErrors` naming each that is wrong."""
    found: dict[str, Component] = {}
    errors: list[InputError] = []
    for word in words:
        try:
            one = _component(word, where)
            if one.name in found:
                raise InputError(f"{one.name} is given twice", where=where)
            found[one.name] = one
        except InputError as error:
            errors.append(error)
    if errors:
        raise InputErrors(errors)
    return list(found.values())


def _component(word: str, where: str) -> Component:
    name, equals, selector = (part.strip() for part in word.partition("="))
    if not equals or not selector:
        raise InputError(f"{word!r} has no selector", where=where, hint=_FORM)
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is no component's name", where=where, hint=_FORM)
    return Component(name, label_selector(selector, f"{where} {name}"))


def health(pods: Iterable[Object]) -> Health:
    """Count the pods, as a list returned them."""
    counted = [pod for pod in pods if (pod.get("status") or {}).get("phase") != "Succeeded"]
    ready = sum(is_ready(pod) and is_alive(pod) for pod in counted)
    return Health(len(counted), ready, sum(map(_restarts, counted)))


def _restarts(pod: Object) -> int:
    """How often its containers, init containers too, have restarted."""
    return sum(int(entry.get("restartCount") or 0) for entry in statuses(pod))


def causes(reference: Reference, pods: Iterable[Object]) -> list[Finding]:
    """Why pods of the component are not ready: one finding a cause, with the first pod that shows it."""
    found: dict[tuple[str, str], Finding] = {}
    for pod in pods:
        symptom = None if is_ready(pod) else complaint(pod)
        if symptom is None:
            continue
        key = (symptom.reason, symptom.container)
        first = found.get(key)
        name = str(metadata_of(pod).get("name") or "")
        told = advice(symptom.reason, symptom.message, symptom.exit_code)
        made = Finding(
            reference,
            symptom.reason,
            symptom.message,
            name,
            symptom.container,
            advice=told.likely,
            check=told.check,
            exit_code=symptom.exit_code,
        )
        found[key] = replace(first, alike=first.alike + 1) if first else made
    return list(found.values())
