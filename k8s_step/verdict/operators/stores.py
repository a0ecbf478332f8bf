"""Operators of databases, queues, object stores, snapshots and secrets."""

from __future__ import annotations

from collections.abc import Mapping

from k8s_step.objects.conditions import mappings, number, spec, status
from k8s_step.objects.metadata import Object
from k8s_step.verdict.operators.facts import Facts, Phase, in_progress, taken, text
from k8s_step.verdict.states import Readiness


def elasticsearch(obj: Object) -> Readiness | None:
    """In progress while nodes are missing or its health is not green; of a single node, yellow is the best there is."""
    wanted = sum(number(each.get("count")) or 0 for each in mappings(spec(obj).get("nodeSets")))
    available, health = number(status(obj).get("availableNodes")) or 0, text(status(obj).get("health"))
    if available < wanted:
        return in_progress(f"{available} of {wanted} nodes available")
    if health == "green" or (health == "yellow" and wanted == 1):
        return None
    return in_progress(f"its health is {health or 'not known yet'}", health)


_READY = Facts(awaits=("Ready",))
_TAKEN = Facts(judged=taken)
# Source: ``currentState`` of minio's operator; these need a change of the Tenant or of what is around it.
_MINIO = Phase(
    "currentState",
    ("Initialized",),
    failed=(
        "Statefulset not controlled by operator",
        "Another MinIO Tenant already exists in the namespace",
        "Tenant credentials are not set properly",
        "Different versions across MinIO Pools",
        "Pool Decommissioning Not Allowed",
    ),
)
_ZALANDO = Phase(
    "PostgresClusterStatus", ("Running",), failed=("CreateFailed", "UpdateFailed", "SyncFailed", "Invalid")
)
_PERCONA = Facts(phase=Phase("state", ("ready", "paused"), failed=("error",)))
_HEALTH = Facts(phase=Phase("health", ("green",)))
_SNAPSHOT = Facts(phase=Phase("readyToUse", ("True",), told="error.message"))

GROUPS: Mapping[str, Mapping[str, Facts]] = {
    "elasticsearch.k8s.elastic.co": {
        "Elasticsearch": Facts(judged=elasticsearch, phase=Phase(current=("Ready",), failed=("Invalid",)))
    },
    "kibana.k8s.elastic.co": {"Kibana": _HEALTH},
    "beat.k8s.elastic.co": {"Beat": _HEALTH},
    "logstash.k8s.elastic.co": {"Logstash": _HEALTH},
    "minio.min.io": {"Tenant": Facts(phase=_MINIO)},
    "acid.zalan.do": {"postgresql": Facts(phase=_ZALANDO)},
    "psmdb.percona.com": {"PerconaServerMongoDB": _PERCONA},
    "pxc.percona.com": {"PerconaXtraDBCluster": _PERCONA},
    "rabbitmq.com": {
        "RabbitmqCluster": Facts(awaits=("ReconcileSuccess", "ClusterAvailable", "AllReplicasReady")),
        **dict.fromkeys(("Queue", "Exchange", "Binding", "User", "Vhost", "Permission", "Policy", "Shovel"), _READY),
    },
    "k8s.mariadb.com": {"MariaDB": _READY},
    "snapshot.storage.k8s.io": {
        "VolumeSnapshot": _SNAPSHOT,
        "VolumeSnapshotContent": _SNAPSHOT,
        "VolumeSnapshotClass": _TAKEN,
    },
    "bitnami.com": {"SealedSecret": Facts(awaits=("Synced",))},
    "onepassword.com": {"OnePasswordItem": _READY},
}
