"""The result files of a run: of this run alone, whole at any moment, and with all that is wrong."""

from __future__ import annotations

import html
import json
import signal
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from tests.conftest import Kubectl, Step, poll
from tests.faults import proxy as faults
from tests.faults.proxy import Proxy, on
from tests.integration.objects import config_map, deployment, obj, through, write
from tests.integration.outcomes import actions, objects
from tests.junitschema import mistakes
from tests.runner import environment, written

pytestmark = pytest.mark.usefixtures("played")

FILES = {"K8S_REPORT": "result.json", "K8S_JUNIT": "junit.xml", "K8S_DOTENV": "deploy.env"}


def told(folder: Path) -> tuple[str, int | None, dict[str, str], list[str]]:
    """Result and exit code, the variables of the dotenv report, and what failed by the JUnit file."""
    report = json.loads((folder / "result.json").read_text())
    pairs = [line.partition("=") for line in (folder / "deploy.env").read_text().splitlines()]
    suite = (folder / "junit.xml").read_text()
    assert mistakes(suite) == []
    bad = [found.attrib["type"] for found in Xml.fromstring(suite).iter() if found.tag in ("failure", "error")]
    return report["result"], report["exit_code"], {name: value for name, _, value in pairs}, bad


# -- of this run alone


def test_a_run_that_is_killed_leaves_nothing_of_the_run_before(
    step: Step, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    """``diff`` and ``apply`` of one job share the files; nobody may read the diff's ``succeeded`` as the apply's."""
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    environ = {**through(proxy), **FILES}
    assert step("diff", "-f", path, "-n", namespace, env=environ).code == 0
    result, code, variables, bad = told(tmp_path)
    assert (result, code, variables["K8S_STEP_RESULT"], bad) == ("succeeded", 0, "succeeded", [])

    rule = proxy.rule(on("PATCH"), faults.stall(), times=None)
    run = step.start("apply", "-f", path, "-n", namespace, env=environ)
    poll(lambda: rule.used, "the write that is not answered", 60)
    run.signal(signal.SIGKILL)
    assert run.wait().code == -signal.SIGKILL
    result, code, variables, bad = told(tmp_path)
    assert (result, code) == ("unfinished", None)
    expected = {
        "RESULT": "unfinished",
        "EXIT_CODE": "",
        "CHANGED": "",
        "FAILED": "",
        "URL": "",
        "REPORT": "result.json",
    }
    assert variables == {f"K8S_STEP_{name}": value for name, value in expected.items()}
    assert bad == ["unfinished"]

    proxy.clear()
    assert step("apply", "-f", path, "-n", namespace, env=environ).code == 0
    result, code, variables, bad = told(tmp_path)
    assert (result, code, variables["K8S_STEP_RESULT"], bad) == ("succeeded", 0, "succeeded", [])


def test_the_outputs_of_a_step_that_is_killed_are_not_those_of_its_first_command(
    step: Step, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    environ = {**environment(tmp_path, tmp_path), **through(proxy)}
    assert step("diff", "-f", path, "-n", namespace, env=environ).code == 0
    rule = proxy.rule(on("PATCH"), faults.stall(), times=None)
    run = step.start("apply", "-f", path, "-n", namespace, env=environ)
    poll(lambda: rule.used, "the write that is not answered", 60)
    run.signal(signal.SIGKILL)
    run.wait()
    assert written((tmp_path / "set_output").read_text())["result"] == "unfinished"


def test_a_result_file_among_the_manifests_is_none(step: Step, namespace: str, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    write(workspace / "settings.yaml", config_map(a="b"))
    for action in ("created", "unchanged"):
        outcome = step("apply", "-f", ".", "-n", namespace, env=FILES, cwd=workspace)
        assert outcome.code == 0, outcome.text
        (entry,) = json.loads((workspace / "result.json").read_text())["objects"]
        assert (entry["name"], entry["action"]) == ("settings", action)


# -- with all that is wrong


def test_every_error_of_every_object_is_in_each_report(step: Step, namespace: str, tmp_path: Path) -> None:
    """With its line and its hint, and for each object that shares it with another."""
    service = obj("v1", "Service", "web", spec={"ports": [{"port": 70000, "targetPort": 0}]})
    misspelt = config_map("mine", colour="blue")
    misspelt["dta"] = {"a": "b"}
    path = write(tmp_path / "release.yaml", service, misspelt)
    lines = Path(path).read_text().splitlines()
    environ = {**environment(tmp_path, tmp_path), **FILES}
    outcome = step("apply", "-f", path, "-n", namespace, env=environ, cwd=tmp_path)
    assert outcome.code == 4, outcome.text
    report = json.loads((tmp_path / "result.json").read_text())
    found = {entry["name"]: entry["errors"] for entry in report["objects"]}
    assert [lines[error["line"] - 1].strip(" -").partition(":")[0] for error in found["web"]] == ["port", "targetPort"]
    assert [error["file"] for error in found["web"]] == [path, path]
    assert [error["hint"] for error in found["mine"]] == ["is it spelt right, and in the right place?"]
    assert report["errors"] == []
    texts = [error.text or "" for error in Xml.parse(tmp_path / "junit.xml").iter("error")]
    page = html.unescape((tmp_path / "step_summary").read_text())
    for words in ("spec.ports[0].port", "spec.ports[0].targetPort", "is it spelt right"):
        assert any(words in text for text in texts), texts
        assert words in page
    failed = written((tmp_path / "set_output").read_text())["failed"].splitlines()
    assert failed == [f"service/{namespace}/web", f"configmap/{namespace}/mine"]


def test_what_is_told_once_for_many_is_in_the_report_of_each(step: Step, tmp_path: Path) -> None:
    absent = "no-such-namespace"
    path = write(tmp_path / "release.yaml", *(config_map(name, absent) for name in ("one", "two", "three")))
    outcome = step("apply", "-f", path, report=True, env={"K8S_JUNIT": "junit.xml"})
    assert outcome.code == 4, outcome.text
    assert outcome.stderr.count(f"there is no namespace {absent}, and so for 2 more") == 1
    for name, entry in objects(outcome).items():
        (error,) = entry["errors"]
        assert error["message"] == f"there is no namespace {absent}", name
        assert (error["file"], error["line"]) == (path, entry["line"])
    assert len(list(Xml.parse(tmp_path / "junit.xml").iter("error"))) == 3


def test_mistakes_in_manifests_are_in_the_report_with_their_lines(step: Step, namespace: str, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {}\ndata:\n  a: ${NOWHERE_SET}\n")
    outcome = step("apply", "-f", "bad.yaml", "-n", namespace, env=FILES)
    assert outcome.code == 2, outcome.text
    errors = json.loads((tmp_path / "result.json").read_text())["errors"]
    assert errors and all(error["file"] == "bad.yaml" and error["message"] in outcome.stderr for error in errors)
    assert 5 in [error["line"] for error in errors]


# -- a dry run


VERBS = {
    "apply": ("apply", "-f", "release.yaml"),
    "create": ("create", "-f", "new.yaml"),
    "replace": ("replace", "-f", "release.yaml"),
    "run": ("run", "-f", "job.yaml"),
    "delete by name": ("delete", "configmap/settings"),
    "delete by kind": ("delete", "configmaps", "-l", "team=shop"),
    "patch": ("patch", "configmap/settings", "--type", "merge", "-p", '{"data": {"a": "other"}}'),
    "restart": ("restart", "deployment/web"),
    "scale": ("scale", "deployment/web", "--replicas", "3"),
    "undo": ("undo", "deployment/web"),
}


@pytest.fixture
def shop(step: Step, namespace: str, tmp_path: Path) -> None:
    """What there is to change, and the manifests that would."""
    mine = config_map(a="b")
    mine["metadata"]["labels"] = {"team": "shop"}
    for image in ("shop/web:1", "shop/web:2"):
        path = write(tmp_path / "live.yaml", mine, deployment(image=image))
        assert step("apply", "-f", path, "-n", namespace).code == 0
    write(tmp_path / "release.yaml", config_map(a="other"))
    write(tmp_path / "new.yaml", config_map("new"))
    pod = {"containers": [{"name": "app", "image": "shop/job:1"}], "restartPolicy": "Never"}
    write(tmp_path / "job.yaml", obj("batch/v1", "Job", "once", spec={"template": {"spec": pod}}))


def there(kubectl: Kubectl, namespace: str) -> str:
    """What there is, and what is wanted of it."""
    form = "jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.uid} {.metadata.generation} {.data}; {end}"
    return kubectl("-n", namespace, "get", "deployments,jobs,configmaps", "-o", form).stdout


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("name", VERBS)
def test_a_dry_run_claims_no_change(name: str, step: Step, namespace: str, kubectl: Kubectl, tmp_path: Path) -> None:
    before = there(kubectl, namespace)
    environ = {**environment(tmp_path, tmp_path), **FILES}
    outcome = step(*VERBS[name], "-n", namespace, "--dry-run", env=environ, report=True)
    assert outcome.code == 0, outcome.text
    assert outcome.report is not None
    assert outcome.report["dry_run"] is True
    (action,) = set(actions(outcome).values())
    assert f"would be {action}" in outcome.stderr and f"1 would be {action}" in outcome.stderr
    lines = outcome.text.splitlines()
    assert not [line for line in lines if line.startswith(action)], "it was not"
    assert "dry run: nothing was changed" in lines[-1]
    assert written((tmp_path / "set_output").read_text())["changed"] == ""
    assert "K8S_STEP_CHANGED=\n" in (tmp_path / "deploy.env").read_text()
    assert "would be" in (tmp_path / "step_summary").read_text()
    assert "--dry-run" in Xml.parse(tmp_path / "junit.xml").getroot().attrib["name"]
    assert there(kubectl, namespace) == before


def test_a_dry_run_that_is_refused_says_that_nothing_was_changed(step: Step, namespace: str, tmp_path: Path) -> None:
    broken = obj("v1", "Service", "web", spec={"ports": [{"port": 70000}]})
    path = write(tmp_path / "release.yaml", config_map(), broken)
    outcome = step("apply", "-f", path, "-n", namespace, "--dry-run", report=True)
    assert outcome.code == 4, outcome.text
    assert outcome.report is not None and outcome.report["dry_run"] is True
    assert outcome.text.splitlines()[-1].startswith("refused: dry run: nothing was changed; ")
