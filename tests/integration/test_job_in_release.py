"""``k8s-step/run: always``: a Job of a release runs at each release, with its log, before the next wave begins."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Kubectl, Outcome, Step
from tests.controlplane.cluster import Cluster
from tests.faults.proxy import Proxy, forbid, on
from tests.integration.objects import Object, config_map, deployment, job, obj, through, write
from tests.integration.outcomes import actions, objects, statuses, the_failure
from tests.integration.test_permissions import as_runner, printed, split
from tests.integration.test_rollback import Shop, backs, went_back
from tests.integration.test_run import FAILED, OK
from tests.integration.test_waves import annotated

pytestmark = pytest.mark.usefixtures("played")

RUN = "k8s-step/run"
NAME = "job.batch/migrate"


def migration(image: str = "shop/job-ok:1", log: str = "", **more: Any) -> Object:
    """A Job that runs at each release, in a wave before the others; ``log`` is what it says."""
    made = annotated(job("migrate", image), wave="-1")
    made["metadata"]["annotations"][RUN] = "always"
    made["spec"].update(more)
    if log:
        made["spec"]["template"]["metadata"] = {"annotations": {"test.k8s-step/log": log}}
    return made


@pytest.fixture
def shop(step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path) -> Shop:
    return Shop(step, kubectl, namespace, tmp_path)


def uid(shop: Shop) -> str:
    return shop.kubectl("get", "job/migrate", "-o", "jsonpath={.metadata.uid}")


def log(outcome: Outcome) -> list[str]:
    """The lines of the Job's log in the step's."""
    return re.findall(rf"(?m)^{re.escape(NAME)} \| (.*)$", outcome.stderr)


def test_it_runs_at_each_release_with_its_log_before_the_next_wave(shop: Shop) -> None:
    uids = set()
    for action in ("created", "replaced", "replaced"):
        outcome = shop.release(migration(), deployment(), options=())
        assert outcome.code == 0, outcome.text
        assert (actions(outcome)["Job/migrate"], set(statuses(outcome).values())) == (action, {"current"})
        assert log(outcome) == OK and "wave 2 of 2" in outcome.stderr.split("applied 0002_orders")[1]
        uids.add(uid(shop))
    assert len(uids) == 3 and actions(outcome)["Deployment/web"] == "unchanged"
    assert f"{NAME} is deleted and created anew, as it runs at each release" in outcome.stderr


def test_a_run_that_fails_is_the_releases_failure(shop: Shop) -> None:
    shop.good(migration(), deployment())
    outcome = shop.release(migration("shop/job-fail:1"), deployment(image="shop/web:2"), options=())
    assert outcome.code == 1, outcome.text
    assert log(outcome) == FAILED
    failure = the_failure(outcome)
    assert (failure["reason"], failure["logs"]) == ("BackoffLimitExceeded", FAILED)
    assert objects(outcome)["Deployment/web"]["not_begun"] == "the release ended in wave 1 of 2"
    assert "shop/web:1" in shop.kubectl("get", "deployment/web", "-o", "yaml")


def test_a_rollback_says_that_it_is_not_run_again(shop: Shop) -> None:
    shop.good(migration(), deployment())
    outcome = shop.release(migration("shop/job-ok:2"), deployment(image="shop/pull-fail:1"))
    went_back(outcome)
    assert backs(outcome) == {"Job/migrate": "kept", "Deployment/web": "restored"}
    assert "what a Job has done stays done, so the one before is not run again" in outcome.stderr


def test_what_it_says_is_masked_and_no_command_to_a_runner(shop: Shop) -> None:
    keys = annotated(obj("v1", "Secret", "keys", stringData={"password": "correct-horse"}), wave="-2")
    said = migration(log="it is correct-horse\n::error::not mine\nlast")
    outcome = shop.release(keys, said, options=("--log-format", "github"))
    assert outcome.code == 0, outcome.text
    assert log(outcome) == ["it is ***", "::error::not mine", "last"]
    assert not re.search(r"(?m)^::error", outcome.text)


def test_a_long_log_ends_with_where_the_rest_is(shop: Shop) -> None:
    outcome = shop.release(migration(log="\n".join(map(str, range(2100)))), options=())
    assert outcome.code == 0, outcome.text
    *lines, last = log(outcome)
    assert lines == [str(number) for number in range(2000)]
    assert last == f"… more than 2000 lines: kubectl logs -n {shop.namespace} job/migrate has the rest"


def test_programs_read_its_lines(shop: Shop) -> None:
    outcome = shop.release(migration(), options=("--log-format", "json"))
    events = [json.loads(line) for line in outcome.stderr.splitlines()]
    path = f"batch/v1/Job/{shop.namespace}/migrate"
    assert [(one["object"], one["line"]) for one in events if one["event"] == "log"] == [(path, line) for line in OK]


def test_one_that_an_earlier_run_left_unfinished_is_replaced(shop: Shop) -> None:
    run = shop.start(migration("shop/job-hang:1"), options=())
    run.wait_for("waiting for the lock")
    run.stop()
    before = uid(shop)
    outcome = shop.release(migration(), options=())
    assert outcome.code == 0 and uid(shop) != before, outcome.text
    assert "as it runs at each release (the one before is not finished)" in outcome.stderr
    pods = shop.kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.ownerReferences[*].uid}")
    assert pods.split() == [uid(shop)], "those of the one before are gone first"


def test_without_permission_to_its_log_it_runs_all_the_same(shop: Shop, proxy: Proxy) -> None:
    proxy.rule(on("GET", "/log$"), forbid(), times=None)
    outcome = shop.release(migration(), options=(), env=through(proxy))
    assert outcome.code == 0 and log(outcome) == [], outcome.text
    assert "no logs: grant get on pods and pods/log" in outcome.stderr


def test_a_dry_run_and_a_diff_run_nothing(shop: Shop, proxy: Proxy) -> None:
    shop.good(migration(), config_map(a="1"))
    before = uid(shop)
    outcome = shop.release(migration(), config_map(a="1"), options=("--dry-run",), env=through(proxy))
    assert outcome.code == 0 and actions(outcome)["Job/migrate"] == "replaced", outcome.text
    shown = shop.step("diff", "-f", str(shop.folder / "release.yaml"), "--exit-code", env=through(proxy))
    assert shown.code == 0 and "as it runs at each release" in shown.stderr, shown.text
    assert not proxy.writes and uid(shop) == before


def test_the_printed_role_is_enough(shop: Shop, cluster: Cluster) -> None:
    shop.good(migration())
    made = migration()
    made["metadata"]["namespace"] = shop.namespace
    path = write(shop.folder / "next.yaml", made)
    rules, _ = split(printed(shop.step("permissions", "-f", path, "-n", shop.namespace)), shop.namespace)
    outcome = shop.step("apply", "-f", path, env=as_runner(cluster, cluster.token(shop.namespace, rules=rules)))
    assert outcome.code == 0 and log(outcome) == OK, outcome.text
    assert "grant" not in outcome.stderr and "may not" not in outcome.stderr


def test_a_plain_job_is_told_of_both_annotations(shop: Shop) -> None:
    shop.good(job("migrate", "shop/job-ok:1"))
    outcome = shop.release(job("migrate", "shop/job-ok:2"), options=())
    assert outcome.code == 4, outcome.text
    assert "the annotation k8s-step/on-immutable: recreate lets apply delete it and create it anew" in outcome.stderr
    assert "with k8s-step/run: always it runs at each release" in outcome.stderr


def _other_value(made: Object) -> Object:
    made["metadata"]["annotations"][RUN] = "once"
    return made


@pytest.mark.parametrize(
    ("made", "options", "told"),
    [
        (_other_value(migration()), (), f"{RUN}: 'once' is not known (\"always\" is)"),
        (migration(suspend=True), (), f"{RUN}: this Job is suspended, so it would never run"),
        ({**deployment(), "metadata": migration()["metadata"]}, (), "only a Job of batch/v1 runs at each release"),
        (migration(), ("--no-wait",), "runs at each release, which waits for its verdict"),
    ],
)
def test_mistakes_are_told_before_anything_is_sent(
    shop: Shop, proxy: Proxy, made: Object, options: tuple[str, ...], told: str
) -> None:
    outcome = shop.release(made, options=options, env=through(proxy))
    assert outcome.code == 2 and told in outcome.stderr and not proxy.writes, outcome.text
