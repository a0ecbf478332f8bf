"""The waves of a release: which objects are written together, after all that they wait for; no request is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from k8s_step.errors import InputError, InputErrors
from k8s_step.operations.plan import Planned
from k8s_step.release.order.annotations import DEPENDS_ON, WAVE, Key, dependencies_of, wave_of, written
from k8s_step.release.planning.session import Run

_DEFINITION = "CustomResourceDefinition"


class _Need(NamedTuple):
    """What an object waits for. ``role``: its namespace or its CRD, which may come in the same wave; else empty."""

    key: Key
    role: str = ""


class _Graph(NamedTuple):
    """The objects of a release by key, and what each of them waits for."""

    objects: Mapping[Key, Planned]
    waves: Mapping[Key, int]
    needs: Mapping[Key, Sequence[_Need]]

    def place(self, key: Key, annotation: str) -> str:
        """``k8s/web.yaml:14: deployment/shop/web``, the line being the annotation's."""
        one = self.objects[key]
        return one.address.at(one.line_of(f"metadata.annotations.{annotation}"))

    def name(self, key: Key) -> str:
        return str(self.objects[key].reference)


def in_waves(plan: Sequence[Planned], *, is_whole: bool = True) -> list[list[Planned]]:
    """The objects as a list a wave, in the order in which waves are written; within a wave the plan's order is kept.

    Objects with the same ``k8s-step/wave`` make a wave, or several where some depend on others of them by
    ``config.kubernetes.io/depends-on``. With ``is_whole``, what an object depends on must be part of the plan.

    :raises InputErrors: a circle, a dependency that is not there, or one that comes in a later wave.
    """
    graph = _graph(plan)
    errors = [*(_strangers(graph) if is_whole else ()), *_contradictions(graph)]
    order, circles = _sorted(graph)
    if errors or circles:
        raise InputErrors([*errors, *circles])
    ranks = _ranks(graph, order)
    found: dict[tuple[int, int], list[Planned]] = {}
    for one in plan:
        found.setdefault(ranks[one.reference.key], []).append(one)
    return [found[rank] for rank in sorted(found)]


def _graph(plan: Sequence[Planned]) -> _Graph:
    objects = {one.reference.key: one for one in plan}
    waves = {key: wave_of(one.object) for key, one in objects.items()}
    return _Graph(objects, waves, {key: _needs(one, objects) for key, one in objects.items()})


def _needs(one: Planned, objects: Mapping[Key, Planned]) -> list[_Need]:
    """The object's dependencies; its namespace and its CRD where they are part of the release."""
    resource = one.resource
    roles = {
        ("", "Namespace", "", one.reference.namespace): "namespace",
        ("apiextensions.k8s.io", _DEFINITION, "", resource.full_name): "CRD",
    }
    own = [_Need(key, role) for key, role in roles.items() if key in objects and key != one.reference.key]
    return [*map(_Need, dependencies_of(one.object)), *own]


def _strangers(graph: _Graph) -> Iterable[InputError]:
    """Dependencies that are not part of the release: nothing would ever say that they are current."""
    for key, needs in graph.needs.items():
        for need in needs:
            if need.key not in graph.objects:
                alike = [each for each in graph.objects if _is_alike(each, need.key)]
                hint = f"did you mean {written(alike[0])}?" if alike else "put it into the release, or drop it here"
                message = f"{written(need.key)}, which it depends on, is not part of this release"
                yield InputError(message, where=graph.place(key, DEPENDS_ON), hint=hint)


def _is_alike(one: Key, other: Key) -> bool:
    return (one[1].lower(), one[3]) == (other[1].lower(), other[3])


def _contradictions(graph: _Graph) -> Iterable[InputError]:
    """Dependencies that come in a later wave than what waits for them."""
    for key, needs in graph.needs.items():
        for need in needs:
            own, other = graph.waves[key], graph.waves.get(need.key, graph.waves[key])
            if other > own:
                message = f"its {need.role}" if need.role else "what it depends on"
                message += f", {graph.name(need.key)}, comes only in wave {other}, and this object in wave {own}"
                where = graph.place(key, WAVE if need.role else DEPENDS_ON)
                yield InputError(message, where=where, hint=f"give one of the two another {WAVE}")


def _sorted(graph: _Graph) -> tuple[list[Key], list[InputError]]:
    """The objects, each after all that it waits for, and the circles there are; a circle is cut to find the next."""
    needs = {key: {need.key for need in found if need.key in graph.objects} for key, found in graph.needs.items()}
    circles: list[InputError] = []
    while True:
        try:
            return list(TopologicalSorter(needs).static_order()), circles
        except CycleError as error:
            # Each key of the list is a predecessor of the one after it, the last being the first again.
            circle = list(reversed(error.args[1]))[:-1]
            circles.append(_drawn(graph, circle))
            for index, key in enumerate(circle):
                needs[key].discard(circle[(index + 1) % len(circle)])


def _drawn(graph: _Graph, circle: Sequence[Key]) -> InputError:
    """The circle as ``a → b → a``, at the annotation of the object that stands first in the manifests."""
    by_annotation = [key for key, after in _pairs(circle) if _Need(after) in graph.needs[key]]
    order = list(graph.objects)
    first = circle.index(min(by_annotation, key=order.index))
    names = [graph.name(key) for key in (*circle[first:], *circle[:first], circle[first])]
    is_implied = len(by_annotation) < len(circle)
    hint = "an object waits for its own namespace and CRD anyway" if is_implied else f"drop one from {DEPENDS_ON}"
    message = f"these wait for one another, so none can begin: {' → '.join(names)}"
    return InputError(message, where=graph.place(circle[first], DEPENDS_ON), hint=hint)


def _pairs(circle: Sequence[Key]) -> Iterable[tuple[Key, Key]]:
    return zip(circle, [*circle[1:], circle[0]], strict=True)


def _ranks(graph: _Graph, order: Iterable[Key]) -> dict[Key, tuple[int, int]]:
    """The wave's number of each object, and its place within it: after all of the wave that it depends on."""
    ranks: dict[Key, tuple[int, int]] = {}
    for key in order:
        wave = graph.waves[key]
        places = [
            ranks[need.key][1] + (not need.role)
            for need in graph.needs[key]
            if need.key in ranks and ranks[need.key][0] == wave
        ]
        ranks[key] = (wave, max(places, default=0))
    return ranks


def ordered(run: Run, plan: Sequence[Planned]) -> list[list[Planned]]:
    """The plan in waves. Raises :class:`InputError` where a verdict is needed in between and ``--no-wait`` is given."""
    waves = in_waves(plan)
    reason = "" if run.inputs.wait else _needs_verdicts(waves)
    if reason:
        where = run.inputs.sources.get("wait", "").replace("--wait", "--no-wait")
        hint = "let the release be followed; --no-wait-for KIND/NAME, or an annotation, excepts an object"
        raise InputError(reason, where=where, hint=hint)
    return waves


def _needs_verdicts(waves: Sequence[Sequence[Planned]]) -> str:
    """Why the release has to be followed; empty where it need not be."""
    if len(waves) > 1:
        return f"these objects make {len(waves)} waves, each of which waits for the one before to be current"
    from k8s_step.operations.restoring.recreation import runs_always

    jobs = [one for wave in waves for one in wave if runs_always(one.object)]
    return f"{jobs[0].reference} runs at each release, which waits for its verdict" if jobs else ""
