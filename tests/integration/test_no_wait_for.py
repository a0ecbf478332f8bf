"""``--no-wait-for`` and ``k8s-step/wait: "false"``: written, told as not followed, and no reason to wait or to fail."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
import yaml

from tests.conftest import Kubectl, Outcome, Step, poll
from tests.integration.objects import RELEASES, Object, config_map, deployment, job, service, write
from tests.integration.outcomes import objects, statuses, the_failure
from tests.integration.releases import Releases

pytestmark = pytest.mark.usefixtures("played")
FRONT = service("front", "LoadBalancer", no_address="true")
OTHER = service("other", "LoadBalancer", no_address="true")


def unwaited(made: Object, value: str = "false") -> Object:
    """The object, annotated."""
    metadata = made["metadata"]
    annotations = {**metadata.get("annotations", {}), "k8s-step/wait": value}
    return {**made, "metadata": {**metadata, "annotations": annotations}}


def unfollowed(outcome: Outcome) -> list[str]:
    """The objects that the report tells as not followed."""
    return [name for name, entry in objects(outcome).items() if entry["not_followed"]]


@pytest.mark.parametrize("path", RELEASES)
def test_a_cluster_without_load_balancers_takes_one_flag(
    path: Path, step: Step, namespace: str, tmp_path: Path
) -> None:
    made = [document for document in yaml.safe_load_all(path.read_text()) if document]
    outward = [service("outward", "LoadBalancer", no_address="true")]
    for one in made:
        if one["kind"] == "Service" and one["spec"].get("type") == "LoadBalancer":
            notes = FRONT["metadata"]["annotations"]
            one["metadata"]["annotations"] = {**one["metadata"].get("annotations", {}), **notes}
            outward.append(one)
    release = write(tmp_path / "release.yaml", *made, outward[0])
    line = ("apply", "-f", release, "-n", namespace, "--no-wait-for", "service")
    outcome = step(*line, "--junit", str(tmp_path / "junit.xml"), report=True)
    assert outcome.code == 0, outcome.text
    for one in outward:
        told = objects(outcome)[f"Service/{one['metadata']['name']}"]
        assert (told["action"], told["status"], told["not_followed"]) == ("created", "", "--no-wait-for service")
    deployments = [entry for entry in objects(outcome).values() if entry["kind"] == "Deployment"]
    assert all(entry["status"] == "current" and entry["not_followed"] is None for entry in deployments)
    skipped = Xml.parse(tmp_path / "junit.xml").getroot().findall(".//testcase[skipped]")
    assert {f"service/{one['metadata']['name']}" for one in outward} <= {case.attrib["name"] for case in skipped}


def test_one_of_two_is_still_waited_for_and_its_advice_names_the_flag(release: Releases) -> None:
    options = ("--no-wait-for", "svc/front")
    outcome = release.timed_out(FRONT, OTHER, after="waiting for 1 object", options=options)
    assert (outcome.code, statuses(outcome)) == (3, {"Service/front": "", "Service/other": "in progress"}), outcome.text
    assert the_failure(outcome)["object"].endswith("/other")
    assert "--no-wait-for service" in the_failure(outcome)["check"]
    assert "note: not followed (--no-wait-for svc/front): service/front" in outcome.stderr


def test_all_verbs_agree_on_an_annotation(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> None:
    bad = unwaited(deployment("bad", "shop/never-ready:1"))
    path = write(tmp_path / "release.yaml", bad, unwaited(FRONT), config_map())
    revision = r"jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}"
    for line in (
        ("create", "-f", path),
        ("apply", "-f", path),
        ("replace", "-f", path),
        ("status", "-f", path),
        ("patch", "deployment/bad", "-p", '{"spec": {"minReadySeconds": 1}}'),
        ("restart", "deployment/bad"),
        ("scale", "deployment/bad", "--replicas", "2"),
        ("undo", "deployment/bad"),
    ):
        if line[0] == "undo":
            get = ("-n", namespace, "get", "deployment/bad", "-o", revision)
            poll(lambda get=get: kubectl(*get).stdout == "2", "a revision to leave")
        outcome = step(*line, "-n", namespace, report=True)
        assert outcome.code == 0, outcome.text
        told = objects(outcome)["Deployment/bad"]
        assert (told["status"], told["not_followed"]) == ("", 'k8s-step/wait: "false"'), outcome.text
        assert f"{len(unfollowed(outcome))} not followed" in outcome.stderr


@pytest.mark.parametrize(
    "line",
    [
        ("status", "-f", "FILE"),
        ("restart", "deployment/bad"),
        ("patch", "deployment/bad", "-p", '{"spec": {"paused": false}}'),
    ],
    ids=lambda line: line[0],
)
def test_all_verbs_take_the_flag(line: tuple[str, ...], step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", deployment("bad", "shop/never-ready:1"))
    flag = {"K8S_NO_WAIT_FOR": "deploy"}
    assert step("create", "-f", path, "-n", namespace, env=flag).code == 0
    words = [path if word == "FILE" else word for word in line]
    outcome = step(*words, "-n", namespace, env=flag, report=True)
    assert outcome.code == 0, outcome.text
    assert objects(outcome)["Deployment/bad"]["not_followed"] == "--no-wait-for deploy"


def test_what_is_asked_for_by_name_has_its_verdict(release: Releases, step: Step) -> None:
    assert release(unwaited(deployment("bad", "shop/pull-fail:1"))).code == 0
    outcome = step("status", "deployment/bad", "-n", release.namespace, report=True)
    assert (outcome.code, statuses(outcome)) == (1, {"Deployment/bad": "failed"}), outcome.text


def test_a_job_that_is_run_is_followed(release: Releases) -> None:
    outcome = release(unwaited(job("fails", "shop/job-fail:1")), command="run")
    assert outcome.code == 1, outcome.text


def test_a_rollback_does_not_wait_either(release: Releases) -> None:
    assert release(deployment("web"), unwaited(deployment("bad", "shop/never-ready:1"))).code == 0
    changed = unwaited(deployment("bad", "shop/never-ready:2"))
    outcome = release(deployment("web", "shop/pull-fail:1"), changed, options=("--rollback-on-failure",))
    assert outcome.code == 6, outcome.text
    assert objects(outcome)["Deployment/bad"]["rolled_back"] == "restored"


def test_words_that_mean_nothing(release: Releases) -> None:
    outcome = release(config_map(), options=("--no-wait-for", "ingress", "--no-wait-for", "cm/sttings"))
    assert outcome.code == 0, outcome.text
    assert "note: --no-wait-for ingress: nothing in this run is meant by it" in outcome.stderr
    assert "note: --no-wait-for cm/sttings: nothing in this run is meant by it" in outcome.stderr
    outcome = release(config_map("later"), options=("--no-wait-for", "servces"))
    assert outcome.code == 2, outcome.text
    assert "--no-wait-for servces: the server serves no kind 'servces' (close to it: services" in outcome.stderr
    assert "later" not in release.kubectl("get", "configmaps")


def test_a_value_that_cannot_be_read(release: Releases) -> None:
    outcome = release(unwaited(config_map(), "no"))
    assert outcome.code == 2, outcome.text
    assert 'release.yaml:6: k8s-step/wait: the value is neither "true" nor "false"' in outcome.stderr
