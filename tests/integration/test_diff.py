"""``diff`` and ``apply --diff``: what the server's dry run would change, and nothing that is secret."""

from __future__ import annotations

import base64
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Kubectl, Outcome, Step
from tests.controlplane.cluster import ROOT, Cluster
from tests.faults.proxy import Proxy
from tests.integration.objects import (
    SHOP,
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
from tests.integration.outcomes import actions

SHARED = ROOT.parent / "shared" / "manifests"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def changed(outcome: Outcome) -> list[str]:
    """The added and removed lines."""
    lines = outcome.stdout.splitlines()
    return [line for line in lines if line[:1] in ("+", "-") and not line.startswith(("+++", "---"))]


def titles(outcome: Outcome) -> list[str]:
    return [line.removeprefix("# ").partition(" ")[0] for line in outcome.stdout.splitlines() if line.startswith("# ")]


def test_what_would_change_and_nothing_else(step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    def release(tag: str) -> str:
        return write(tmp_path / "release.yaml", config_map(a="b"), deployment(image=f"shop/web:{tag}"), service("web"))

    assert step("apply", "-f", release("1"), "-n", namespace).code == 0
    same = step("diff", "-f", release("1"), "-n", namespace, "--exit-code", env=through(proxy), report=True)
    assert (same.code, same.stdout) == (0, ""), same.text
    assert "nothing would change" in same.stderr
    assert len(proxy.requests) == 3, "one read an object"

    path = release("2")
    other = step("diff", "-f", path, "-n", namespace, env=through(proxy), report=True)
    assert other.code == 0, other.text
    assert changed(other) == ["-      - image: shop/web:1", "+      - image: shop/web:2"]
    head = other.stdout.splitlines()[:3]
    assert head[0] == f"# deployment/{namespace}/web ({path}:8) would be configured"
    assert head[1:] == [
        f"{mark} {side}/apps/v1/Deployment/{namespace}/web" for mark, side in (("---", "live"), ("+++", "merged"))
    ]
    assert "1 of 3 would change" in other.stderr
    assert set(actions(other).values()) == {"none"} and proxy.writes == []
    different = step("diff", "-f", path, "-n", namespace, "--exit-code")
    assert different.code == 1
    assert "different: 3 objects" in different.stderr.splitlines()[-1]


def test_the_same_lines_as_kubectl(step: Step, namespace: str, tmp_path: Path, kubectl: Kubectl) -> None:
    before = [deployment(image="shop/web:1"), config_map(text="one\ntwo\nthree\n")]
    assert step("apply", "-f", write(tmp_path / "release.yaml", *before), "-n", namespace).code == 0
    changes = deployment(image="shop/web:2", replicas=3)
    changes["metadata"]["labels"] = {"team": "web"}
    path = write(
        tmp_path / "release.yaml", changes, config_map(text="one\n2\nthree\n"), config_map("new", on="yes", n="012")
    )
    ours = step("diff", "-f", path, "-n", namespace)
    assert ours.code == 0, ours.text
    theirs = kubectl("-n", namespace, "diff", "--server-side", "--field-manager=k8s-step", "-f", path, check=False)
    assert theirs.returncode == 1, theirs.stderr
    noise = ("uid:", "resourceVersion:", "creationTimestamp:", "generation:")
    wanted = [line for line in theirs.stdout.splitlines() if line[:1] in ("+", "-") and line[:3] not in ("+++", "---")]
    wanted = [line for line in wanted if not line[1:].strip().startswith(noise)]
    assert sorted(changed(ours)) == sorted(wanted)


def test_new_objects_are_all_added_without_what_a_dry_run_draws(step: Step, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", service("web", "NodePort"), job("once", "shop/job:1"), config_map(a="b"))
    outcome = step("diff", "-f", path, "-n", namespace, "--exit-code")
    assert outcome.code == 1, outcome.text
    assert titles(outcome) == [
        f"{kind}/{namespace}/{name}" for kind, name in (("service", "web"), ("job", "once"), ("configmap", "settings"))
    ]
    assert all(line.startswith("+") for line in changed(outcome))
    for drawn in ("clusterIP", "nodePort", "controller-uid", "uid:", "managedFields", "resourceVersion", "status:"):
        assert drawn not in outcome.stdout


def test_secrets_are_masked_and_told_apart(step: Step, namespace: str, tmp_path: Path, kubectl: Kubectl) -> None:
    old = {"kept": "it stays as it is", "turned": "correct-horse-battery", "gone": "obsolete-horse"}
    theirs = json.dumps(obj("v1", "Secret", "keys", stringData=old))
    kubectl("-n", namespace, "apply", "-f", "-", input=theirs)  # leaves its own copy in an annotation
    ours = step(
        "apply",
        "-f",
        write(tmp_path / "one.yaml", obj("v1", "Secret", "keys", stringData=old)),
        "-n",
        namespace,
        "--force-conflicts",
    )
    assert ours.code == 0, ours.text
    new = {"kept": old["kept"], "turned": "staple-and-clip", "fresh": "hunter2-hunter2"}
    note = config_map(said="correct-horse-battery")
    path = write(tmp_path / "two.yaml", obj("v1", "Secret", "keys", stringData=new), note)
    for command in (("diff",), ("apply", "--diff", "--dry-run"), ("diff", "--log-format", "json")):
        outcome = step(*command, "-f", path, "-n", namespace, "--force-conflicts")
        assert outcome.code == 0, outcome.text
        values = [*old.values(), *new.values()]
        for hidden in (*values, *(base64.b64encode(value.encode()).decode() for value in values)):
            assert hidden not in outcome.text
        for line in ("-  turned: '*** (before)'", "+  turned: '*** (after)'", "+  fresh: '***'", "   kept: '***'"):
            assert line in outcome.text, outcome.text


def test_a_namespace_that_is_not_there_yet(
    step: Step, cluster: Cluster, namespace: str, proxy: Proxy, tmp_path: Path
) -> None:
    new = f"{namespace}-new"
    path = write(tmp_path / "release.yaml", obj("v1", "Namespace", new), deployment(namespace=new))
    outcome = step("diff", "-f", path, "--exit-code", env=through(proxy))
    assert outcome.code == 1, outcome.text
    assert titles(outcome) == [f"namespace/{new}", f"deployment/{new}/web"]
    assert f"would be created: not tried out, as namespace/{new} comes with this release" in outcome.stdout
    assert "+      - image: shop/web:1" in outcome.stdout
    assert proxy.writes == [] and cluster.request("GET", f"/api/v1/namespaces/{new}").code == 404
    alone = step("diff", "-f", write(tmp_path / "alone.yaml", deployment(namespace=new)))
    assert alone.code == 4 and f"there is no namespace {new}" in alone.stderr


def test_a_custom_resource_whose_kind_comes_with_it(step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    group = f"{namespace[:7]}.example"
    path = write(tmp_path / "release.yaml", definition(group), custom(group, "one", spec={"size": 3}))
    outcome = step("diff", "-f", path, "-n", namespace, env=through(proxy))
    assert outcome.code == 0, outcome.text
    assert "not tried out, as customresourcedefinition/widgets." in outcome.stdout and "+  size: 3" in outcome.stdout
    assert proxy.writes == []


def test_a_conflict_is_told_and_the_way_out_shown(step: Step, namespace: str, tmp_path: Path, kubectl: Kubectl) -> None:
    theirs = json.dumps(config_map(tone="shrill"))
    kubectl("-n", namespace, "apply", "--server-side", "--field-manager=night-shift", "-f", "-", input=theirs)
    path = write(tmp_path / "release.yaml", config_map(tone="loud"))
    refused = step("diff", "-f", path, "-n", namespace)
    assert refused.code == 4 and '"night-shift"' in refused.stderr and "--force-conflicts" in refused.stderr
    forced = step("diff", "-f", path, "-n", namespace, "--force-conflicts")
    assert changed(forced) == ["-  tone: shrill", "+  tone: loud"], forced.text


def test_who_owns_a_field_is_no_difference_to_a_reader(
    step: Step, namespace: str, tmp_path: Path, kubectl: Kubectl
) -> None:
    made = json.dumps(config_map(tone="loud"))
    kubectl("-n", namespace, "apply", "--server-side", "--field-manager=night-shift", "-f", "-", input=made)
    outcome = step(
        "diff", "-f", write(tmp_path / "release.yaml", config_map(tone="loud")), "-n", namespace, "--exit-code"
    )
    assert (outcome.code, outcome.stdout) == (0, ""), outcome.text
    assert "only in who owns which field" in outcome.stderr


def test_several_hundred_objects_come_in_the_order_they_are_written(step: Step, namespace: str, tmp_path: Path) -> None:
    many = [config_map(f"settings-{number:03}", a="b") for number in range(300)]
    outcome = step("diff", "-f", write(tmp_path / "release.yaml", *many), "-n", namespace)
    assert outcome.code == 0, outcome.text
    assert titles(outcome) == [f"configmap/{namespace}/settings-{number:03}" for number in range(300)]
    assert "300 of 300 would change" in outcome.stderr


def manifests() -> list[Path]:
    shared = [SHARED / name for name in ("online-boutique.yaml", "guestbook.yaml", "ingress-nginx-kind.yaml")]
    return [SHOP, *(path for path in shared if path.exists())]


@pytest.mark.parametrize("path", manifests(), ids=lambda path: path.stem)
def test_whole_releases(path: Path, step: Step, namespace: str, proxy: Proxy) -> None:
    explicit = () if path.stem == "ingress-nginx-kind" else ("-n", namespace)
    outcome = step("diff", "-f", str(path), *explicit, "--exit-code", env=through(proxy), report=True)
    assert outcome.code == 1, outcome.text
    assert len(titles(outcome)) == len(actions(outcome))
    assert proxy.writes == []


def test_apply_shows_the_difference_before_it_writes(step: Step, namespace: str, proxy: Proxy, tmp_path: Path) -> None:
    assert step("apply", "-f", write(tmp_path / "one.yaml", config_map(a="1")), "-n", namespace).code == 0
    path = write(tmp_path / "two.yaml", config_map(a="2"))
    outcome = step("apply", "-f", path, "-n", namespace, "--diff", env=through(proxy), report=True)
    assert outcome.code == 0, outcome.text
    assert changed(outcome) == ['-  a: "1"', '+  a: "2"']
    assert [("dryRun" in request.query, request.method) for request in proxy.requests] == [
        (False, "GET"),
        (True, "PATCH"),
        (False, "PATCH"),
    ]
    assert actions(outcome) == {"ConfigMap/settings": "configured"}
    assert outcome.stdout.index("# configmap") < outcome.stdout.index("OBJECT")


def test_a_token_that_may_not_read_says_so(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch", "create"]}]
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    assert step("apply", "-f", path, "-n", namespace).code == 0
    environment = {"KUBECONFIG": None, "K8S_API": cluster.server, "K8S_CA": str(cluster.ca)}
    environment["K8S_TOKEN"] = cluster.token(namespace, "blind", rules=rules)
    outcome = step("diff", "-f", path, "-n", namespace, env=environment)
    assert outcome.code == 0, outcome.text
    assert "this token may not read it" in outcome.stdout


def test_colours_on_a_terminal_only(step: Step, cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    piped = step("diff", "-f", path, "-n", namespace, env={"TERM": "xterm"})
    assert "\x1b[" not in piped.stdout
    for colours, expected in (({}, True), ({"NO_COLOR": "1"}, False)):
        leader, follower = pty.openpty()
        line = [sys.executable, "-m", "k8s_step", "diff", "-f", path, "-n", namespace]
        environment = {"PATH": os.environ["PATH"], "KUBECONFIG": str(cluster.kubeconfig), "TERM": "xterm", **colours}
        process = subprocess.Popen(line, env=environment, cwd=tmp_path, stdout=follower, stderr=subprocess.DEVNULL)
        os.close(follower)
        shown = b""
        while True:
            try:
                chunk = os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            shown += chunk
        os.close(leader)
        assert process.wait(30) == 0
        assert (b"\x1b[32m+  a: b" in shown) is expected, shown
