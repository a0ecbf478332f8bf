"""One cluster of a run on several."""

from __future__ import annotations

from dataclasses import dataclass

from k8s_step.inputs import Inputs


@dataclass(frozen=True)
class Member:
    """``name``: a context, a kubeconfig or an entry of the clusters file. ``inputs`` name this cluster alone.

    ``hidden``: the variables that the credentials of all clusters come from, which no template gets.
    """

    name: str
    inputs: Inputs
    hidden: tuple[str, ...] = ()
