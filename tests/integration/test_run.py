"""``run``: a Job under a fresh name, its logs on stdout, its verdict as the exit code, and what is left of it."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Kubectl, Step, poll
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Proxy, cut_after, cut_watch, end_watch, forbid, on, stall
from tests.integration.objects import Object, config_map, job, obj, through, write
from tests.integration.outcomes import actions, statuses, the_failure

pytestmark = pytest.mark.usefixtures("played")

OK = ["migrating", "applied 0001_users", "applied 0002_orders", "done"]
FAILED = ["migrating", "applied 0001_users", 'ERROR: relation "orders" already exists']


def noted(made: Object, **notes: str) -> Object:
    """The Job with these annotations of the plays on its pods."""
    annotations = {f"test.k8s-step/{key.replace('_', '-')}": value for key, value in notes.items()}
    made["spec"]["template"]["metadata"] = {"annotations": annotations}
    return made


def names(kubectl: Kubectl, namespace: str) -> list[str]:
    """The Jobs that are there and not being deleted."""
    items = json.loads(kubectl("-n", namespace, "get", "jobs", "-o", "json").stdout)["items"]
    return sorted(each["metadata"]["name"] for each in items if not each["metadata"].get("deletionTimestamp"))


def test_a_good_job_is_0_and_its_log_all_of_stdout(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    outcome = step(
        "run", "-f", write(tmp_path / "job.yaml", job("migrate", "shop/job-ok:1")), "-n", namespace, report=True
    )
    assert outcome.code == 0, outcome.text
    assert outcome.stdout.splitlines() == OK
    assert (actions(outcome), statuses(outcome)) == ({"Job/migrate": "created"}, {"Job/migrate": "current"})
    pods = json.loads(kubectl("-n", namespace, "get", "pods", "-o", "json").stdout)["items"]
    assert kubectl("-n", namespace, "logs", pods[0]["metadata"]["name"]).stdout == outcome.stdout


def test_a_bad_job_is_1_with_the_evidence(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "job.yaml", job("migrate", "shop/job-fail:1"))
    outcome = step("run", "-f", path, "-n", namespace, report=True)
    assert outcome.code == 1, outcome.text
    assert outcome.stdout.splitlines() == FAILED
    failure = the_failure(outcome)
    assert (failure["reason"], failure["logs"]) == ("BackoffLimitExceeded", FAILED)
    assert "exited with code 3" in outcome.stderr


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_job_whose_failure_is_certain_is_not_unfinished(
    cancelled: bool, step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    """FailureTarget comes first, Failed when the pods are gone: here they stay until the test lets them go."""
    rule = proxy.rule(on("GET", "/log$"), stall(), times=None) if cancelled else None
    late = noted(job("migrate", "shop/job-hang:1", activeDeadlineSeconds=1), termination="600s")
    words = ("run", "-f", write(tmp_path / "job.yaml", late), "-n", namespace, "--on-cancel", "delete")
    run = step.start(*words, env=through(proxy), report=True)
    if rule is not None:
        poll(lambda: rule.used and "failed" in run.text, "the evidence to be asked for")
        run.signal(signal.SIGTERM)
    outcome = run.wait()
    assert (outcome.code, statuses(outcome)) == (143 if cancelled else 1, {"Job/migrate": "failed"}), outcome.text
    assert "unfinished" not in outcome.stderr and "deleted" not in outcome.stderr
    (left,) = json.loads(kubectl("-n", namespace, "get", "jobs", "-o", "json").stdout)["items"]
    assert {"FailureTarget"} == {each["type"] for each in left["status"]["conditions"]}
    kubectl("-n", namespace, "annotate", "pods", "--all", "test.k8s-step/termination-")


def test_an_image_that_is_not_there_fails_early_and_the_job_is_left(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "job.yaml", job("migrate", "shop/pull-fail:1"))
    outcome = step("run", "-f", path, "-n", namespace, report=True)
    assert outcome.code == 1, outcome.text
    assert outcome.stdout == ""
    assert the_failure(outcome)["reason"] in ("ErrImagePull", "ImagePullBackOff")
    assert "left as it is, unfinished" in outcome.stderr


def test_a_job_that_hangs_is_3_and_its_log_was_told(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "job.yaml", job("migrate", "shop/job-hang:1"))
    outcome = step.timed_out("run", "-f", path, "-n", namespace, after="waiting for the lock", report=True)
    assert outcome.code == 3, outcome.text
    assert outcome.stdout.splitlines() == ["waiting for the lock"]
    assert statuses(outcome) == {"Job/migrate": "in progress"}


def test_lines_come_while_the_job_runs(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "job.yaml", noted(job("migrate", "shop/job-ok:1"), delay="30s"))
    run = step.start("run", "-f", path, "-n", namespace)
    run.wait_for("applied 0002_orders")
    assert run.process.poll() is None and "done" not in run.text
    run.signal(signal.SIGTERM)
    assert run.wait().code == 143


# -- names


def test_each_run_is_a_job_of_its_own(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> None:
    first, second = (
        write(tmp_path / f"{word}.yaml", job("migrate", f"shop/{word}:1")) for word in ("job-ok", "job-fail")
    )
    runs = [step("run", "-f", path, "-n", namespace, report=True) for path in (first, second, second)]
    assert [outcome.code for outcome in runs] == [0, 1, 1], runs[1].text
    made = [outcome.report["objects"][0]["name"] for outcome in runs if outcome.report]
    assert made[0] == "migrate" and len(set(made)) == 3
    assert sorted(made) == names(kubectl, namespace)
    assert [len(outcome.report["objects"]) for outcome in runs if outcome.report] == [1, 1, 1]
    assert f"created    job.batch/{made[1]}" in runs[1].stderr


def test_the_fresh_name_tells_the_template(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "job.yaml", job("migrate", "shop/job-ok:1"))
    made = []
    for _ in range(2):
        kubectl("-n", namespace, "create", "job", "migrate", "--image=shop/job-hang:1")
        outcome = step("run", "-f", path, "-n", namespace, "--rm", report=True)
        assert outcome.code == 0, outcome.text
        made.append(outcome.report["objects"][0]["name"] if outcome.report else "")
        gone = ["-n", namespace, "delete", "job", "--all", "--cascade=foreground"]
        kubectl(*gone)
    assert made[0] == made[1] != "migrate"


def test_a_generated_name(step: Step, namespace: str, tmp_path: Path) -> None:
    made = job("", "shop/job-ok:1")
    made["metadata"] = {"generateName": "migrate-"}
    outcome = step("run", "-f", write(tmp_path / "job.yaml", made), "-n", namespace, report=True)
    assert outcome.code == 0, outcome.text
    assert outcome.report is not None and outcome.report["objects"][0]["name"].startswith("migrate-")


def test_a_lost_answer_does_not_run_it_twice(
    step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    proxy.rule(on("POST", "/jobs$"), cut_after())
    path = write(tmp_path / "job.yaml", job("migrate", "shop/job-ok:1"))
    outcome = step("run", "-f", path, "-n", namespace, env=through(proxy))
    assert outcome.code == 0, outcome.text
    assert outcome.stdout.splitlines() == OK
    assert names(kubectl, namespace) == ["migrate"]


# -- logs


def containers(*images: str) -> list[Object]:
    return [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]


def two_containers() -> Object:
    made = job("two", "shop/job-ok:1")
    made["spec"]["template"]["spec"]["containers"] = containers("shop/job-ok:1", "shop/job-ok:2")
    return made


def init_container() -> Object:
    made = job("init", "shop/job-ok:1")
    made["spec"]["template"]["spec"]["initContainers"] = [{"name": "prepare", "image": "shop/web:1"}]
    return made


@pytest.mark.parametrize(
    ("made", "sources", "lines"),
    [
        (two_containers(), 2, 8),
        (job("wide", "shop/job-ok:1", parallelism=3, completions=3), 3, 12),
        (init_container(), 2, 6),
        (job("indexed", "shop/job-ok:1", completions=2, parallelism=1, completionMode="Indexed"), 2, 8),
    ],
    ids=["containers", "pods", "init", "indexed"],
)
def test_several_logs_say_whose_line_it_is(
    made: Object, sources: int, lines: int, step: Step, namespace: str, tmp_path: Path
) -> None:
    outcome = step("run", "-f", write(tmp_path / "job.yaml", made), "-n", namespace)
    assert outcome.code == 0, outcome.text
    told = [line.partition("] ") for line in outcome.stdout.splitlines()]
    assert len(told) == lines
    whose = {head for head, _, _ in told}
    assert len(whose) == sources and all(head.startswith(f"[pod/{made['metadata']['name']}-") for head in whose)
    for head in whose:
        own = [text for other, _, text in told if other == head]
        assert own in (OK, ["starting", "listening on :8080"])


def test_a_second_pod_is_told_from_the_first(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "job.yaml", job("migrate", "shop/job-fail:1", backoffLimit=1))
    outcome = step("run", "-f", path, "-n", namespace, timeout=90)
    assert outcome.code == 1, outcome.text
    told = outcome.stdout.splitlines()
    assert told[:3] == FAILED
    assert [line.partition("] ")[2] for line in told[3:]] == FAILED
    assert all(line.startswith("[pod/migrate-") for line in told[3:])


def test_each_run_of_a_container_that_restarts_is_told_once(step: Step, namespace: str, tmp_path: Path) -> None:
    """The controller deletes the pod at its second restart; what the third run says by then is not counted."""
    made = noted(job("migrate", "shop/job-fail:1", backoffLimit=2), termination="5s")
    made["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    outcome = step("run", "-f", write(tmp_path / "job.yaml", made), "-n", namespace)
    assert outcome.code == 1, outcome.text
    told = outcome.stdout.splitlines()
    assert told[: len(FAILED) * 2] == FAILED * 2


@pytest.mark.parametrize("how", [cut_watch, end_watch], ids=["cut", "ended"])
@pytest.mark.parametrize("after", [0, 1, 7])
def test_a_log_that_breaks_off_goes_on_where_it_was(
    how: Any, after: int, step: Step, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    """Also where it breaks off again and again; the server then begins with the whole second of the last line."""
    lines = [f"line {number}" for number in range(20)]
    proxy.rule(on("GET", "/log$"), how(after=after), times=1)
    proxy.rule(on("GET", "/log$"), how(after=after + 5), times=1)
    path = write(tmp_path / "job.yaml", noted(job("migrate", "shop/job-ok:1"), log="\n".join(lines), delay="1s"))
    outcome = step("run", "-f", path, "-n", namespace, env=through(proxy))
    assert outcome.code == 0, outcome.text
    assert outcome.stdout.splitlines() == lines
    requests = [one for one in proxy.requests if one.path.endswith("/log")]
    assert len(requests) >= 3 and "sinceTime" in requests[-1].query


def test_without_leave_to_read_logs_there_is_a_verdict(
    step: Step, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    proxy.rule(on("GET", "/log$"), forbid(), times=None)
    path = write(tmp_path / "job.yaml", job("migrate", "shop/job-ok:1", parallelism=2, completions=2))
    outcome = step("run", "-f", path, "-n", namespace, env=through(proxy))
    assert outcome.code == 0, outcome.text
    assert outcome.stdout == ""
    assert outcome.stderr.count("grant get on pods and pods/log") == 1


def test_a_least_role_is_enough(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    rules = [
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "get", "list", "watch", "delete"]},
        {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list", "watch"]},
    ]
    environment = {
        "KUBECONFIG": None,
        "K8S_API": cluster.server,
        "K8S_CA": str(cluster.ca),
        "K8S_TOKEN": cluster.token(namespace, "runner", rules=rules),
    }
    path = write(tmp_path / "job.yaml", job("migrate", "shop/job-ok:1"))
    outcome = step("run", "-f", path, "-n", namespace, "--rm", env=environment)
    assert outcome.code == 0, outcome.text
    assert outcome.stdout.splitlines() == OK
    assert "warning" not in outcome.stderr


def test_secrets_of_the_step_are_masked_in_logs(
    step: Step, cluster: Cluster, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    token = cluster.token(namespace, "leaky", rules=[{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}])
    made = noted(job("migrate", "shop/job-ok:1"), log=f"curl -H 'Authorization: Bearer {token}'")
    outcome = step(
        "run",
        "-f",
        write(tmp_path / "job.yaml", made),
        "-n",
        namespace,
        env=through(proxy, K8S_TOKEN=token),
        report=True,
    )
    assert outcome.code == 0, outcome.text
    assert outcome.stdout == "curl -H 'Authorization: Bearer ***'\n"


def test_a_log_cannot_command_the_runner_or_the_terminal(step: Step, namespace: str, tmp_path: Path) -> None:
    log = "::error::pwned\n  ::set-env name=A::b\nsee ##[error]this\n\x1b[31mred\x1b[0m\nplain :: line"
    path = write(tmp_path / "job.yaml", noted(job("migrate", "shop/job-ok:1"), log=log))
    tame = step("run", "-f", path, "-n", namespace, env={"GITHUB_ACTIONS": "true"})
    assert tame.code == 0, tame.text
    assert [line for line in tame.stdout.splitlines() if line.lstrip().startswith("::")] == []
    assert "##[error]" not in tame.stdout and "\x1b" not in tame.stdout
    assert "| ::error::pwned" in tame.stdout and "plain :: line" in tame.stdout
    elsewhere = step("run", "-f", path, "-n", namespace)
    assert elsewhere.stdout.splitlines()[0] == "::error::pwned"


# -- what is left


@pytest.mark.parametrize(("word", "code"), [("job-ok", 0), ("job-fail", 1), ("pull-fail", 1), ("job-hang", 3)])
def test_rm_deletes_it_whatever_came_of_it(
    word: str, code: int, step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "job.yaml", job("migrate", f"shop/{word}:1"))
    line = ("run", "-f", path, "-n", namespace, "--rm")
    hangs = word == "job-hang"
    outcome = step.timed_out(*line, after="waiting for the lock", report=True) if hangs else step(*line, report=True)
    assert outcome.code == code, outcome.text
    assert "deleted job.batch/migrate" in outcome.stderr
    assert names(kubectl, namespace) == []
    poll(lambda: not kubectl("-n", namespace, "get", "pods", "-o", "name").stdout, "its pods to be gone")
    assert bool(code) == bool(outcome.report and outcome.report["failures"])


@pytest.mark.parametrize(
    ("options", "left"), [((), []), (("--on-cancel", "delete"), []), (("--on-cancel", "leave"), ["migrate"])]
)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_cancelled(
    options: tuple[str, ...],
    left: list[str],
    number: int,
    code: int,
    step: Step,
    kubectl: Kubectl,
    namespace: str,
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "job.yaml", job("migrate", "shop/job-hang:1"))
    run = step.start("run", "-f", path, "-n", namespace, *options, report=True)
    run.wait_for("waiting for the lock")
    run.signal(number)
    outcome = run.wait(60)
    assert outcome.code == code, outcome.text
    assert outcome.report is not None and outcome.report["result"] == "cancelled"
    assert statuses(outcome) == {"Job/migrate": "in progress"}
    assert names(kubectl, namespace) == left
    assert ("left as it is, unfinished" if left else "deleted job.batch/migrate") in outcome.stderr


def test_cancelled_with_many_jobs(step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    """All deletions are asked for at once: none waits for the answer to another."""
    count = 3
    together = threading.Barrier(count)

    def all_together(exchange: Any) -> None:
        together.wait(30)
        exchange.forward()

    proxy.rule(on("DELETE", "/jobs/"), all_together, times=None)
    jobs = [job(f"migrate-{number}", "shop/job-hang:1") for number in range(count)]
    run = step.start("run", "-f", write(tmp_path / "jobs.yaml", *jobs), "-n", namespace, env=through(proxy))
    for each in jobs:
        run.wait_for(f"[pod/{each['metadata']['name']}-")
    run.signal(signal.SIGTERM)
    outcome = run.wait()
    assert outcome.code == 143, outcome.text
    assert outcome.stderr.count("deleted job.batch/migrate-") == count
    assert names(kubectl, namespace) == []


@pytest.mark.parametrize(("options", "left"), [((), ["good"]), (("--rm",), [])])
def test_one_job_refused_leaves_no_other_unsaid(
    options: tuple[str, ...], left: list[str], step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    bad = job("bad", "shop/job-ok:1")
    bad["spec"]["template"]["spec"]["restartPolicy"] = "Always"
    path = write(tmp_path / "jobs.yaml", job("good", "shop/job-hang:1"), bad)
    outcome = step("run", "-f", path, "-n", namespace, *options)
    assert outcome.code == 4, outcome.text
    assert names(kubectl, namespace) == left
    assert ("job.batch/good is left as it is, unfinished" if left else "deleted job.batch/good") in outcome.stderr


def test_rm_of_a_job_that_cannot_be_deleted_says_so(step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    proxy.rule(on("DELETE", "/jobs/"), forbid(), times=None)
    path = write(tmp_path / "job.yaml", job("migrate", "shop/job-ok:1"))
    outcome = step("run", "-f", path, "-n", namespace, "--rm", env=through(proxy))
    assert outcome.code == 0, outcome.text
    assert "it is left as it is, for it can't be deleted" in outcome.stderr


def test_cancelled_before_its_creation_was_answered(
    step: Step, kubectl: Kubectl, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    answer = proxy.rule(on("POST", "/jobs$"), _late_answer)
    path = write(tmp_path / "job.yaml", job("migrate", "shop/job-hang:1"))
    run = step.start("run", "-f", path, "-n", namespace, env=through(proxy))
    poll(lambda: answer.used and names(kubectl, namespace), "the Job")
    run.signal(signal.SIGTERM)
    outcome = run.wait(60)
    assert outcome.code == 143, outcome.text
    assert names(kubectl, namespace) == []


def _late_answer(exchange: Any) -> None:
    """The server does it at once, and its answer comes a second later."""
    answer = exchange.ask()
    body = answer.read()
    exchange.proxy.stopping.wait(1.0)
    exchange.answer(answer.status, body, {"Content-Type": "application/json"})


def test_a_job_deleted_by_its_ttl_at_once_is_still_0(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "job.yaml", job("migrate", "shop/job-ok:1", ttlSecondsAfterFinished=0))
    outcome = step("run", "-f", path, "-n", namespace, report=True)
    assert outcome.code == 0, outcome.text
    assert statuses(outcome) == {"Job/migrate": "current"}


def test_a_job_deleted_by_somebody_else_is_1(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "job.yaml", job("migrate", "shop/job-hang:1"))
    run = step.start("run", "-f", path, "-n", namespace, report=True)
    run.wait_for("waiting for the lock")
    kubectl("-n", namespace, "delete", "job", "migrate", "--wait=false")
    outcome = run.wait()
    assert (outcome.code, statuses(outcome)) == (1, {"Job/migrate": "not found"}), outcome.text
    assert the_failure(outcome)["reason"] == "Deleted"


def test_a_job_that_a_queue_suspends_is_waited_for(
    step: Step, kubectl: Kubectl, cluster: Cluster, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    """As Kueue's webhook does: suspended at its creation, resumed when there is room."""

    def suspended(exchange: Any) -> None:
        body = {**json.loads(exchange.record.body)}
        body["spec"]["suspend"] = True
        made = cluster.request("POST", exchange.record.path, json.dumps(body))
        exchange.answer(made.code, made.text.encode(), {"Content-Type": "application/json"})

    proxy.rule(on("POST", "/jobs$"), suspended)
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job("migrate", "shop/job-ok:1")))
    run = step.start("run", "-f", str(path), "-n", namespace, env=through(proxy))
    run.wait_for("suspended: waiting until somebody resumes it")
    kubectl("-n", namespace, "patch", "job", "migrate", "-p", '{"spec": {"suspend": false}}')
    outcome = run.wait()
    assert outcome.code == 0, outcome.text
    assert outcome.stdout.splitlines() == OK


# -- refused before anything is created


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (config_map(), "this is a ConfigMap"),
        (obj("apps/v1", "Job", "x", spec={}), "this is a Job of apps/v1"),
        (job("later", "shop/job-ok:1", suspend=True), "suspended, so it would never run"),
    ],
    ids=["kind", "group", "suspended"],
)
def test_what_is_no_job_to_run_is_2(
    made: Object, words: str, step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "job.yaml", job("good", "shop/job-ok:1"), made)
    outcome = step("run", "-f", path, "-n", namespace)
    assert outcome.code == 2, outcome.text
    assert words in outcome.stderr and "job.yaml:" in outcome.stderr
    assert names(kubectl, namespace) == []


def test_a_dry_run_creates_nothing(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "job.yaml", job("migrate", "shop/job-ok:1"))
    assert step("run", "-f", path, "-n", namespace, "--dry-run").code == 0
    assert names(kubectl, namespace) == []


def test_what_the_server_refuses_is_4_with_file_and_line(step: Step, namespace: str, tmp_path: Path) -> None:
    made = job("migrate", "shop/job-ok:1")
    made["spec"]["template"]["spec"]["restartPolicy"] = "Always"
    outcome = step("run", "-f", write(tmp_path / "job.yaml", made), "-n", namespace)
    assert outcome.code == 4, outcome.text
    assert "job.yaml:" in outcome.stderr and "restartPolicy" in outcome.stderr
