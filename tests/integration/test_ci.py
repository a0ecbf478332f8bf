"""A good and a failed release in GitHub Actions, GitLab CI and Jenkins, in the environment that each of them sets.

What is left in the log and in files is compared with ``golden/``; ``WRITE_GOLDEN=1`` writes that anew.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from tests.conftest import Outcome, Step
from tests.controlplane.cluster import Cluster
from tests.integration.objects import Object, config_map, deployment, obj, write
from tests.junitschema import mistakes
from tests.runner import commands, environment, inputs, written

GOLDEN = Path(__file__).resolve().parent / "golden"
PASSWORD = "correct-horse-battery-staple"
RUNNER = 1001  # the user that steps run as which are no containers
# What a program may print to be obeyed by a CI system, or to break out of where its log is shown.
EVIL = (
    f"starting\n::error::obey me\n  ::set-output name=result::succeeded\n##[add-mask]web\n```\n</details>\n{PASSWORD}"
)
FOLLOW = ["get", "list", "watch"]
RULES = [
    {"apiGroups": [""], "resources": ["configmaps", "secrets", "endpoints"], "verbs": ["get", "patch", "create"]},
    {"apiGroups": ["apps"], "resources": ["deployments", "replicasets"], "verbs": [*FOLLOW, "patch", "create"]},
    {"apiGroups": [""], "resources": ["pods", "events", "pods/log"], "verbs": FOLLOW},
]
RELEASES: dict[str, tuple[Object, int]] = {
    "good": (deployment(delay="1s"), 0),
    "failed": (deployment(image="shop/crash:1", log=EVIL), 1),
}
pytestmark = pytest.mark.usefixtures("played")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    (folder / "k8s").mkdir(parents=True)
    if os.geteuid() == 0:
        os.chown(folder, RUNNER, RUNNER)
    return folder


def release(workspace: Path, web: Object) -> None:
    """A Secret, what is deprecated, and what the verdict is on."""
    secret = obj("v1", "Secret", "keys", stringData={"password": PASSWORD, "file": "first line\nsecond line\n"})
    write(workspace / "k8s" / "shop.yaml", secret, config_map(), obj("v1", "Endpoints", "old"), web)


def ci(system: str, workspace: Path, files: Path) -> dict[str, str]:
    """The environment of a step, without what the step is asked for."""
    if system == "github":
        return environment(workspace, files)
    if system == "gitlab":
        return {"CI": "true", "GITLAB_CI": "true", "CI_PROJECT_DIR": str(workspace), "CI_JOB_NAME": "deploy"}
    return {"JENKINS_URL": "https://ci.example/", "BUILD_NUMBER": "42", "WORKSPACE": str(workspace), "HOME": "/"}


def asked(system: str, cluster: Cluster, namespace: str, token: str) -> dict[str, str]:
    """What the step is asked for, as a user of each system writes it."""
    common = {"token": token, "ca": str(cluster.ca), "namespace": namespace, "filename": "k8s/", "junit": "junit.xml"}
    if system == "github":
        return inputs(server=cluster.server, report="result.json", **common)
    variables = {"API": cluster.server, **{name.upper(): value for name, value in common.items()}}
    files = {"DOTENV": "deploy.env", "REPORT": "result.json"} if system == "gitlab" else {}
    return {f"K8S_{name}": value for name, value in {**variables, **files}.items()}


@pytest.mark.parametrize("system", ["github", "gitlab", "jenkins"])
@pytest.mark.parametrize(("name", "web", "code"), [(name, *rest) for name, rest in RELEASES.items()], ids=RELEASES)
def test_what_a_release_leaves_behind(
    system: str, name: str, web: Object, code: int, step: Step, cluster: Cluster, namespace: str, workspace: Path
) -> None:
    release(workspace, web)
    token = cluster.token(namespace, rules=RULES)
    environ = {
        "KUBECONFIG": None,
        **ci(system, workspace, workspace.parent),
        **asked(system, cluster, namespace, token),
    }
    command = () if system == "github" else ("apply",)
    outcome = step(*command, env=environ, cwd=workspace)
    assert outcome.code == code, outcome.text
    left = left_behind(outcome, workspace)
    assert secrets_in(left, PASSWORD, token, "second line") == []
    check_junit(workspace / "junit.xml", system, failures=code)
    check_owner(path for path in workspace.iterdir() if path.is_file())
    unlinked = cluster.server.replace(":", "&#58;", 1)
    names = {cluster.server: "SERVER", unlinked: "SERVER", namespace: "NAMESPACE"}
    for file, text in left.items():
        same_as_golden(f"{system}-{name}-{file}", normalised(text, names))


def left_behind(outcome: Outcome, workspace: Path) -> dict[str, str]:
    """The log, and the files that are for people and for CI systems."""
    found = {"log": outcome.text, "junit.xml": (workspace / "junit.xml").read_text()}
    paths = {"summary.md": workspace.parent / "step_summary", "deploy.env": workspace / "deploy.env"}
    found |= {name: path.read_text() for name, path in paths.items() if path.exists()}
    output = workspace.parent / "set_output"
    return {**found, "output": output.read_text()} if output.exists() else found


def secrets_in(left: Mapping[str, str], *values: str) -> list[str]:
    """Which of the values are anywhere but in what tells the runner to mask them."""
    shown = [re.sub("(?m)^::add-mask::.*$", "", text) for text in left.values()]
    return [value for value in values if any(value in text for text in shown)]


PLACES = {"github": ("file", "line"), "gitlab": ("file",), "jenkins": ()}


def check_junit(path: Path, system: str, failures: int) -> None:
    """As each system reads it: an object a case, files as the repository has them."""
    assert mistakes(path.read_text(), *PLACES[system]) == []
    suite = Xml.parse(path).getroot()
    cases = suite.findall("testcase")
    assert len(cases) == 4
    assert {case.get("file") for case in cases} == {"k8s/shop.yaml" if PLACES[system] else None}
    assert all(float(case.attrib["time"]) <= float(suite.attrib["time"]) for case in cases)
    assert len(suite.findall("testcase/failure")) == failures == int(suite.attrib["failures"])


def check_owner(files: Iterable[Path]) -> None:
    """Later steps, which are not root, may read, change and delete them."""
    for path in files:
        assert path.stat().st_uid == (RUNNER if os.geteuid() == 0 else os.geteuid()), path
        assert path.stat().st_mode & 0o044 == 0o044, path


TIME = r"(?:\d+\.\d[ \u00a0]s|\d+m(?:\d\ds)?)"
NORMAL = (
    (r"(?m)^::add-mask::(eyJ.*)$", "::add-mask::TOKEN"),
    (r"k8s-step \d\S+:", "k8s-step VERSION:"),
    (r"\bweb-[0-9a-f]{6,10}-[a-z0-9]{5}\b", "web-POD"),
    (r"\bnode-\d+\b", "node-N"),
    (rf"\b(after|in) {TIME}\b", r"\1 N s"),
    (rf"\b{TIME} at the most", "TIME at the most"),
    (rf"(current|failed) \| (?:{TIME})? \|", r"\1 | N s |"),  # what took no time has none, on a fast machine
    (r"\brestarted \d+ times\b", "restarted N times"),
    (r'\btime="[\d.]+"', 'time="N"'),
    (r'\btimestamp="[^"]+"', 'timestamp="T"'),
    (r"section_(start|end):\d+:", r"section_\1:T:"),
    (r"\bend-[0-9a-f]{32}\b", "END"),
    # events: how many of them there are and in which order depends on how fast the machine is
    (r"(?m)(^ *\d\d:\d\d:\d\dZ [^\n<]*(\n|(?=<)))+", "EVENTS\n"),
    # what takes more than two seconds is told of
    (r"(?m)^deployment.apps/web: (?!.* after N s).*\n", ""),
)


def normalised(text: str, names: Mapping[str, str]) -> str:
    """``text`` without what differs from run to run, such as which of the objects sent at once is answered first.

    A table's columns are as wide as what is in them.
    """
    for name, placeholder in names.items():
        text = text.replace(name, placeholder)
    for pattern, replacement in NORMAL:
        text = re.sub(pattern, replacement, text)
    text = re.sub(r"(?m)(?:^(?:\x1b\[32m)?created .*\n|^\S*warning\S* .*\n)+", lambda found: in_order(found[0]), text)
    rows = re.compile(r"(?m)^(?:OBJECT|\S+/\S+ +(?:created|configured|unchanged|none)) .*$")
    return rows.sub(lambda row: re.sub(" {2,}", "  ", re.sub(r"(?<= )(?:\d+\.\d|-)(?= |$)", "N", row[0])), text)


def in_order(lines: str) -> str:
    return "".join(sorted(lines.splitlines(keepends=True)))


def same_as_golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, newline="")
    with path.open(newline="") as file:
        assert text == file.read()


def on_github(workspace: Path, namespace: str, **given: str) -> dict[str, str]:
    return {**environment(workspace, workspace.parent), **inputs(namespace=namespace, filename="k8s/", **given)}


def test_the_runner_obeys_the_step_and_nobody_else(step: Step, namespace: str, workspace: Path) -> None:
    release(workspace, RELEASES["failed"][0])
    outcome = step(env=on_github(workspace, namespace, report=f"{workspace}/result.json"), cwd=workspace)
    assert outcome.code == 1, outcome.text
    told = commands(outcome.text)
    masked = [command.message for command in told if command.name == "add-mask"]
    assert {PASSWORD, "first line", "second line"} <= set(masked)
    names = [command.name for command in told if command.name != "add-mask"]
    assert names == ["group", "warning", "endgroup", "group", "endgroup", "error", "group", "endgroup"]
    (error,) = (command for command in told if command.name == "error")
    assert (error.properties["file"], int(error.properties["line"])) == (
        "k8s/shop.yaml",
        line_of(workspace, "Deployment"),
    )
    (warning,) = (command for command in told if command.name == "warning")
    assert "deprecated" in warning.message
    assert int(warning.properties["line"]) == line_of(workspace, "Endpoints")
    assert "  | ::error::obey me" in outcome.stderr
    output = written((workspace.parent / "set_output").read_text())
    assert (output["result"], output["failed"]) == ("failed", f"deployment/{namespace}/web")
    assert output["changed"].splitlines()[0] == f"secret/{namespace}/keys" and len(output["changed"].splitlines()) == 4
    assert (workspace / output["report"]).exists() and output["report"] == "result.json"


def line_of(workspace: Path, kind: str) -> int:
    """The first line of the document of this kind."""
    lines = (workspace / "k8s" / "shop.yaml").read_text().splitlines()
    at = lines.index(f"kind: {kind}")
    return at - lines[at].startswith("kind") + 1


def test_masks_come_before_anything_else(step: Step, namespace: str, workspace: Path) -> None:
    release(workspace, RELEASES["good"][0])
    lines = step(env=on_github(workspace, namespace, dry_run="true"), cwd=workspace).stderr.splitlines()
    is_mask = [line.startswith("::add-mask::") for line in lines]
    assert any(is_mask) and is_mask == sorted(is_mask, reverse=True)


def test_in_a_run_step_no_secret_is_written_out(step: Step, namespace: str, workspace: Path) -> None:
    """Its log may go to a file, where no runner would hide it."""
    release(workspace, RELEASES["good"][0])
    environ = environment(workspace, workspace.parent)
    outcome = step("apply", "-f", "k8s/", "-n", namespace, "--dry-run", env=environ, cwd=workspace)
    assert outcome.code == 0, outcome.text
    assert "::group::" in outcome.stderr and "add-mask" not in outcome.text


def test_mistakes_are_annotated_at_their_lines(step: Step, namespace: str, workspace: Path) -> None:
    wrong = deployment()
    wrong["spec"]["template"]["spec"]["containers"][0]["imagePullPolcy"] = "Always"
    path = write(workspace / "k8s" / "shop.yaml", config_map(), wrong)
    outcome = step(env=on_github(workspace, namespace), cwd=workspace)
    assert outcome.code == 4, outcome.text
    (error,) = (command for command in commands(outcome.text) if command.name == "error")
    lines = Path(path).read_text().splitlines()
    assert error.properties["file"] == "k8s/shop.yaml"
    assert "imagePullPolcy" in lines[int(error.properties["line"]) - 1], error
    assert "imagePullPolcy" in (workspace.parent / "step_summary").read_text()


@pytest.mark.parametrize("given", [{"timeout": "soon"}, {"command": "aply"}, {"report": "no/such/folder/result.json"}])
def test_a_mistake_in_an_input_is_told_too(given: dict[str, str], step: Step, namespace: str, workspace: Path) -> None:
    outcome = step(env=on_github(workspace, namespace, **given), cwd=workspace)
    assert outcome.code == 2, outcome.text
    assert [command.name for command in commands(outcome.text)] == ["error"]
    assert len(outcome.stderr.splitlines()) == 1
    output = written((workspace.parent / "set_output").read_text())
    assert (output["result"], output["report"]) == ("invalid", "")


@pytest.mark.parametrize("name", ["K8S_TIMEOUT", "K8S_WAIT", "K8S_COMMAND"])
def test_variables_of_the_workflow_count_where_no_input_is_given(name: str, step: Step, workspace: Path) -> None:
    given = {**environment(workspace, workspace.parent), **inputs(), name: "nonsense"}
    outcome = step(env=given, cwd=workspace)
    assert outcome.code == 2 and "nonsense" in outcome.stderr, outcome.text


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (("apply",), {"K8S_TIMEOUT": "tok-123456"}),
        (("apply", "--no-such-option"), {}),
        (("aply",), {}),
        (("apply", "--timeout", "soon", "--report", "result.json"), {"K8S_REPORT": None}),
    ],
)
def test_a_mistake_in_an_option_is_in_the_result_files(
    arguments: tuple[str, ...], environ: dict[str, str | None], step: Step, workspace: Path
) -> None:
    files = {"K8S_REPORT": "result.json", "K8S_JUNIT": "junit.xml", "K8S_DOTENV": "deploy.env"}
    gitlab = {"GITLAB_CI": "true", "K8S_TOKEN": "tok-123456", **files, **environ}
    outcome = step(*arguments, env=gitlab, cwd=workspace)
    assert outcome.code == 2, outcome.text
    result = json.loads((workspace / "result.json").read_text())
    assert (result["result"], result["exit_code"]) == ("invalid", 2) and result["message"] in outcome.stderr
    assert len(Xml.parse(workspace / "junit.xml").getroot().findall("testcase/error")) == 1
    assert "K8S_STEP_RESULT=invalid\n" in (workspace / "deploy.env").read_text()
    assert "tok-123456" not in outcome.text + str(result)


@pytest.mark.parametrize(
    ("environ", "log_format", "shows"),
    [
        ({"GITHUB_ACTIONS": "true"}, "auto", "::group::"),
        ({"GITHUB_ACTIONS": "true"}, "plain", ""),
        ({"GITLAB_CI": "true"}, "auto", "section_start"),
        ({"GITLAB_CI": "true"}, "github", "::group::"),
        ({}, "auto", ""),
        ({}, "gitlab", "section_start"),
    ],
)
def test_the_log_is_for_where_it_runs(
    environ: dict[str, str], log_format: str, shows: str, step: Step, namespace: str, workspace: Path
) -> None:
    write(workspace / "k8s" / "shop.yaml", config_map())
    options = ("-f", "k8s/", "-n", namespace, "--log-format", log_format)
    outcome = step("apply", *options, env=environ, cwd=workspace)
    assert outcome.code == 0, outcome.text
    assert [mark for mark in ("::group::", "section_start") if mark in outcome.text] == ([shows] if shows else [])
