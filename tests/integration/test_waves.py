"""The order of a release by annotations: a wave is current before the next begins, and all are at the end."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from tests.conftest import Kubectl, Outcome, Running, Step
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Proxy, forbid, on
from tests.integration.objects import (
    Object,
    config_map,
    custom,
    definition,
    deployment,
    job,
    obj,
    service,
    through,
    write,
)
from tests.integration.outcomes import actions, objects, statuses, the_failure
from tests.integration.test_apply_order import order

pytestmark = pytest.mark.usefixtures("played")

WAVE = "k8s-step/wave"
DEPENDS_ON = "config.kubernetes.io/depends-on"


def annotated(made: Object, **notes: str) -> Object:
    """The object with the annotations ``wave`` and ``on``."""
    names = {"wave": WAVE, "on": DEPENDS_ON}
    found = made["metadata"].setdefault("annotations", {})
    found.update({names[key]: value for key, value in notes.items()})
    return made


def gate() -> Object:
    """A Service that is current as soon as :meth:`Shop.open` gives it an address."""
    return service("gate", "LoadBalancer", no_address="true")


class Shop:
    """A namespace, the objects in it and the runs that write them."""

    def __init__(self, step: Step, kubectl: Kubectl, cluster: Cluster, namespace: str, folder: Path) -> None:
        self.step, self.cluster, self.namespace, self.folder = step, cluster, namespace, folder
        self._kubectl = kubectl

    def kubectl(self, *words: str, **more: Any) -> str:
        return self._kubectl("-n", self.namespace, *words, **more).stdout

    def start(self, verb: str, *made: Object, options: tuple[str, ...] = (), **more: Any) -> Running:
        path = write(self.folder / "release.yaml", *made)
        return self.step.start(verb, "-f", path, "-n", self.namespace, *options, report=True, **more)

    def apply(self, *made: Object, options: tuple[str, ...] = (), **more: Any) -> Outcome:
        return self.start("apply", *made, options=options, **more).wait()

    def open(self, name: str = "gate") -> None:
        status = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
        self.kubectl("patch", f"service/{name}", "--subresource", "status", "--type", "merge", "-p", json.dumps(status))

    def names(self, words: str = "configmaps,services,deployments,jobs") -> set[str]:
        found = set(self.kubectl("get", words, "-o", "name").split())
        return {name.replace(".apps", "").replace(".batch", "") for name in found} - {"configmap/kube-root-ca.crt"}

    def on(self, written: str) -> str:
        """``apps/Deployment/api`` as an object of this namespace."""
        group, kind, name = written.split("/")
        return f"{group}/namespaces/{self.namespace}/{kind}/{name}"


@pytest.fixture
def shop(step: Step, kubectl: Kubectl, cluster: Cluster, namespace: str, tmp_path: Path) -> Shop:
    return Shop(step, kubectl, cluster, namespace, tmp_path)


def test_a_wave_begins_when_the_one_before_is_current(shop: Shop, proxy: Proxy) -> None:
    release = [
        annotated(config_map("last", a="1"), wave="10"),
        annotated(deployment("second"), wave="2"),
        annotated(gate(), wave="-1"),
        annotated(config_map("first", a="1"), wave="-1"),
    ]
    run = shop.start("apply", *release, env=through(proxy))
    run.wait_for("waiting for 1 object")
    assert order(proxy) == ["configmaps/first", "services/gate"]
    assert "wave 1 of 3: 2 objects" in run.text and "wave 2" not in run.text
    shop.open()
    outcome = run.wait()
    assert outcome.code == 0, outcome.text
    assert order(proxy) == ["configmaps/first", "services/gate", "deployments/second", "configmaps/last"]
    assert "wave 3 of 3: 1 object" in outcome.stderr
    assert set(statuses(outcome).values()) == {"current"}
    assert list(actions(outcome)) == ["ConfigMap/last", "Deployment/second", "Service/gate", "ConfigMap/first"]


def test_an_object_begins_when_what_it_depends_on_is_current(shop: Shop, proxy: Proxy) -> None:
    web = annotated(deployment("web"), on=shop.on("/Service/gate"))
    run = shop.start(
        "apply", web, annotated(config_map(a="1"), on=shop.on("apps/Deployment/web")), gate(), env=through(proxy)
    )
    run.wait_for("waiting for 1 object")
    assert order(proxy) == ["services/gate"]
    shop.open()
    outcome = run.wait()
    assert outcome.code == 0, outcome.text
    assert order(proxy) == ["services/gate", "deployments/web", "configmaps/settings"]


def test_a_release_without_waves_says_nothing_of_them(shop: Shop) -> None:
    outcome = shop.apply(annotated(config_map("a", a="1"), wave="7"), annotated(config_map("b", a="1"), wave="7"))
    assert outcome.code == 0 and " of 1" not in outcome.stderr and "wave 1" not in outcome.stderr, outcome.text


def test_namespaces_and_kinds_come_before_what_is_in_them(
    step: Step, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    group, inside = f"{namespace}.example", f"{namespace}-new"
    release = [
        annotated(custom(group, "one", status={}), wave="2"),
        annotated(deployment("web"), wave="1"),
        definition(group),
        obj("v1", "Namespace", inside),
    ]
    for one in release[:2]:
        one["metadata"]["namespace"] = inside
    del release[0]["status"]
    outcome = step("apply", "-f", write(tmp_path / "release.yaml", *release), report=True)
    cluster.request("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}")
    cluster.leave_namespace(inside)
    assert outcome.code == 0, outcome.text
    assert set(statuses(outcome).values()) == {"current"}
    assert "can't try out" in outcome.stderr, "before the first write"


def test_a_failed_wave_is_the_last_and_the_others_are_told_as_not_begun(shop: Shop, proxy: Proxy) -> None:
    junit = shop.folder / "junit.xml"
    outcome = shop.apply(
        annotated(config_map(a="1"), wave="-1"),
        job("migrate", "shop/job-fail:1"),
        annotated(deployment("web"), wave="1"),
        annotated(service("web"), wave="2"),
        options=("--junit", str(junit)),
        env=through(proxy),
    )
    assert outcome.code == 1, outcome.text
    assert order(proxy) == ["configmaps/settings", "jobs/migrate"]
    assert the_failure(outcome)["object"].endswith("Job/" + shop.namespace + "/migrate")
    told = objects(outcome)
    reason = "the release ended in wave 2 of 4"
    for name in ("Deployment/web", "Service/web"):
        assert (told[name]["action"], told[name]["status"], told[name]["not_begun"]) == ("none", "", reason)
    assert told["Job/migrate"]["not_begun"] is None and told["ConfigMap/settings"]["status"] == "current"
    assert f"not begun, as {reason}: deployment.apps/web, service/web" in outcome.stderr
    assert f"not begun: {reason}" in outcome.stdout and "2 not begun" in outcome.stderr
    skipped = {case.attrib["name"]: case.find("skipped") for case in Xml.parse(junit).getroot()}
    assert [name for name, found in skipped.items() if found is not None] == ["deployment.apps/web", "service/web"]


def test_a_refusal_in_a_later_wave_stops_the_release_too(shop: Shop, proxy: Proxy) -> None:
    proxy.rule(on("PATCH", "configmaps/settings$"), forbid())
    first, last = annotated(service("first"), wave="-1"), annotated(service("last"), wave="1")
    outcome = shop.apply(first, config_map(a="1"), last, options=("--no-preflight",), env=through(proxy))
    assert outcome.code == 4, outcome.text
    assert actions(outcome) == {"Service/first": "created", "ConfigMap/settings": "none", "Service/last": "none"}
    assert objects(outcome)["Service/last"]["not_begun"] == "the release ended in wave 2 of 3"
    assert statuses(outcome)["Service/first"] == "current"


def test_all_waves_are_tried_out_before_the_first_write(shop: Shop, proxy: Proxy) -> None:
    bad = annotated(service("web"), wave="9")
    bad["spec"]["ports"] = [{"port": 99999}]
    outcome = shop.apply(config_map(a="1"), deployment("web"), bad, env=through(proxy))
    assert outcome.code == 4 and order(proxy) == [], outcome.text
    assert "nothing was changed" in outcome.stderr and "not begun" not in outcome.stderr


def test_the_time_is_that_of_the_whole_run(shop: Shop) -> None:
    run = shop.start("apply", gate(), annotated(config_map(a="1"), wave="1"), own_clock=True)
    run.wait_for("waiting for 1 object")
    run.time_passes()
    outcome = run.wait()
    assert outcome.code == 3, outcome.text
    assert objects(outcome)["ConfigMap/settings"]["not_begun"] == "the release ended in wave 1 of 2"


def test_a_cancelled_run_tells_what_was_not_begun(shop: Shop) -> None:
    run = shop.start("apply", gate(), annotated(config_map(a="1"), wave="1"))
    run.wait_for("waiting for 1 object")
    run.signal(signal.SIGTERM)
    outcome = run.wait()
    assert outcome.code == 143, outcome.text
    assert objects(outcome)["ConfigMap/settings"]["not_begun"] == "the release ended in wave 1 of 2"
    assert shop.names() == {"service/gate"}


@pytest.mark.parametrize("lost", ["deployment/early", "configmap/early"])
def test_what_earlier_waves_wrote_is_current_at_the_end_or_the_release_fails(shop: Shop, lost: str) -> None:
    """A watch tells of the Deployment at once, the last look of the ConfigMap."""
    early = [annotated(deployment("early"), wave="-1"), annotated(config_map("early", a="1"), wave="-1")]
    run = shop.start("apply", *early, gate(), annotated(config_map("late", a="1"), wave="1"))
    run.wait_for("wave 2 of 3")
    shop.kubectl("delete", lost, "--wait")
    if lost.startswith("configmap"):
        shop.open()
    outcome = run.wait()
    assert outcome.code == 1, outcome.text
    assert the_failure(outcome)["reason"] == "Deleted"


def test_what_is_not_followed_holds_up_no_wave(shop: Shop) -> None:
    late = annotated(config_map(a="1"), wave="1")
    outcome = shop.apply(gate(), late, options=("--no-wait-for", "service/gate"))
    assert outcome.code == 0, outcome.text
    assert actions(outcome)["ConfigMap/settings"] == "created"


def test_a_rollback_takes_all_waves_back_the_last_one_first(shop: Shop, proxy: Proxy) -> None:
    good = [
        annotated(config_map("one", tone="low"), wave="-1"),
        deployment("two"),
        annotated(config_map("three", tone="low"), wave="1"),
    ]
    assert shop.apply(*good).code == 0
    outcome = shop.apply(
        annotated(config_map("one", tone="high"), wave="-1"),
        annotated(config_map("new", tone="high"), wave="-1"),
        deployment("two", "shop/web:2"),
        annotated(config_map("three", tone="high"), wave="1"),
        annotated(service("new"), wave="1"),
        annotated(deployment("four", "shop/pull-fail:1"), wave="2"),
        annotated(config_map("five", tone="high"), wave="3"),
        options=("--rollback-on-failure",),
        env=through(proxy),
    )
    assert outcome.code == 6, outcome.text
    back = order(proxy)[6:]
    assert [back.index(name) for name in ("configmaps/three", "deployments/two", "configmaps/one")] == [0, 1, 2]
    assert back[-3:] == ["deployments/four", "services/new", "configmaps/new"], back
    assert shop.names() == {"configmap/one", "configmap/three", "deployment/two"}
    assert shop.kubectl("get", "configmap/one", "-o", "jsonpath={.data.tone}") == "low"
    assert objects(outcome)["ConfigMap/five"]["not_begun"] == "the release ended in wave 4 of 5"


def test_a_deletion_goes_backwards_and_each_wave_is_gone_before_the_next(shop: Shop, proxy: Proxy) -> None:
    held = annotated(config_map("held", a="1"), wave="1")
    held["metadata"]["finalizers"] = ["test.example/hold"]
    release = [config_map("base", a="1"), held, annotated(config_map("top", a="1"), on=shop.on("/ConfigMap/base"))]
    assert shop.apply(*release).code == 0
    run = shop.start("delete", *release, env=through(proxy))
    run.wait_for("waiting for 1 object")
    assert order(proxy) == ["configmaps/held"] and "wave 3 of 3: 1 object" in run.text
    shop.kubectl("patch", "configmap/held", "--type", "merge", "-p", '{"metadata": {"finalizers": null}}')
    outcome = run.wait()
    assert outcome.code == 0, outcome.text
    assert order(proxy) == ["configmaps/held", "configmaps/top", "configmaps/base"]
    assert shop.names() == set()


def test_a_part_of_a_release_can_be_deleted(shop: Shop) -> None:
    base, top = config_map("base", a="1"), annotated(config_map("top", a="1"), on=shop.on("/ConfigMap/base"))
    assert shop.apply(base, top).code == 0
    outcome = shop.start("delete", top).wait()
    assert outcome.code == 0 and shop.names() == {"configmap/base"}, outcome.text


def test_creations_keep_the_order_too(shop: Shop, proxy: Proxy) -> None:
    run = shop.start("create", gate(), annotated(config_map(a="1"), wave="1"), env=through(proxy))
    run.wait_for("waiting for 1 object")
    assert len(order(proxy)) == 1
    shop.open()
    outcome = run.wait()
    assert outcome.code == 0 and len(order(proxy)) == 2, outcome.text


def test_status_asks_for_all_at_once(shop: Shop) -> None:
    release = [config_map("base", a="1"), annotated(config_map("top", a="1"), wave="1")]
    assert shop.apply(*release).code == 0
    outcome = shop.start("status", *release).wait()
    assert outcome.code == 0 and " of 1" not in outcome.stderr and "wave 1" not in outcome.stderr, outcome.text


def test_no_wait_contradicts_waves(shop: Shop, proxy: Proxy) -> None:
    late = annotated(config_map("late", a="1"), wave="1")
    outcome = shop.apply(config_map(a="1"), late, options=("--no-wait",), env=through(proxy))
    assert outcome.code == 2 and order(proxy) == [], outcome.text
    assert "--no-wait: these objects make 2 waves, each of which waits for the one before" in outcome.stderr


def test_a_circle_is_drawn_before_anything_is_sent(shop: Shop, proxy: Proxy) -> None:
    one = annotated(config_map("one", a="1"), on=shop.on("/ConfigMap/two"))
    two = annotated(config_map("two", a="1"), on=shop.on("/ConfigMap/one"))
    outcome = shop.apply(one, two, env=through(proxy))
    assert outcome.code == 2 and order(proxy) == [], outcome.text
    place = f"configmap/{shop.namespace}"
    assert f"release.yaml:6: {place}/one: these wait for one another" in outcome.stderr
    assert f"{place}/one → {place}/two → {place}/one" in outcome.stderr


@pytest.mark.parametrize(
    ("notes", "told"),
    [
        ({"wave": "soon"}, "release.yaml:6: k8s-step/wave: 'soon' is not a whole number"),
        ({"on": "ConfigMap/other"}, f"release.yaml:6: {DEPENDS_ON}: 'ConfigMap/other' names no object"),
        ({"on": "/namespaces/x/ConfigMap/other"}, "/namespaces/x/ConfigMap/other, which it depends on, is not part"),
    ],
)
def test_a_mistake_in_an_annotation_is_told_with_its_line(shop: Shop, notes: dict[str, str], told: str) -> None:
    outcome = shop.apply(annotated(config_map(a="1"), **notes))
    assert outcome.code == 2 and told in outcome.stderr, outcome.text
