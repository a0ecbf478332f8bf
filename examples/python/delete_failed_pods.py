"""Delete each pod that has failed, as soon as it fails, and say which and why.

    K8S_NAMESPACE=shop python delete_failed_pods.py

The cluster is found as k8s-step finds it. The token needs list, watch, get and delete on pods.
"""

from __future__ import annotations

from typing import Any

from k8s_step import Cluster


def main() -> None:
    """Run until it is interrupted. Pods that have failed before are the first to go."""
    with Cluster.from_environment() as cluster:
        for change in cluster.watch("pods", fields="status.phase=Failed"):
            if change.type != "DELETED" and "deletionTimestamp" not in change.object["metadata"]:
                delete(cluster, change.object)


def delete(cluster: Cluster, pod: dict[str, Any]) -> None:
    """Delete this very pod: by now another one may have its name, as a StatefulSet's pods do."""
    metadata = pod["metadata"]
    print(f"{metadata['namespace']}/{metadata['name']}: {why(pod['status'])}", flush=True)
    cluster.delete("pod", metadata["name"], namespace=metadata["namespace"], uid=metadata["uid"], wait=False)


def why(status: dict[str, Any]) -> str:
    """The reason of the pod (``Evicted``), else the exit codes of its containers."""
    states = [one.get("state", {}).get("terminated") or {} for one in status.get("containerStatuses", [])]
    codes = [f"exit code {state['exitCode']}" for state in states if state.get("exitCode")]
    return status.get("reason") or ", ".join(codes) or "Failed"


if __name__ == "__main__":
    main()
