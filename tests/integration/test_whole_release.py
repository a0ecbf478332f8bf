"""A release of forty objects in four waves, whole: it fails in its last wave and is taken back, and a good one is good.

With a migration Job, a CRD and custom resources with a rule, an autoscaler, restarts for changed configuration
and pruning. That waves kept their order is read from the server's own history, not from what the step says.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import Kubectl, Outcome, Running, Step
from tests.controlplane.cluster import Cluster
from tests.integration.objects import (
    Object,
    autoscaler,
    config_map,
    custom,
    definition,
    deployment,
    job,
    obj,
    service,
    workload,
)
from tests.integration.outcomes import actions, objects, statuses, the_failure
from tests.integration.test_rollback import OPTION, Shop, backs, went_back
from tests.integration.test_waves import WAVE

pytestmark = pytest.mark.usefixtures("played")

RBAC = "rbac.authorization.k8s.io"
OPTIONS = (OPTION, "--roll-on-config", "--prune", "--applyset", "shop")
WAVES = ("-2", "-1", "0", "1")
APPS, BACKS = ("web", "api", "cart", "search", "mail", "pay"), ("report", "export", "audit", "feed")
READERS = {"web", "api", "report", "feed"}  # of the ConfigMap ``tone``, which changes
KINDS = (
    "configmaps,secrets,serviceaccounts,roles,rolebindings,services,deployments,statefulsets,daemonsets,cronjobs,"
    "ingresses,horizontalpodautoscalers,poddisruptionbudgets"
)
PATHS = {
    "/api/v1": ("configmaps", "secrets", "serviceaccounts", "services"),
    f"/apis/{RBAC}/v1": ("roles", "rolebindings"),
    "/apis/apps/v1": ("deployments", "statefulsets", "daemonsets"),
    "/apis/batch/v1": ("jobs", "cronjobs"),
    "/apis/networking.k8s.io/v1": ("ingresses",),
    "/apis/autoscaling/v2": ("horizontalpodautoscalers",),
    "/apis/policy/v1": ("poddisruptionbudgets",),
}


def in_wave(number: str, *made: Object) -> list[Object]:
    for one in made:
        one["metadata"].setdefault("annotations", {})[WAVE] = number
    return list(made)


def app(name: str, image: str) -> Object:
    """A Deployment, some of which read the ConfigMap ``tone``."""
    made = deployment(name, image, replicas=2 if name == "web" else 1)
    if name in READERS:
        container = made["spec"]["template"]["spec"]["containers"][0]
        container["envFrom"] = [{"configMapRef": {"name": "tone"}}]
    return made


def widget(group: str, name: str, size: int) -> Object:
    made = custom(group, name, spec={"size": size})
    made["metadata"]["annotations"] = {"k8s-step/wait-for": "jsonpath={.status.phase}=Open"}
    return made


def migration(image: str) -> Object:
    made = job("migrate", image)
    made["metadata"]["annotations"] = {"k8s-step/run": "always"}
    return made


def release(group: str, version: int, last: str = "") -> list[Object]:
    """Forty objects. ``last``: the image of the last wave's ``report``, in place of a good one."""
    subject = {"kind": "ServiceAccount", "name": "runner"}
    role = {"apiGroup": RBAC, "kind": "Role", "name": "reader"}
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    budget = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    once = {"template": job("x", "shop/clean:1")["spec"]["template"]}
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    ours = [
        *in_wave(
            "-2",
            definition(group),
            config_map("tone", a=str(version)),
            *(config_map(name, a="1", b=str(version)) for name in ("limits", "routes")),
            config_map(f"of-{version}", a="1"),
            *(obj("v1", "Secret", name, stringData={"key": f"the-{name}-of-{version}"}) for name in ("keys", "mails")),
            obj("v1", "ServiceAccount", "runner"),
            obj(f"{RBAC}/v1", "Role", "reader", rules=rules),
            obj(f"{RBAC}/v1", "RoleBinding", "reader", roleRef=role, subjects=[subject]),
        ),
        *in_wave(
            "-1",
            migration(f"shop/job-ok:{version}"),
            widget(group, "same", 1),
            widget(group, "grows", version),
            widget(group, f"of-{version}", 1),
        ),
        *in_wave(
            "0",
            *(app(name, f"shop/{name}:{version}") for name in APPS),
            *(service(name, app=name) for name in APPS),
            workload("StatefulSet", "db", f"shop/db:{version}", spec={"replicas": 2}),
            workload("DaemonSet", "agent", f"shop/agent:{version}"),
            autoscaler(1),
            obj("policy/v1", "PodDisruptionBudget", "web", spec=budget),
            obj("networking.k8s.io/v1", "Ingress", "web", spec={"defaultBackend": backend}),
        ),
        *in_wave(
            "1",
            *(app(name, f"shop/{name}:{version}") for name in BACKS),
            *(service(name, app=name) for name in BACKS[:2]),
            obj(
                "batch/v1", "CronJob", "nightly", spec={"schedule": f"{version} 3 1 1 *", "jobTemplate": {"spec": once}}
            ),
            *in_wave("1", *(config_map(f"note-{number}", a=str(version)) for number in range(2))),
        ),
    ]
    for one in ours:
        if last and (one["kind"], one["metadata"]["name"]) == ("Deployment", "report"):
            one["spec"]["template"]["spec"]["containers"][0]["image"] = last
    return ours


def wave_of(release: list[Object]) -> dict[str, str]:
    return {f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["annotations"][WAVE] for one in release}


class Place:
    """The namespace, its releases, and an operator that opens widgets."""

    def __init__(self, shop: Shop, cluster: Cluster) -> None:
        self.shop, self.cluster = shop, cluster
        self.group = f"{shop.namespace}.example"
        self._widgets = f"/apis/{self.group}/v1/namespaces/{shop.namespace}/widgets"
        self.since = self.now()

    def now(self) -> str:
        path = f"/api/v1/namespaces/{self.shop.namespace}/configmaps"
        return str(self.cluster.get(path, limit="1")["metadata"]["resourceVersion"])

    def run(self, version: int, last: str = "") -> Outcome:
        """Release; the operator is at work meanwhile."""
        self.since = self.now()
        made = release(self.group, version, last)
        assert len(made) == 40 and len({one["metadata"]["annotations"][WAVE] for one in made}) == 4
        running = self.shop.start(*made, options=(*OPTIONS, "-n", self.shop.namespace))
        self._operate(running)
        return running.wait(120)

    def _operate(self, running: Running) -> None:
        while running.process.poll() is None:
            found = self.cluster.request("GET", self._widgets)
            for one in found.body["items"] if found.code == 200 else ():
                generation = one["metadata"]["generation"]
                if (one.get("status") or {}).get("observedGeneration") != generation:
                    status = {"status": {"phase": "Open", "observedGeneration": generation}}
                    self.cluster.request(
                        "PATCH",
                        f"{self._widgets}/{one['metadata']['name']}/status",
                        status,
                        content_type="application/merge-patch+json",
                    )

    def good(self, version: int) -> Outcome:
        outcome = self.run(version)
        assert outcome.code == 0, outcome.text
        return outcome

    def state(self) -> dict[str, Object]:
        """All objects that a rollback promises to bring back, as they are but for what the server sets."""
        widgets = f"widgets.{self.group}"
        found = [*self.shop.state(KINDS), *self.shop.state(widgets)]
        return {f"{one['kind']}/{one['metadata']['name']}": one for one in found}

    def generations(self) -> dict[str, int]:
        found = json.loads(self.shop.kubectl("get", "deployments", "-o", "json"))["items"]
        return {one["metadata"]["name"]: one["metadata"]["generation"] for one in found}

    def history(self) -> dict[str, list[Object]]:
        """What became of each object since the last release began, state by state, as the server's watches tell it."""
        spaces = f"namespaces/{self.shop.namespace}"
        paths = [f"{group}/{spaces}/{plural}" for group, plurals in PATHS.items() for plural in plurals]
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        found: dict[str, list[Object]] = {}
        for path in [*paths, crds, self._widgets]:
            for event in self._events(path):
                one = event["object"]
                if event["type"] not in ("DELETED", "ERROR"):
                    found.setdefault(f"{one['kind']}/{one['metadata']['name']}", []).append(one)
        for one in self.cluster.get(self._widgets)[
            "items"
        ]:  # the server knows no more of those that came with their CRD
            found.setdefault(f"Widget/{one['metadata']['name']}", [self._made(one), one])
        return found

    def _made(self, one: Object) -> Object:
        """The object as its creation left it, as far as an order asks."""
        name = one["metadata"]["name"]
        made = self.cluster.created_at(f"{self.group}/widgets/{self.shop.namespace}/{name}")
        return {**one, "metadata": {**one["metadata"], "resourceVersion": str(made)}, "status": {}}

    def _events(self, path: str) -> list[Object]:
        query = {"watch": "1", "resourceVersion": self.since, "timeoutSeconds": "1"}
        own = self.cluster.certificate and self.cluster.key
        answer = requests.get(
            f"{self.cluster.server}{path}",
            params=query,
            headers=self.cluster.headers,
            cert=(str(self.cluster.certificate), str(self.cluster.key)) if own else None,
            verify=str(self.cluster.ca),
            timeout=60,
        )
        return [json.loads(line) for line in answer.text.splitlines()]


@pytest.fixture
def place(step: Step, kubectl: Kubectl, cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[Place]:
    made = Place(Shop(step, kubectl, namespace, tmp_path), cluster)
    yield made
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{made.group}"
    cluster.request("DELETE", path)


def version_of(one: Object) -> int:
    return int(one["metadata"]["resourceVersion"])


def _conditions(one: Object) -> dict[str, str]:
    return {each["type"]: each["status"] for each in (one.get("status") or {}).get("conditions") or ()}


def _has_pods(one: Object, updated: str, ready: str) -> bool:
    status, wanted = one.get("status") or {}, one["spec"].get("replicas", 1)
    observed = status.get("observedGeneration") == one["metadata"]["generation"]
    return observed and status.get(updated, 0) == status.get(ready, 0) == status.get("replicas", 0) == wanted


def _is_open(one: Object) -> bool:
    status = one.get("status") or {}
    return status.get("phase") == "Open" and status.get("observedGeneration") == one["metadata"]["generation"]


def _has_agents(one: Object) -> bool:
    status = one.get("status") or {}
    observed = status.get("observedGeneration") == one["metadata"]["generation"]
    return observed and status.get("updatedNumberScheduled") == status.get("numberAvailable") == (
        status.get("desiredNumberScheduled")
    )


IS_CURRENT: dict[str, Callable[[Object], bool]] = {
    "Deployment": lambda one: _has_pods(one, "updatedReplicas", "availableReplicas"),
    "StatefulSet": lambda one: _has_pods(one, "updatedReplicas", "availableReplicas"),
    "DaemonSet": _has_agents,
    "Job": lambda one: _conditions(one).get("Complete") == "True",
    "Widget": _is_open,
    "CustomResourceDefinition": lambda one: _conditions(one).get("Established") == "True",
}


def kept_order(history: dict[str, list[Object]], waves: dict[str, str], changed: set[str]) -> None:
    """No object of a wave was written before all that was written of the waves before was current."""
    current = 0
    for wave in WAVES:
        ours = [name for name in changed if waves[name] == wave]
        assert all(history.get(name) for name in ours), f"wave {wave} left no trace: {ours}"
        first = min(version_of(history[name][0]) for name in ours)
        assert first > current, f"wave {wave} began before the one before it was current"
        for name in ours:
            is_current = IS_CURRENT.get(name.partition("/")[0], lambda _: True)
            when = [version_of(one) for one in history[name] if is_current(one)]
            assert when, f"{name} was never current"
            current = max(current, when[0])


def changed_by(outcome: Outcome) -> set[str]:
    return {name for name, action in actions(outcome).items() if action in ("created", "configured", "replaced")}


def test_a_release_that_fails_in_its_last_wave_leaves_all_as_it_was_and_a_good_one_is_good(place: Place) -> None:
    first = place.good(1)
    assert Counter(actions(first).values()) == {"created": 40} and set(statuses(first).values()) == {"current"}
    waves = wave_of(release(place.group, 1))
    history = place.history()
    kept_order(history, waves, changed_by(first))
    with pytest.raises(AssertionError, match="began before the one before it was current"):
        kept_order(history, {name: WAVES[-1 - WAVES.index(wave)] for name, wave in waves.items()}, changed_by(first))

    place.shop.kubectl("scale", "deployment/web", "--replicas", "4")
    place.shop.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    before = place.state()
    failed = place.run(2, last="shop/crash:1")
    went_back(failed)
    assert the_failure(failed)["object"].endswith("/report")
    outcomes = backs(failed)
    assert outcomes.pop("Job/migrate") == "kept", "what a Job has done stays done"
    assert {name for name, how in outcomes.items() if how == "deleted"} == {"ConfigMap/of-2", "Widget/of-2"}
    assert set(outcomes.values()) == {"deleted", "restored"}
    assert not [name for name, one in objects(failed).items() if one["action"] == "pruned"], "it was not current"
    after = place.state()
    assert set(after) == set(before)
    assert {name: after[name] for name in after} == before

    generations = place.generations()
    good = place.good(2)
    done = actions(good)
    waves = wave_of(release(place.group, 2))
    assert {name for name in done if name not in waves} == {"ConfigMap/of-1", "Widget/of-1"}
    assert done["ConfigMap/of-1"] == done["Widget/of-1"] == "pruned"
    assert done["Job/migrate"] == "replaced" and done["Deployment/web"] == "configured"
    kept_order(place.history(), waves, changed_by(good))
    live = place.state()
    assert {"ConfigMap/of-1", "Widget/of-1"} & set(live) == set() and {"ConfigMap/of-2", "Widget/of-2"} <= set(live)
    assert live["Deployment/web"]["spec"]["replicas"] == 4, "as many as the autoscaler has set"
    assert all(count == generations[name] + 1 for name, count in place.generations().items())
    assert sum(pod_of_config(live[f"Deployment/{name}"]) for name in (*APPS, *BACKS)) == len(READERS)
    again = place.good(2)
    assert Counter(actions(again).values()) == {"unchanged": 39, "replaced": 1}


def pod_of_config(workload: Object) -> bool:
    """Whether the pods' template bears the mark of the configuration that they read."""
    template: Any = workload["spec"]["template"]["metadata"]
    return any(name.startswith("k8s-step/") for name in template.get("annotations") or {})


def test_a_change_of_configuration_alone_restarts_its_readers_in_their_waves(place: Place) -> None:
    place.good(1)
    generations = place.generations()
    made = release(place.group, 1)
    for one in made:
        if one["kind"] == "ConfigMap" and one["metadata"]["name"] == "tone":
            one["data"] = {"a": "other"}
    place.since = place.now()
    running = place.shop.start(*made, options=(*OPTIONS, "-n", place.shop.namespace))
    outcome = running.wait(120)
    assert outcome.code == 0, outcome.text
    restarted = {name for name, count in place.generations().items() if count != generations[name]}
    assert restarted == READERS
    changed = changed_by(outcome)
    assert changed == {"ConfigMap/tone", "Job/migrate", *(f"Deployment/{name}" for name in READERS)}
    kept_order(place.history(), wave_of(made), changed)
