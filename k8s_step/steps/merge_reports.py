"""``merge-reports``: one result of the result files that many runs have written."""

from __future__ import annotations

from k8s_step.errors import InputError
from k8s_step.inputs import Inputs
from k8s_step.report.fleet.merge import found, merged
from k8s_step.report.fleet.result import ClustersResult


def merge_reports(inputs: Inputs) -> ClustersResult:
    """The merged result. Raises :class:`InputError` where there is nothing to merge."""
    if not inputs.reports:
        raise InputError("nothing to do: which reports are to be merged?", hint="merge-reports reports/*.json")
    return merged(found(inputs.reports))
