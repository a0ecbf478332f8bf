"""One run on several clusters: two control planes side by side, one that is down, and one that is stopped."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from tests.conftest import Outcome, Step
from tests.controlplane.cluster import Cluster
from tests.integration.objects import config_map, deployment, obj, write
from tests.integration.planes import NOWHERE, plane, side_by_side, stop

pytestmark = pytest.mark.usefixtures("played")


@pytest.fixture(scope="module")
def second(owned: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with plane(tmp_path_factory.mktemp("planes") / "second") as started:
        yield started


@dataclass
class Planes:
    """The contexts ``eu`` (the tests' own), ``us`` (the second) and ``down``, all with the same namespace."""

    step: Step
    kubeconfig: str
    eu: Cluster
    us: Cluster
    namespace: str
    folder: Path

    def run(self, verb: str, *words: str, on: str = "eu us", **more: Any) -> Outcome:
        contexts = [word for name in on.split() for word in ("--context", name)]
        return self.step(verb, *words, *contexts, env={"KUBECONFIG": self.kubeconfig}, report=True, **more)

    def release(self, *objects: dict[str, Any]) -> str:
        return write(self.folder / "release.yaml", *objects)

    def data(self, one: Cluster, name: str = "settings") -> dict[str, str] | None:
        path = f"/api/v1/namespaces/{self.namespace}/configmaps/{name}"
        answer = one.request("GET", path)
        return answer.body["data"] if answer.code == 200 else None


@pytest.fixture
def planes(step: Step, namespace: str, cluster: Cluster, second: Cluster, tmp_path: Path) -> Iterator[Planes]:
    second.namespace(namespace)
    config = side_by_side(tmp_path / "planes.kubeconfig", namespace, eu=cluster, us=second, down=NOWHERE)
    yield Planes(step, config, cluster, second, namespace, tmp_path)
    second.leave_namespace(namespace)


def results(outcome: Outcome) -> dict[str, str]:
    assert outcome.report is not None, outcome.text
    return {one["name"]: one["result"] for one in outcome.report["clusters"]}


def test_an_apply_on_both(planes: Planes) -> None:
    path = planes.release(config_map(tag="1"), deployment("web"))
    junit = planes.folder / "result.xml"
    outcome = planes.run("apply", "-f", path, "--junit", str(junit))
    assert outcome.code == 0, outcome.text
    assert results(outcome) == {"eu": "succeeded", "us": "succeeded"}
    assert planes.data(planes.eu) == planes.data(planes.us) == {"tag": "1"}
    assert outcome.stdout.splitlines()[0].split() == ["CLUSTER", "RESULT", "OBJECTS", "SECONDS", "MESSAGE"]
    lines = outcome.stderr.splitlines()
    assert all(line.startswith(("[eu] ", "[us] ")) for line in lines[1:-1]), outcome.stderr
    assert f"[us] {planes.us.server} (from" in outcome.stderr
    suites = Xml.parse(junit).getroot().findall("testsuite")
    assert [suite.get("name") for suite in suites] == [
        f"k8s-step apply on {name}, namespace {planes.namespace}" for name in ("eu", "us")
    ]


def test_each_line_of_a_log_names_its_cluster(planes: Planes) -> None:
    outcome = planes.run("apply", "-f", planes.release(deployment("web")), "--logs")
    assert outcome.code == 0, outcome.text
    for name in ("eu", "us"):
        lines = re.findall(rf"(?m)^\[{name}\] pod/web-\S+ \| (.*)$", outcome.stderr)
        assert lines == ["starting", "listening on :8080"], outcome.stderr


def test_one_that_is_down_stops_no_other(planes: Planes) -> None:
    outcome = planes.run("apply", "-f", planes.release(config_map(tag="1")), "--timeout", "20s", on="down eu us")
    assert outcome.code == 5, outcome.text
    assert results(outcome) == {"down": "unreachable", "eu": "succeeded", "us": "succeeded"}


def test_one_that_is_stopped_is_told(planes: Planes, tmp_path: Path) -> None:
    folder = tmp_path / "third"
    with plane(folder) as third:
        third.namespace(planes.namespace)
        config = side_by_side(tmp_path / "third.kubeconfig", planes.namespace, eu=planes.eu, ap=third)
        env = {"KUBECONFIG": config, "K8S_CONTEXT": "eu,ap"}
        path = planes.release(deployment("web"))
        assert planes.step("apply", "-f", path, env=env).code == 0
        stop(folder)
        outcome = planes.step("status", "deployment/web", "--timeout", "20s", env=env, report=True)
    assert outcome.code == 5, outcome.text
    assert results(outcome) == {"eu": "succeeded", "ap": "unreachable"}


def test_each_job_takes_its_share(planes: Planes) -> None:
    path = planes.release(config_map(tag="1"))
    words = ("-f", path, "--waves", "eu; us")
    first = planes.run("apply", *words, "--shard", "1/3")
    assert (first.code, results(first)) == (0, {"eu": "succeeded"}), first.text
    assert "shard 1/3: 1 of 2 clusters" in first.stderr and "wave 1 of 2: eu" in first.stderr
    assert planes.data(planes.us) is None
    second = planes.run("apply", *words, "--shard", "2/3")
    assert (second.code, results(second)) == (0, {"us": "succeeded"}), second.text
    assert second.report is not None and second.report["clusters"][0]["wave"] == 2
    assert planes.data(planes.us) == {"tag": "1"}
    third = planes.run("apply", *words, "--shard", "3/3")
    assert (third.code, results(third)) == (0, {}), third.text
    assert "shard 3/3: 0 of 2 clusters, nothing to do" in third.stderr
    assert third.stderr.splitlines()[-1].startswith("succeeded: 0 clusters"), third.text


def test_the_reports_of_all_jobs_are_as_that_of_one(planes: Planes, step: Step) -> None:
    path = planes.release(config_map(tag="1"), deployment("web", "shop/crash:1"))
    words = ("-f", path, "--max-failures", "9")
    jobs = [planes.run("apply", *words, "--shard", f"{job}/2") for job in (1, 2)]
    for job, outcome in enumerate(jobs, 1):
        (planes.folder / f"{job}.json").write_text(json.dumps(outcome.report))
    reports = [str(planes.folder / f"{job}.json") for job in (1, 2)]
    merged = step("merge-reports", *reports, report=True)
    assert (merged.code, results(merged)) == (1, {"eu": "failed", "us": "failed"}), merged.text
    assert merged.report is not None
    assert merged.report["clusters"] == [one for job in jobs for one in (job.report or {})["clusters"]]
    assert "CrashLoopBackOff" in merged.stdout


def test_a_share_of_what_is_read(planes: Planes) -> None:
    for one in (planes.eu, planes.us):
        one.request("POST", f"/api/v1/namespaces/{planes.namespace}/configmaps", config_map(tag="1"))
    second = planes.run("get", "configmap/settings", "-o", "name", "--shard", "2/2")
    assert (second.code, second.stdout) == (0, "us configmap/settings\n"), second.text
    none = planes.run("get", "configmap/settings", "-o", "json", "--shard", "3/3")
    assert (none.code, none.stdout) == (0, ""), none.text


@pytest.mark.parametrize("shard", [(), ("--shard", "1/2")])
def test_no_template_gets_any_cluster_s_token(step: Step, tmp_path: Path, shard: tuple[str, ...]) -> None:
    """Nor is one printed that belongs to another job's cluster."""
    clusters = tmp_path / "clusters.yaml"
    clusters.write_text(f"[{{name: eu, server: {NOWHERE}}}, {{name: us, server: {NOWHERE}, token-env: US_TOKEN}}]")
    release = write(tmp_path / "release.yaml", config_map(token="${US_TOKEN}"))
    env = {"US_TOKEN": "t0ken-of-the-us", "OTHER": "t0ken-of-the-us"}
    words = ("apply", "-f", release, "--clusters", str(clusters), "--timeout", "2s", *shard)
    refused = step(*words, env=env)
    assert refused.code == 2 and "US_TOKEN has no value" in refused.stderr, refused.text
    other = step(*words, "--wait-for", "configmap/t0ken-of-the-us condition=Ready", env=env)
    assert "t0ken-of-the-us" not in other.text, other.text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--context eu --context us --shard 3/2", "--shard: '3/2' is no share of the clusters"),
        ("--context eu --shard 1/2", "--shard: there is one cluster, and no other is named"),
        ("--context eu --context us --waves eu;ap,us --shard 1/2", "--waves: there is no cluster ap"),
    ],
)
def test_shards_that_are_none(step: Step, words: str, told: str) -> None:
    refused = step("apply", "-f", "release.yaml", *words.split(), env={"KUBECONFIG": "config"})
    assert refused.code == 2, refused.text
    assert refused.stderr.splitlines()[0].startswith(f"error: {told}")


def test_a_wave_begins_when_the_last_one_is_current(planes: Planes) -> None:
    path = planes.release(deployment("web", "shop/crash:1"))
    outcome = planes.run("apply", "-f", path, "--waves", "eu; us")
    assert outcome.code == 1, outcome.text
    assert results(outcome) == {"eu": "failed", "us": "not_begun"}
    assert "not begun: us: eu failed" in outcome.stderr
    assert planes.us.request("GET", f"/apis/apps/v1/namespaces/{planes.namespace}/deployments/web").code == 404
    good = planes.run("apply", "-f", planes.release(deployment("web")), "--waves", "eu; us")
    assert good.code == 0, good.text
    told = good.stderr
    assert told.index("[eu] succeeded") < told.index("wave 2 of 2: us") < told.index("[us] ")


def test_failures_that_are_allowed(planes: Planes) -> None:
    path = planes.release(config_map(tag="1"))
    words = ("-f", path, "--waves", "down; eu, us", "--max-failures", "1", "--timeout", "20s")
    outcome = planes.run("apply", *words, on="down eu us")
    assert outcome.code == 5 and results(outcome)["us"] == "succeeded", outcome.text


def listed(planes: Planes, **variables: str) -> str:
    """A clusters file in which ``us`` has variables of its own."""
    lines = [
        "- {name: blue, context: eu, var: {IMAGE: 'shop/web:2'}}",
        "- name: green",
        "  context: us",
        "  var:",
        *(f"    {name}: {value}" for name, value in variables.items()),
    ]
    path = planes.folder / "clusters.yaml"
    path.write_text("\n".join(lines))
    return str(path)


def test_a_wave_is_taken_back_as_a_whole(planes: Planes) -> None:
    before = planes.run("apply", "-f", planes.release(config_map(tag="1"), deployment("web")))
    assert before.code == 0, before.text
    path = planes.release(config_map(tag="2"), deployment("web", "${IMAGE}"))
    file = listed(planes, IMAGE="shop/crash:2")
    outcome = planes.run("apply", "-f", path, "--clusters", file, "--rollback-on-failure", on="")
    assert outcome.code == 6, outcome.text
    assert results(outcome) == {"blue": "rolled_back", "green": "rolled_back"}
    assert planes.data(planes.eu) == planes.data(planes.us) == {"tag": "1"}
    assert "[blue] note: green failed: what was done here is taken back as well" in outcome.stderr


def test_what_a_cluster_has_pruned_comes_back_with_its_wave(planes: Planes) -> None:
    prune = ("--prune", "--applyset", "shop", "-n", planes.namespace)
    before = planes.run("apply", "-f", planes.release(config_map("old", tag="1"), deployment("web")), *prune)
    assert before.code == 0, before.text
    uid = planes.eu.request("GET", f"/api/v1/namespaces/{planes.namespace}/configmaps/old").body["metadata"]["uid"]
    path = planes.release(deployment("web", "${IMAGE}"))
    file = listed(planes, IMAGE="shop/crash:2")
    outcome = planes.run("apply", "-f", path, "--clusters", file, "--rollback-on-failure", *prune, on="")
    assert outcome.code == 6, outcome.text
    assert results(outcome) == {"blue": "rolled_back", "green": "rolled_back"}
    assert planes.data(planes.eu, "old") == planes.data(planes.us, "old") == {"tag": "1"}
    again = planes.eu.request("GET", f"/api/v1/namespaces/{planes.namespace}/configmaps/old").body["metadata"]["uid"]
    assert again != uid, "it was pruned, and created anew"
    good = planes.run("apply", "-f", planes.release(deployment("web")), *prune)
    assert good.code == 0, good.text
    assert planes.data(planes.eu, "old") is planes.data(planes.us, "old") is None


def test_a_mistake_for_one_cluster_stops_all_before_the_first_request(planes: Planes) -> None:
    path = planes.release(config_map(tag="${TAG:?the tag}"), deployment("web", "${IMAGE}"))
    outcome = planes.run("apply", "-f", path, "--clusters", listed(planes, OTHER="1"), on="")
    assert outcome.code == 2, outcome.text
    assert results(outcome) == {"blue": "not_begun", "green": "not_begun"}
    assert planes.data(planes.eu) is None
    assert "IMAGE has no value (of green)" in outcome.stderr


def test_reading_names_the_cluster(planes: Planes) -> None:
    assert planes.run("apply", "-f", planes.release(config_map(tag="1"))).code == 0
    table = planes.run("get", "configmap/settings").stdout.splitlines()
    assert [line.split()[:2] for line in table] == [["CLUSTER", "NAME"], ["eu", "settings"], ["us", "settings"]]
    found = json.loads(planes.run("get", "configmap/settings", "-o", "json").stdout)["items"]
    assert [(item["cluster"], item["data"]) for item in found] == [("eu", {"tag": "1"}), ("us", {"tag": "1"})]
    names = planes.run("get", "configmap/settings", "-o", "name", on="eu us down", timeout=120)
    assert names.code == 5, names.text
    assert sorted(names.stdout.splitlines()) == ["eu configmap/settings", "us configmap/settings"]
    metrics = planes.run("check", "--metrics", "--component", "web=app=web")
    assert metrics.code == 1 and 'k8s_step_component_pods{cluster="us",component="web"} 0' in metrics.stdout


def test_differences_of_a_cluster_are_one_block(planes: Planes) -> None:
    path = planes.release(config_map(tag="1"), config_map("more", tag="1"))
    outcome = planes.run("diff", "-f", path, "--exit-code")
    assert outcome.code == 1, outcome.text
    titles = [line.split()[1] for line in outcome.stdout.splitlines() if line.startswith("# ")]
    assert titles in (["[eu]", "[eu]", "[us]", "[us]"], ["[us]", "[us]", "[eu]", "[eu]"])


def test_a_cancellation_reaches_all(planes: Planes) -> None:
    path = planes.release(deployment("web", "shop/never-ready:1"))
    words = ("-f", path, "--context", "eu", "--context", "us", "--context", "down", "--waves", "eu,us;down")
    running = planes.step.start("apply", *words, env={"KUBECONFIG": planes.kubeconfig}, report=True)
    running.wait_for("[eu] waiting for")
    running.wait_for("[us] waiting for")
    running.signal(signal.SIGTERM)
    outcome = running.wait(60)
    assert outcome.code == 143 and "Traceback" not in outcome.text, outcome.text
    assert results(outcome) == {"eu": "cancelled", "us": "cancelled", "down": "not_begun"}
    assert outcome.report is not None
    objects = [one["objects"][0] for one in outcome.report["clusters"][:2]]
    assert {(one["action"], one["status"]) for one in objects} == {("created", "in progress")}


def test_secrets_of_one_cluster_are_masked_in_the_log_of_all(planes: Planes) -> None:
    secret = obj("v1", "Secret", "password", stringData={"a": "${PASSWORD}"})
    path = planes.release(secret, config_map(hint="the password is correct-horse-battery"))
    file = listed(planes, PASSWORD="correct-horse-battery")
    words = ("--var", "PASSWORD=another-long-password", "--diff", "--dry-run")
    outcome = planes.run("apply", "-f", path, "--clusters", file, *words, on="")
    assert outcome.code == 0, outcome.text
    assert "[eu]" not in outcome.text and "correct-horse-battery" not in outcome.text
