"""The table of what well-known operators write, by group and kind.

Each row is drawn from the operator's own API types and from recorded objects; ``tests/rollouts`` holds cases of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from k8s_step.objects.metadata import Object
from k8s_step.verdict.operators import (
    argo,
    certmanager,
    externalsecrets,
    flagger,
    flux,
    gateway,
    platforms,
    postgres,
    stores,
)
from k8s_step.verdict.operators.facts import Facts, Failing, Phase, taken

_READY = Facts(awaits=("Ready",))
_TAKEN = Facts(judged=taken)  # read by others; where there is a status after all, the common rules judge it
_Kinds = Mapping[str, Facts]


def facts_of(obj: Object) -> Facts | None:
    """The facts of the kind of ``obj``; ``None`` where nothing is known of it."""
    group, kind = str(obj.get("apiVersion", "")).rpartition("/")[0], str(obj.get("kind", ""))
    kinds = _GROUPS.get(group)
    if kinds is None:
        kinds = next((found for end, found in _DOMAINS.items() if group.endswith(end)), {})
    return kinds.get(kind) or kinds.get(_ANY)


_ANY = "*"

# Source: ``status.phase`` of Workflow, AnalysisRun and Experiment, none of which begins again by itself.
_RUN = Facts(phase=Phase(current=("Successful", "Succeeded"), final=("Failed", "Error", "Inconclusive")))
_ARGO: _Kinds = {
    "Rollout": Facts(judged=argo.rollout, phase=Phase(current=("Healthy",), required=False)),
    "AnalysisRun": _RUN,
    "Experiment": _RUN,
    "Workflow": _RUN,
    "Application": Facts(judged=argo.application),
    "ApplicationSet": Facts(awaits=("ResourcesUpToDate",), hinders=("RolloutProgressing",)),
    "EventBus": Facts(awaits=("Deployed",)),
    "EventSource": Facts(awaits=("Deployed",)),
    "Sensor": Facts(awaits=("Deployed",)),
    **dict.fromkeys(("AppProject", "AnalysisTemplate", "ClusterAnalysisTemplate"), _TAKEN),
    **dict.fromkeys(("WorkflowTemplate", "ClusterWorkflowTemplate"), _TAKEN),
}

_CERT_MANAGER: _Kinds = {
    "Certificate": Facts(awaits=("Ready",), judged=certmanager.certificate),
    "Issuer": _READY,
    "ClusterIssuer": _READY,
    "CertificateRequest": Facts(
        awaits=("Ready",),
        failing=(
            Failing("Ready", reasons=("Failed", "Denied"), final=True),
            Failing("InvalidRequest", "True", final=True),
        ),
    ),
}
# Source: ``State`` of pkg/apis/acme: these states are final.
_OF_ACME = Facts(phase=Phase("state", ("valid",), final=("invalid", "expired", "errored"), told="reason"))
_ACME: _Kinds = {"Order": _OF_ACME, "Challenge": _OF_ACME}

_EXTERNAL_SECRETS: _Kinds = {
    "ExternalSecret": Facts(awaits=("Ready",), judged=externalsecrets.synced),
    "PushSecret": Facts(awaits=("Ready",), judged=externalsecrets.synced),
    "SecretStore": _READY,
    "ClusterSecretStore": _READY,
    "ClusterExternalSecret": Facts(awaits=("Ready",), judged=externalsecrets.in_namespaces),
    "ClusterPushSecret": _READY,
}

_FLAGGER: _Kinds = {"Canary": Facts(judged=flagger.canary), "MetricTemplate": _TAKEN, "AlertProvider": _TAKEN}

# Fallback: a metric cannot be read, so that a fixed number of replicas runs in its stead.
_KEDA: _Kinds = {
    "ScaledObject": Facts(awaits=("Ready",), hinders=("Fallback",)),
    "ScaledJob": _READY,
    "TriggerAuthentication": _TAKEN,
    "ClusterTriggerAuthentication": _TAKEN,
}

# Source: the phases of ``api/v1/cluster_types.go`` in cloudnative-pg; those under ``final`` need somebody to mend them.
_APPLIED = Facts(phase=Phase("applied", ("True",), failed=("False",)))
_CNPG: _Kinds = {
    "Cluster": Facts(
        judged=postgres.hibernated,
        phase=Phase(
            current=("Cluster in healthy state",),
            final=(
                "Cluster is in an unrecoverable state, needs manual intervention",
                "Cluster is unrecoverable and needs manual intervention",
            ),
            failed=(
                "Unable to create required cluster objects",
                "Cluster cannot proceed to reconciliation due to an unknown plugin being required",
                "Cluster has incomplete or invalid image catalog",
                "Cluster cannot execute instance online upgrade due to missing architecture binary",
            ),
            told="phaseReason",
        ),
        counts=("instances", "readyInstances"),
    ),
    "Pooler": Facts(counts=("instances", "instances")),
    "Backup": Facts(phase=Phase(current=("completed",), final=("failed",), told="error")),
    **dict.fromkeys(("Database", "Publication", "Subscription"), _APPLIED),
    **dict.fromkeys(("ScheduledBackup", "ImageCatalog", "ClusterImageCatalog"), _TAKEN),
}

# Source: crossplane-runtime's conditions; LastAsyncOperation is upjet's.
_MANAGED = Facts(awaits=("Synced", "Ready"), failing=(Failing("LastAsyncOperation"),))
_CONFIGS = ("ProviderConfig", "ClusterProviderConfig", "ProviderConfigUsage", "StoreConfig")
_CROSSPLANE: _Kinds = {**dict.fromkeys(_CONFIGS, _TAKEN), _ANY: _MANAGED}
_PACKAGE, _REVISION = Facts(awaits=("Installed", "Healthy")), Facts(awaits=("RevisionHealthy|Healthy",))
_CROSSPLANE_PACKAGES: _Kinds = {
    **dict.fromkeys(("Provider", "Configuration", "Function"), _PACKAGE),
    **dict.fromkeys(("ProviderRevision", "ConfigurationRevision", "FunctionRevision"), _REVISION),
    **dict.fromkeys(("ControllerConfig", "DeploymentRuntimeConfig", "ImageConfig"), _TAKEN),
}
_CROSSPLANE_TYPES: _Kinds = {
    "CompositeResourceDefinition": Facts(awaits=("Established",)),
    "Composition": _TAKEN,
    "CompositionRevision": _TAKEN,
    "EnvironmentConfig": _TAKEN,
    "Usage": _READY,
}
_CROSSPLANE_PROTECTION: _Kinds = {"Usage": _READY, "ClusterUsage": _READY}
# An Operation runs to its end once; an invalid schedule waits for somebody.
# Source: internal/controller/ops of crossplane.
_CROSSPLANE_OPERATIONS: _Kinds = {
    "Operation": Facts(awaits=("Succeeded",), failing=(Failing("Succeeded", final=True),)),
    "CronOperation": Facts(
        awaits=("Scheduling",), failing=(Failing("Scheduling", reasons=("ScheduleInvalid",), final=True),)
    ),
    "WatchOperation": Facts(awaits=("Watching",)),
}

# Ready is Unknown while work goes on; False heals only when a cause outside does. Source: knative.dev/pkg/apis.
_SERVING = Facts(awaits=("Ready",), failing=(Failing("Ready"),))
_KNATIVE: _Kinds = dict.fromkeys(("Service", "Route", "Configuration", "Revision", "DomainMapping"), _SERVING)
_KNATIVE_EVENTS: _Kinds = {_ANY: _READY}

_OF_KAFKA = ("Kafka", "KafkaTopic", "KafkaUser", "KafkaConnect", "KafkaConnector", "KafkaBridge", "KafkaMirrorMaker2")
_STRIMZI: _Kinds = dict.fromkeys(_OF_KAFKA, _READY)

_ROUTES = ("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute")
_GATEWAY_API: _Kinds = {
    "GatewayClass": Facts(awaits=("Accepted",)),
    "Gateway": Facts(awaits=("Accepted|Scheduled", "Programmed|Ready")),
    **dict.fromkeys(_ROUTES, Facts(judged=gateway.route)),
    "BackendTLSPolicy": Facts(awaits=("Accepted",)),
    "ReferenceGrant": _TAKEN,
}

# Stalled and Reconciling are among the common rules. Alerts, Providers and OCI HelmRepositories have no status.
_FLUX: _Kinds = {
    **dict.fromkeys(("Kustomization", "HelmRelease", "HelmChart", "Receiver"), _READY),
    **dict.fromkeys(("GitRepository", "OCIRepository", "Bucket", "ArtifactGenerator"), _READY),
    **dict.fromkeys(("ImageRepository", "ImagePolicy", "ImageUpdateAutomation"), _READY),
    "HelmRepository": Facts(awaits=("Ready",), judged=flux.repository),
    "Alert": _TAKEN,
    "Provider": _TAKEN,
}

# Source: the phases of cluster-api; Failed is a terminal problem of a Cluster or a Machine, but may heal of a set.
_SCALED = Phase(current=("Running", "Provisioned"), failed=("Failed",))
_CLUSTER_API: _Kinds = {
    "Cluster": Facts(
        awaits=("Ready|Available",), phase=Phase(current=("Provisioned",), final=("Failed",), told="failureMessage")
    ),
    "Machine": Facts(phase=Phase(current=("Running",), final=("Failed",), told="failureMessage")),
    "MachineDeployment": Facts(phase=_SCALED),
    "MachinePool": Facts(phase=_SCALED),
}
_CONTROL_PLANES: _Kinds = {"KubeadmControlPlane": Facts(awaits=("Ready|Available",))}
_ADDONS: _Kinds = {"ClusterResourceSet": Facts(awaits=("ResourcesApplied",))}

_GROUPS: Mapping[str, _Kinds] = {
    "argoproj.io": _ARGO,
    "cert-manager.io": _CERT_MANAGER,
    "certmanager.k8s.io": _CERT_MANAGER,  # up to cert-manager 0.10
    "acme.cert-manager.io": _ACME,
    "external-secrets.io": _EXTERNAL_SECRETS,
    "flagger.app": _FLAGGER,
    "keda.sh": _KEDA,
    "postgresql.cnpg.io": _CNPG,
    "pkg.crossplane.io": _CROSSPLANE_PACKAGES,
    "apiextensions.crossplane.io": _CROSSPLANE_TYPES,
    "protection.crossplane.io": _CROSSPLANE_PROTECTION,
    "ops.crossplane.io": _CROSSPLANE_OPERATIONS,
    "stacks.crossplane.io": {},  # before Crossplane 1.0
    "serving.knative.dev": _KNATIVE,
    "kafka.strimzi.io": _STRIMZI,
    "gateway.networking.k8s.io": _GATEWAY_API,
    "cluster.x-k8s.io": _CLUSTER_API,
    "controlplane.cluster.x-k8s.io": _CONTROL_PLANES,
    "addons.cluster.x-k8s.io": _ADDONS,
    **stores.GROUPS,
    **platforms.GROUPS,
}
# Groups that are many, by what their names end in.
_DOMAINS: Mapping[str, _Kinds] = {
    ".toolkit.fluxcd.io": _FLUX,
    ".crossplane.io": _CROSSPLANE,
    ".upbound.io": _CROSSPLANE,
    ".knative.dev": _KNATIVE_EVENTS,
    **platforms.DOMAINS,
}
