"""Operators of clouds' resources, nodes, virtual machines, observability, edge proxies and batch jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from k8s_step.objects.conditions import mapping, status
from k8s_step.objects.metadata import Object, labels_of
from k8s_step.verdict.operators.facts import Facts, Failing, Phase, failing, in_progress, is_unversioned, text
from k8s_step.verdict.states import Readiness, State


def gloo(obj: Object) -> Readiness:
    """By what each gloo that reads it says: accepted, or not. Source: ``core.solo.io`` Status, as text or number."""
    found = status(obj)
    told = list(map(mapping, mapping(found.get("statuses")).values())) or ([found] if "state" in found else [])
    for one in told:
        state = one.get("state")
        word = _GLOO.get(state, "Pending") if isinstance(state, str | int) else "Pending"
        if word != "Accepted":
            message = text(one.get("reason")) or f"it is {word}"
            return failing(message, word) if word == "Rejected" else in_progress(message, word)
    if not told:
        return in_progress("waiting for its controller to validate it")
    return Readiness(State.CURRENT, "accepted", unversioned=is_unversioned(obj))


def numaflow(obj: Object) -> Readiness | None:
    """In progress where Numaplane has labelled it as the failed attempt of a progressive upgrade."""
    is_failed = labels_of(obj).get("numaplane.numaproj.io/progressive-result-state") == "failed"
    return in_progress("its progressive upgrade has failed", "ProgressiveUpgradeFailed") if is_failed else None


def datavolume(obj: Object) -> Readiness | None:
    """Current while it waits for its first consumer, like a claim: its conditions Bound and Ready are False until then.

    Source: ``DataVolumePhase`` of containerized-data-importer.
    """
    if text(status(obj).get("phase")) not in ("WaitForFirstConsumer", "PendingPopulation"):
        return None
    return Readiness(State.CURRENT, "bound once a pod uses it", unversioned=is_unversioned(obj))


_WORDS = ("Pending", "Accepted", "Rejected", "Warning")
_GLOO: Mapping[Any, str] = {**dict(enumerate(_WORDS)), **{word: word for word in _WORDS}}
_IMPORT = Phase(current=("Succeeded",), failed=("Failed",))
_READY, _GLOO_FACTS = Facts(awaits=("Ready",)), Facts(judged=gloo)
_OPERATIONAL = Phase("updateStatus", ("operational",), failed=("failed",), told="reason", required=False)
# Of ModelMesh alone; a model that is not loaded leaves the one before in place, with Ready.
_MODEL = Phase(
    "modelStatus.transitionStatus", ("UpToDate",), failed=("BlockedByFailedLoad", "InvalidSpec"), required=False
)
_SPARK = Phase(
    "applicationState.state", ("RUNNING", "COMPLETED"), final=("FAILED",), told="applicationState.errorMessage"
)

GROUPS: Mapping[str, Mapping[str, Facts]] = {
    "gloo.solo.io": {"*": _GLOO_FACTS},
    "gateway.solo.io": {"*": _GLOO_FACTS},
    "karpenter.sh": {"NodeClaim": _READY, "NodePool": _READY},
    "cdi.kubevirt.io": {"DataVolume": Facts(judged=datavolume, phase=_IMPORT)},
    "k8s.keycloak.org": {"Keycloak": _READY},
    "operator.victoriametrics.com": {"*": Facts(phase=_OPERATIONAL)},
    "grafana.integreatly.org": {
        "Grafana": Facts(phase=Phase("stageStatus", ("success",), failed=("failed",), required=False))
    },
    "networking.gke.io": {"ManagedCertificate": Facts(phase=Phase("certificateStatus", ("Active",)))},
    "sparkoperator.k8s.io": {"SparkApplication": Facts(phase=_SPARK)},
    "promoter.argoproj.io": {"*": _READY},
    "numaflow.numaproj.io": {"*": Facts(judged=numaflow)},
    "numaplane.numaproj.io": {"*": Facts(failing=(Failing("ProgressiveUpgradeSucceeded"),))},
    "serving.kserve.io": {"InferenceService": Facts(awaits=("Ready",), phase=_MODEL)},
}
# Terminal: nothing happens before the spec is changed. Source: ACK's and Config Connector's documented conditions.
_ACK = Facts(awaits=("Ready|ACK.ResourceSynced",), failing=(Failing("ACK.Terminal", "True", final=True),))
_CONNECTOR = Facts(phase=Phase("healthy", ("True",)))
DOMAINS: Mapping[str, Mapping[str, Facts]] = {
    ".services.k8s.aws": {"*": _ACK},
    ".cnrm.cloud.google.com": {"*": _READY, "ConfigConnector": _CONNECTOR, "ConfigConnectorContext": _CONNECTOR},
}
