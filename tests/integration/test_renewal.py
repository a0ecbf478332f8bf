"""A credential plugin whose token is refused, or ends, in mid-rollout, and that fails when it is run again."""

from __future__ import annotations

import base64
import shlex
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import Kubectl, Running, Step, poll
from tests.controlplane.cluster import Cluster, kubeconfig
from tests.controlplane.pki import Authority
from tests.faults.proxy import Proxy, Recorded, end_watch, on, status
from tests.integration.objects import config_map, service, write
from tests.integration.outcomes import statuses
from tests.unit.loopback import server_tls

ADDRESS = '{"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}'
ANYTHING = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
LASTS, ENDS = 3600, 3700  # seconds that a token lasts by the plugin's word, and after which it has ended
PLUGIN = """
import json, pathlib, sys, time
folder = pathlib.Path(__file__).parent
with (folder / "runs").open("a") as runs:
    runs.write("x")
if (folder / "sealed").exists():
    sys.exit("the vault is sealed")
token = (folder / "tokens").read_text().split()[(folder / "second").exists()]
ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + LASTS))
version, status = "client.authentication.k8s.io/v1", {"token": token, "expirationTimestamp": ends}
print(json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status}))
""".replace("LASTS", str(LASTS))


class Vault:
    """A plugin with two tokens, used through the proxy, in a run that waits for a Service's address."""

    def __init__(self, cluster: Cluster, kubectl: Kubectl, namespace: str, folder: Path, proxy: Proxy) -> None:
        self._kubectl, self._namespace, self._folder, self._proxy = kubectl, namespace, folder, proxy
        self._tokens = [cluster.token(namespace, rules=[ANYTHING], seconds=seconds) for seconds in (3600, 7200)]
        (folder / "tokens").write_text("\n".join(self._tokens))
        (folder / "plugin.py").write_text(PLUGIN)
        command = [sys.executable, str(folder / "plugin.py")]
        (folder / "plugin").write_text(f"#!/bin/sh\nexec {shlex.join(command)}\n")
        (folder / "plugin").chmod(0o700)
        plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin", "interactiveMode": "Never"}
        authority = Authority()
        proxy.speak_tls(server_tls(authority))
        to = {"certificate-authority-data": base64.b64encode(authority.certificate).decode()}
        config = kubeconfig(proxy.url, cluster.folder, user={"exec": plugin}, cluster=to)
        (folder / "kubeconfig").write_text(yaml.safe_dump(config))
        old = f"Bearer {self._tokens[0]}"

        def is_of_old(request: Recorded) -> bool:
            return request.headers.get("Authorization") == old

        self._refusing = proxy.rule(is_of_old, status(401, "Unauthorized", "Unauthorized"), times=0)
        self._ending = proxy.rule(on("GET", watch=True), end_watch(), times=None)
        who = f"--as=system:serviceaccount:{namespace}:ci"
        words = ("-n", namespace, "auth", "can-i", "patch", "services/web", who)
        poll(lambda: kubectl(*words, check=False).returncode == 0, "the account to be allowed")

    @property
    def runs(self) -> int:
        """How often the plugin was run."""
        return (self._folder / "runs").stat().st_size

    def following(self, step: Step, *options: str, dated: bool = False) -> Running:
        """A run whose watches end at once and begin anew, once it has begun to watch."""
        made = config_map(a="b"), service("web", "LoadBalancer", no_address="true")
        path = write(self._folder / "release.yaml", *made)
        env = {"KUBECONFIG": str(self._folder / "kubeconfig")}
        step.knows(*self._tokens)
        words = ("apply", "-f", path, "-n", self._namespace, *options)
        run = step.start(*words, env=env, report=True, own_clock=True, date_stands=dated)
        poll(lambda: self._proxy.matching(on("GET", watch=True)) or run.process.poll() is not None, "the first watch")
        return run

    def out_of_time(self, step: Step, *options: str) -> Running:
        """A run that gets no token any more, and whose time is up."""
        run = self.following(step, *options)
        self.seal()
        run.wait_for("the credential can't be renewed: credential plugin ")
        run.time_passes()
        return run

    def seal(self, *, refused: bool = True) -> None:
        """Let the plugin give no token, and, where it is ``refused``, the server take the first one no more."""
        (self._folder / "sealed").touch()
        self._refusing.times = None if refused else 0

    def unseal(self) -> None:
        """Let the plugin give the second token, and the Service have the address that it waits for."""
        self._ending.times = 0
        words = ("patch", "service/web", "--subresource=status", "--type=merge", "-p", ADDRESS)
        self._kubectl("-n", self._namespace, *words)
        (self._folder / "second").touch()
        (self._folder / "sealed").unlink()


@pytest.fixture
def vault(cluster: Cluster, kubectl: Kubectl, namespace: str, tmp_path: Path, proxy: Proxy) -> Vault:
    return Vault(cluster, kubectl, namespace, tmp_path, proxy)


def test_a_plugin_that_fails_for_a_while(step: Step, vault: Vault) -> None:
    """The watch waits for the next token, with pauses, and the Service gets its address meanwhile."""
    run = vault.following(step)
    before = vault.runs
    vault.seal()
    run.wait_for("the credential can't be renewed: credential plugin ")
    poll(lambda: vault.runs >= before + 2 or run.process.poll() is not None, "the plugin to be run again")
    assert run.process.poll() is None, run.text
    vault.unseal()
    outcome = run.wait()
    assert outcome.code == 0, outcome.text
    assert statuses(outcome) == {"ConfigMap/settings": "current", "Service/web": "current"}
    assert "the vault is sealed" in outcome.text


def test_a_token_that_ends_before_the_plugin_works_again(step: Step, vault: Vault) -> None:
    run = vault.following(step, dated=True)
    vault.seal(refused=False)
    run.tokens_age(ENDS)
    run.wait_for("the credential can't be renewed: credential plugin ")
    vault.unseal()
    run.tokens_age(60)
    outcome = run.wait()
    assert outcome.code == 0, outcome.text


def test_a_plugin_that_never_works_again(step: Step, vault: Vault) -> None:
    """The release has not failed: it is out of time, and what it is waiting for is told."""
    outcome = vault.out_of_time(step).wait()
    assert outcome.code == 3 and outcome.report is not None and outcome.report["result"] == "timed_out", outcome.text
    assert statuses(outcome)["Service/web"] == "in progress", outcome.text
    assert "the vault is sealed" in outcome.text


def test_a_plugin_that_never_works_again_is_rolled_back_as_far_as_it_goes(
    step: Step, kubectl: Kubectl, namespace: str, vault: Vault
) -> None:
    """Nothing can be sent without a token: what is left is named, with the next move."""
    run = vault.out_of_time(step, "--rollback-on-failure")
    run.wait_for("rolling back")
    run.time_passes()
    outcome = run.wait()
    assert outcome.code == 1, outcome.text
    assert "the rollback is not complete: look after" in outcome.text
    kubectl("-n", namespace, "get", "service/web")


def test_a_plugin_that_works_again_once_time_is_up_rolls_back(
    step: Step, kubectl: Kubectl, namespace: str, vault: Vault
) -> None:
    run = vault.out_of_time(step, "--rollback-on-failure")
    run.wait_for("rolling back")
    vault.unseal()
    outcome = run.wait()
    assert outcome.code == 6, outcome.text
    assert kubectl("-n", namespace, "get", "service/web", check=False).returncode != 0


def test_a_plugin_that_fails_at_once_is_bad_input(step: Step, vault: Vault, proxy: Proxy) -> None:
    vault.seal()
    outcome = vault.following(step).wait()
    assert outcome.code == 2 and "failed with exit code 1: the vault is sealed" in outcome.text
    assert not proxy.requests
