"""Which clusters a run is about: several contexts, several kubeconfigs, or a file that lists them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from k8s_step.errors import InputError
from k8s_step.fleet.inventory import read_inventory, without_rivals
from k8s_step.fleet.member import Member
from k8s_step.inputs import Inputs

_ONE_CLUSTER = ("server", "eks_cluster", "gke_cluster", "aks_cluster")  # options that name one cluster


def clusters_of(inputs: Inputs, environ: Mapping[str, str]) -> list[Member] | None:
    """The clusters of a run on several, or ``None`` for a run on one. Raises :class:`InputError`."""
    if inputs.clusters_file:
        _refuse_others(inputs, ("contexts", "kubeconfigs"), "the clusters file names each cluster")
        return read_inventory(inputs.clusters_file, inputs, environ)
    if len(inputs.contexts) <= 1 and len(inputs.kubeconfigs) <= 1:
        _check_alone(inputs)
        return None
    _refuse_others(inputs, _ONE_CLUSTER, "that names one cluster, where several are asked for")
    if len(inputs.kubeconfigs) <= 1:
        return _of_contexts(inputs, inputs.contexts)
    if inputs.contexts:
        where = _source(inputs, "contexts")
        hint = "several contexts of one kubeconfig, or several kubeconfigs with their current contexts"
        raise InputError("several kubeconfigs and a context contradict each other", where=where, hint=hint)
    names = _names(inputs.kubeconfigs)
    pairs = zip(names, inputs.kubeconfigs, strict=True)
    return [Member(name, inputs._replace(kubeconfigs=(path,))) for name, path in pairs]


def targets_of(inputs: Inputs, environ: Mapping[str, str]) -> list[Member]:
    """The clusters that a sync writes to; nothing of the source's own connection counts for them but its kubeconfig."""
    if bool(inputs.to_contexts) == bool(inputs.clusters_file):
        hint = "--to-context, repeated, or --clusters FILE"
        raise InputError("the clusters to copy to are to be named in one way", hint=hint)
    base = without_rivals(inputs, ("contexts", "token"))
    base = base._replace(contexts=(), namespace=inputs.to_namespace, clusters_file=None)
    if inputs.clusters_file:
        return read_inventory(inputs.clusters_file, base, environ)
    return _of_contexts(base, inputs.to_contexts)


def source_of(inputs: Inputs) -> Member:
    """The cluster that a sync reads from."""
    return Member(inputs.context or "source", inputs)


def _of_contexts(inputs: Inputs, contexts: Sequence[str]) -> list[Member]:
    twice = [name for name, count in Counter(contexts).items() if count > 1]
    if twice:
        raise InputError(f"{', '.join(twice)} is named twice", where=_source(inputs, "contexts"))
    return [Member(name, inputs._replace(contexts=(name,))) for name in contexts]


def _names(paths: Sequence[str]) -> list[str]:
    """The files' names without suffix, ``eu`` for ``clusters/eu.yaml``; the paths where two would be the same."""
    stems = [Path(path).stem for path in paths]
    return stems if len(set(stems)) == len(stems) else list(paths)


def _check_alone(inputs: Inputs) -> None:
    """``--waves`` and the like mean nothing on one cluster: probably its name is missing."""
    for field in ("waves", "shard"):
        if getattr(inputs, field):
            hint = "name several: --context, repeated, or --clusters FILE"
            raise InputError("there is one cluster, and no other is named", where=_source(inputs, field), hint=hint)


def _refuse_others(inputs: Inputs, fields: Sequence[str], why: str) -> None:
    given = [field for field in fields if getattr(inputs, field)]
    if given:
        raise InputError(why, where=_source(inputs, given[0]), hint="leave it out; a variable counts as well")


def _source(inputs: Inputs, field: str) -> str:
    flag = {"contexts": "context", "kubeconfigs": "kubeconfig"}.get(field, field)
    return inputs.sources.get(field, f"--{flag.replace('_', '-')}")
