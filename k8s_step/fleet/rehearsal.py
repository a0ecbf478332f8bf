"""The local mistakes of a run on several clusters, found before the first request to any of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from k8s_step.errors import ExitCode, InputError, InputErrors, single
from k8s_step.fleet.member import Member
from k8s_step.release.planning.session import RehearsalEndedError, Run, open_session

Verb = Callable[[Run], ExitCode]


def rehearse(verb: Verb, clusters: Sequence[Member], run_of: Callable[[Member], Run]) -> None:
    """Run the verb for each cluster up to its first request; ``run_of`` makes the run.

    Clusters that differ in nothing but where they are share one rehearsal; of the others, only their connection is
    looked up. Raises :class:`InputErrors`, a mistake that several clusters have once, with their names.
    """
    found: dict[str, tuple[InputError, list[str]]] = {}
    alike: dict[tuple[object, ...], list[Member]] = {}
    for one in clusters:
        inputs = one.inputs
        alike.setdefault((inputs.variables, inputs.vars_file, inputs.namespace), []).append(one)
    for group in alike.values():
        names = [one.name for one in group]
        for error in _mistakes(verb, replace(run_of(group[0]), is_rehearsal=True)):
            found.setdefault(str(error), (error, []))[1].extend(names)
        for one in group:
            for error in _mistakes(open_session, replace(run_of(one), is_rehearsal=True)):
                found.setdefault(str(error), (error, []))[1].append(one.name)
    if found:
        raise InputErrors([_naming(error, names, len(clusters)) for error, names in found.values()])


def _mistakes(work: Callable[[Run], object], run: Run) -> list[InputError]:
    try:
        work(run)
    except RehearsalEndedError:
        pass
    except InputError as error:
        return [each for each in single(error) if isinstance(each, InputError)]
    return []


def _naming(error: InputError, names: Sequence[str], clusters: int) -> InputError:
    """The error with the names of its clusters; a mistake of all of them needs none."""
    concerned = list(dict.fromkeys(names))
    if len(concerned) < clusters and not any(name in str(error) for name in concerned):
        error.message = f"{error.message} (of {', '.join(concerned)})"
    return error
