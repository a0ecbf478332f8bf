"""Every way to reach a cluster and to say who one is, against the real API server."""

from __future__ import annotations

import base64
import json
import os
import shlex
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s_step.api.client import Client
from k8s_step.api.discovery import Discovery
from k8s_step.api.request import Request
from k8s_step.connection.lookup import resolve
from k8s_step.connection.settings import ConnectionOptions
from k8s_step.errors import (
    ConflictError,
    ForbiddenError,
    InputError,
    InvalidError,
    NotFoundError,
    StepError,
    UnauthorizedError,
    UnreachableError,
    UnsupportedMediaTypeError,
)
from k8s_step.objects.resource import BUILTIN
from k8s_step.redaction import Redactor
from tests.conftest import Outcome, Step
from tests.controlplane.cluster import Cluster
from tests.controlplane.pki import Authority
from tests.faults.proxy import Proxy
from tests.socks5 import Socks5
from tests.unit.api.test_client import tunnel
from tests.unit.loopback import Loopback

READ = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}
REVIEW = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).encode()

Connect = Callable[..., Client]


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Connect]:
    """A client as the step would make it from these options and variables, in an empty home."""
    made: list[Client] = []

    def open_client(environ: dict[str, str] | None = None, account: Path | None = None, **options: Any) -> Client:
        connection = resolve(
            ConnectionOptions(**options),
            {"HOME": str(tmp_path / "home"), **(environ or {})},
            service_account=account or tmp_path / "no-account",
        )
        made.append(Client(connection, redactor=Redactor()))
        return made[-1]

    yield open_client
    for client in made:
        client.close()


def who(client: Client) -> str:
    """Whom the server takes us for."""
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    answer = client.send(Request("POST", path, body=REVIEW, content_type="application/json"))
    return str(answer.body["status"]["userInfo"]["username"])


def groups(client: Client) -> list[str]:
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    answer = client.send(Request("POST", path, body=REVIEW, content_type="application/json"))
    return list(answer.body["status"]["userInfo"]["groups"])


def account(namespace: str) -> str:
    return f"system:serviceaccount:{namespace}:ci"


@pytest.fixture
def ca(owned: Cluster) -> str:
    assert owned.ca
    return str(owned.ca)


class TestWhere:
    def test_the_variable_kubeconfig(self, cluster: Cluster, connect: Connect) -> None:
        client = connect({"KUBECONFIG": str(cluster.kubeconfig)})
        assert client.send(Request("GET", "/version")).body["major"] == "1"

    def test_kubeconfig_as_text_and_base64(self, owned: Cluster, connect: Connect) -> None:
        text = owned.kubeconfig.read_text()
        expected = who(connect(kubeconfig=str(owned.kubeconfig)))
        assert who(connect(kubeconfig=text)) == expected
        assert who(connect(kubeconfig=base64.b64encode(text.encode()).decode())) == expected

    def test_server_token_and_ca(self, owned: Cluster, namespace: str, ca: str, connect: Connect) -> None:
        token = owned.token(namespace)
        pem = Path(ca).read_text()
        for form in (ca, pem, base64.b64encode(pem.encode()).decode()):
            assert who(connect(server=owned.server, token=token, ca=form)) == account(namespace)

    def test_the_mounted_service_account(
        self, owned: Cluster, namespace: str, ca: str, connect: Connect, tmp_path: Path
    ) -> None:
        mounted = tmp_path / "serviceaccount"
        mounted.mkdir()
        (mounted / "token").write_text(owned.token(namespace))
        (mounted / "namespace").write_text(namespace)
        (mounted / "ca.crt").write_text(Path(ca).read_text())
        host, _, port = owned.server.removeprefix("https://").rpartition(":")
        client = connect({"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}, mounted)
        assert (who(client), client.connection.namespace) == (account(namespace), namespace)

    def test_plain_http_to_a_proxy(self, proxy: Proxy, connect: Connect) -> None:
        client = connect(server=proxy.url)
        assert client.send(Request("GET", "/api/v1/namespaces/default")).body["kind"] == "Namespace"

    def test_merged_files(self, owned: Cluster, namespace: str, connect: Connect, tmp_path: Path) -> None:
        """One file has the context, another the cluster, a third the user."""
        user = {"token": owned.token(namespace)}
        whole = yaml.safe_load(owned.write_kubeconfig(tmp_path / "whole", user=user).read_text())
        parts = []
        for part in ("contexts", "clusters", "users"):
            path = tmp_path / part
            path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", part: whole[part]}))
            parts.append(str(path))
        client = connect({"KUBECONFIG": os.pathsep.join(parts)}, context="test")
        assert who(client) == account(namespace)


class TestWho:
    def test_certificate_files(self, owned: Cluster, connect: Connect, tmp_path: Path) -> None:
        path = owned.write_kubeconfig(tmp_path / "config", user=owned.certificate_files())
        assert "system:masters" in groups(connect(kubeconfig=str(path)))

    def test_certificate_files_that_rotate(self, owned: Cluster, connect: Connect, tmp_path: Path) -> None:
        Authority().sign("somebody else").write(tmp_path, "me")
        user = {"client-certificate": "me.crt", "client-key": "me.key"}
        client = connect(kubeconfig=str(owned.write_kubeconfig(tmp_path / "config", user=user)))
        with pytest.raises(UnauthorizedError):
            who(client)
        for name, path in (("me.key", owned.key), ("me.crt", owned.certificate)):
            (tmp_path / name).write_bytes(Path(str(path)).read_bytes())
        assert "system:masters" in groups(client)

    def test_certificate_data(self, owned: Cluster, connect: Connect, tmp_path: Path) -> None:
        path = owned.write_kubeconfig(tmp_path / "config")
        assert "system:masters" in groups(connect(kubeconfig=str(path)))

    def test_a_token_in_the_kubeconfig(self, owned: Cluster, namespace: str, connect: Connect, tmp_path: Path) -> None:
        path = owned.write_kubeconfig(tmp_path / "config", user={"token": owned.token(namespace)})
        assert who(connect(kubeconfig=str(path))) == account(namespace)

    def test_a_token_over_the_kubeconfigs_user(self, owned: Cluster, namespace: str, connect: Connect) -> None:
        client = connect(kubeconfig=str(owned.kubeconfig), token=owned.token(namespace))
        assert who(client) == account(namespace)

    def test_a_token_file_that_rotates(self, owned: Cluster, namespace: str, connect: Connect, tmp_path: Path) -> None:
        (tmp_path / "token").write_text(owned.token(namespace, "ci"))
        client = connect(
            kubeconfig=str(owned.write_kubeconfig(tmp_path / "config", user={"tokenFile": "token"})),
        )
        assert who(client) == account(namespace)
        (tmp_path / "token").write_text(owned.token(namespace, "other"))
        assert who(client) == f"system:serviceaccount:{namespace}:other"

    def test_a_plugin_whose_token_expires(
        self, owned: Cluster, namespace: str, connect: Connect, tmp_path: Path
    ) -> None:
        """The first token is refused, the plugin run again, and the request repeated."""
        (tmp_path / "tokens").write_text(f"no-such-token\n{owned.token(namespace)}\n")
        script = (
            "import json, os, sys\n"
            "info = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
            f"assert info['spec']['cluster']['server'] == {owned.server!r}, info\n"
            "lines = open(sys.argv[1]).read().splitlines()\n"
            "open(sys.argv[1], 'w').write('\\n'.join(lines[1:] or lines))\n"
            "info['status'] = {'token': lines[0]}\n"
            "print(json.dumps(info))"
        )
        client = connect(kubeconfig=str(self._plugin(owned, tmp_path, script, str(tmp_path / "tokens"))))
        assert who(client) == account(namespace)

    def test_a_plugin_with_certificates(self, owned: Cluster, connect: Connect, tmp_path: Path) -> None:
        script = (
            "import json, sys\n"
            "chain, key = (open(path).read() for path in sys.argv[1:])\n"
            "status = {'clientCertificateData': chain, 'clientKeyData': key}\n"
            "version = 'client.authentication.k8s.io/v1'\n"
            "print(json.dumps({'apiVersion': version, 'kind': 'ExecCredential', 'status': status}))"
        )
        path = self._plugin(owned, tmp_path, script, str(owned.certificate), str(owned.key))
        assert "system:masters" in groups(connect(kubeconfig=str(path)))

    def test_impersonation(self, owned: Cluster, connect: Connect) -> None:
        client = connect(
            kubeconfig=str(owned.kubeconfig), impersonate_user="jane", impersonate_groups=("shop", "ops: all")
        )
        assert who(client) == "jane"
        assert {"shop", "ops: all"} <= set(groups(client))

    def _plugin(self, cluster: Cluster, folder: Path, script: str, *args: str) -> Path:
        (folder / "plugin.py").write_text(script)
        launcher = folder / "plugin"
        launcher.write_text(
            f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(folder / "plugin.py"))} "$@"\n'
        )
        launcher.chmod(0o700)
        plugin = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "./plugin",
            "args": list(args),
            "provideClusterInfo": True,
            "interactiveMode": "Never",
        }
        return cluster.write_kubeconfig(folder / "config", user={"exec": plugin})


class TestTls:
    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
    def test_the_environments_bundle_never_wins(
        self, owned: Cluster, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
    ) -> None:
        (tmp_path / "bundle.pem").write_bytes(Authority("another").certificate)
        monkeypatch.setenv(variable, str(tmp_path / "bundle.pem"))
        assert connect(kubeconfig=str(owned.kubeconfig)).send(Request("GET", "/version")).code == 200

    def test_another_ca(self, owned: Cluster, namespace: str, connect: Connect) -> None:
        token = owned.token(namespace)
        client = connect(server=owned.server, token=token, ca=Authority("another").certificate.decode())
        with pytest.raises(UnreachableError, match="unknown authority") as caught:
            who(client)
        assert token not in str(caught.value)
        insecure = connect(server=owned.server, token=token, insecure_skip_tls_verify=True)
        assert who(insecure) == account(namespace)
        assert "not checked" in insecure.connection.warnings[0]

    def test_tls_server_name(self, owned: Cluster, connect: Connect, tmp_path: Path) -> None:
        cluster = {"tls-server-name": "not.in.the.certificate"}
        client = connect(kubeconfig=str(owned.write_kubeconfig(tmp_path / "config", cluster=cluster)))
        with pytest.raises(UnreachableError, match=r"not for not\.in\.the\.certificate"):
            who(client)
        cluster = {"tls-server-name": "localhost"}
        client = connect(kubeconfig=str(owned.write_kubeconfig(tmp_path / "config", cluster=cluster)))
        assert "system:masters" in groups(client)

    def test_a_socks_proxy(self, owned: Cluster, step: Step, namespace: str, tmp_path: Path) -> None:
        with Socks5(int(owned.server.rpartition(":")[2])) as proxy:
            cluster = {"proxy-url": proxy.url, "server": "https://api.invalid:6443", "tls-server-name": "127.0.0.1"}
            path = owned.write_kubeconfig(tmp_path / "config", cluster=cluster)
            manifest = tmp_path / "settings.yaml"
            manifest.write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}")
            outcome = step("apply", "-f", str(manifest), "-n", namespace, env={"KUBECONFIG": str(path)})
        assert outcome.code == 0, outcome.text
        assert set(proxy.asked) == {("api.invalid", 6443)}

    def test_proxy_url(self, owned: Cluster, connect: Connect, tmp_path: Path) -> None:
        with Loopback(tunnel(int(owned.server.rpartition(":")[2]))) as proxy:
            path = owned.write_kubeconfig(tmp_path / "config", cluster={"proxy-url": proxy.url})
            assert "system:masters" in groups(connect(kubeconfig=str(path)))
            assert [seen.method for seen in proxy.exchanges] == ["CONNECT"]


class TestRefused:
    def test_a_wrong_token(self, owned: Cluster, ca: str, connect: Connect) -> None:
        client = connect(server=owned.server, token="wrong-token-value", ca=ca)
        error = refused(client, Request("GET", "/api/v1/namespaces"), UnauthorizedError)
        assert error.exit_code == 4
        assert "wrong-token-value" not in str(error)

    def test_not_allowed(self, owned: Cluster, namespace: str, ca: str, connect: Connect) -> None:
        client = connect(server=owned.server, token=owned.token(namespace, rules=[READ]), ca=ca)
        path = f"/api/v1/namespaces/{namespace}"
        assert client.send(Request("GET", f"{path}/configmaps")).body["kind"] == "ConfigMapList"
        error = refused(client, Request("GET", f"{path}/secrets"), ForbiddenError)
        assert "secrets is forbidden" in error.message

    def test_not_there_twice_there_and_wrong(self, cluster: Cluster, namespace: str, connect: Connect) -> None:
        client = connect({"KUBECONFIG": str(cluster.kubeconfig)})
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        error = refused(client, Request("GET", f"{path}/gone", where="configmap/gone"), NotFoundError)
        assert str(error) == 'configmap/gone: configmaps "gone" not found'
        post = Request("POST", path, body=configmap("one"), content_type="application/json", retry=False)
        client.send(post)
        refused(client, post, ConflictError)
        wrong = Request("POST", path, body=configmap("Not A Name"), content_type="application/json", retry=False)
        error = refused(client, wrong, InvalidError)
        assert error.causes[0]["field"] == "metadata.name"
        patch = Request("PATCH", f"{path}/one", body=b"{}", content_type="application/unknown")
        refused(client, patch, UnsupportedMediaTypeError)

    def test_nobody_there(self, connect: Connect) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        error = refused(
            connect(server=f"https://127.0.0.1:{port}", token="x" * 9), Request("GET", "/x"), UnreachableError
        )
        assert "connection refused" in str(error)
        assert error.exit_code == 5


class TestAnswers:
    def test_not_pretty_printed(self, cluster: Cluster, connect: Connect) -> None:
        client = connect({"KUBECONFIG": str(cluster.kubeconfig)})
        raw = client.send(Request("GET", "/api/v1/namespaces/default")).raw
        assert b"\n  " not in raw

    def test_warnings(self, cluster: Cluster, namespace: str, connect: Connect) -> None:
        client = connect({"KUBECONFIG": str(cluster.kubeconfig)})
        body = json.dumps({**json.loads(configmap("one")), "dta": {}, 'im"mutable': True}).encode()
        request = Request(
            "POST", f"/api/v1/namespaces/{namespace}/configmaps", (("fieldValidation", "Warn"),), body,
            "application/json", retry=False,
        )  # fmt: skip
        assert sorted(client.send(request).warnings) == ['unknown field "dta"', 'unknown field "im\\"mutable"']

    def test_packed_answers(self, cluster: Cluster, namespace: str, connect: Connect) -> None:
        """The API server packs what is longer than 128 KB, if asked to."""
        client = connect({"KUBECONFIG": str(cluster.kubeconfig)})
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        body = json.dumps({**json.loads(configmap("big")), "data": {"text": "x" * 300_000}}).encode()
        client.send(Request("POST", path, body=body, content_type="application/json", retry=False))
        client._compression = "gzip"  # not asked for on loopback
        answer = client.send(Request("GET", f"{path}/big"))
        assert len(answer.body["data"]["text"]) == 300_000

    def test_other_types(self, cluster: Cluster, connect: Connect) -> None:
        client = connect({"KUBECONFIG": str(cluster.kubeconfig)})
        answer = client.send(Request("GET", "/api/v1/namespaces/default", accept="application/vnd.kubernetes.protobuf"))
        assert (answer.raw[:4], answer.body) == (b"k8s\x00", {})
        assert client.send(Request("GET", "/readyz", accept="text/plain")).raw == b"ok"

    def test_a_watch(self, cluster: Cluster, namespace: str, connect: Connect) -> None:
        client = connect({"KUBECONFIG": str(cluster.kubeconfig)})
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        version = client.send(Request("GET", path)).body["metadata"]["resourceVersion"]
        query = (("watch", "true"), ("resourceVersion", version))
        seen = []
        with client.stream(Request("GET", path, query), idle_timeout=30) as stream:
            for name in ("one", "two"):
                client.send(Request("POST", path, body=configmap(name), content_type="application/json", retry=False))
            for line in stream:
                event = json.loads(line)
                seen.append((event["type"], event["object"]["metadata"]["name"]))
                if len(seen) == 2:
                    threading.Thread(target=stream.close).start()  # and the loop ends
        assert seen == [("ADDED", "one"), ("ADDED", "two")]


class TestDiscovery:
    def test_served_resources(self, cluster: Cluster, connect: Connect) -> None:
        discovery = Discovery(connect({"KUBECONFIG": str(cluster.kubeconfig)}))
        assert discovery.find("csr").kind == "CertificateSigningRequest"
        assert discovery.find("flowschemas").namespaced is False
        assert discovery.find("componentstatuses").api_version == "v1"
        assert discovery.resource("flowcontrol.apiserver.k8s.io/v1", "FlowSchema").plural == "flowschemas"
        with pytest.raises(InputError, match="use apiVersion apps/v1"):
            discovery.resource("apps/v1beta1", "Deployment")
        with pytest.raises(InputError, match="flowschema"):
            discovery.find("flowshemas")

    def test_every_built_in_resource_is_as_the_server_says(self, cluster: Cluster, connect: Connect) -> None:
        served = Discovery(connect({"KUBECONFIG": str(cluster.kubeconfig)}))._everything()
        by_kind = {(resource.api_version, resource.kind): resource for resource in served}
        for resource in BUILTIN:
            found = by_kind[resource.api_version, resource.kind]
            assert (found.plural, found.namespaced) == (resource.plural, resource.namespaced)
            assert set(resource.short_names) <= set(found.short_names), resource.kind

    def test_short_names_agree_with_kubectl(self, cluster: Cluster, connect: Connect, kubectl: Any) -> None:
        """What kubectl takes for each word of its own table, so do we: without what other tests define and delete
        meanwhile. It ends with 1 where one of those has a server that is down, and prints the rest.
        """
        onstart = ("-l", "kube-aggregator.kubernetes.io/automanaged=onstart")
        services = kubectl("get", "apiservices", *onstart, "-o", "name").stdout.split()
        own = {service.rpartition("/")[2].partition(".")[2] for service in services}
        assert {"", "apps", "certificates.k8s.io"} <= own
        discovery = Discovery(connect({"KUBECONFIG": str(cluster.kubeconfig)}))
        compared = set()
        for line in kubectl("api-resources", "--no-headers", check=False).stdout.splitlines():
            name, *short, api_version, namespaced, kind = line.split()
            group = api_version.rpartition("/")[0]
            if group not in own:
                continue
            compared.add(group)
            for word in [f"{name}.{group}" if group else f"v1/{name}", *(short[0].split(",") if short else [])]:
                if word in ("ev",):  # two groups share it: the core one counts, for kubectl too
                    continue
                found = discovery.find(word)
                assert (found.kind, found.namespaced) == (kind, namespaced == "true"), word
                assert found.group == group, word
        assert compared == own


def configmap(name: str) -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}).encode()


def refused(client: Client, request: Request, kind: type[StepError]) -> Any:
    with pytest.raises(kind) as caught:
        client.send(request)
    return caught.value


class TestTheCommand:
    """The connection as a pipeline meets it: the command itself, its exit code and what it says."""

    def apply(self, step: Step, namespace: str, *args: str, env: dict[str, str | None]) -> Outcome:
        manifest = configmap("shipped").decode()
        return step("apply", "-f", "-", "-n", namespace, *args, env={"KUBECONFIG": None, **env}, input=manifest)

    def test_variables_as_in_a_jenkins_stage(
        self, owned: Cluster, namespace: str, ca: str, step: Step, tmp_path: Path
    ) -> None:
        (tmp_path / "bundle.pem").write_bytes(Authority("another").certificate)
        token = owned.token(namespace, rules=[{**READ, "verbs": ["get", "create", "patch"]}])
        env = {"K8S_API": owned.server, "K8S_TOKEN": token, "K8S_CA": ca}
        bundles = dict.fromkeys(("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"), str(tmp_path / "bundle.pem"))
        outcome = self.apply(step, namespace, env={**env, **bundles, "K8S_HEADERS": "X-Pipeline: job-42"})
        assert outcome.code == 0, outcome.text
        assert owned.server in outcome.stderr.splitlines()[0]
        assert token not in outcome.text
        assert owned.get(f"/api/v1/namespaces/{namespace}/configmaps/shipped")["kind"] == "ConfigMap"

    def test_inputs_as_in_a_github_action(self, owned: Cluster, namespace: str, step: Step, tmp_path: Path) -> None:
        config = owned.write_kubeconfig(tmp_path / "config").read_text()
        outcome = self.apply(step, namespace, env={"INPUT_KUBECONFIG": config})
        assert outcome.code == 0, outcome.text
        assert "kubeconfig text (context test)" in outcome.text

    def test_a_wrong_token(self, owned: Cluster, namespace: str, ca: str, step: Step) -> None:
        outcome = self.apply(
            step, namespace, "--server", owned.server, "--ca", ca, env={"K8S_TOKEN": "wrong-token-value"}
        )
        assert outcome.code == 4
        assert "Unauthorized" in outcome.text
        assert "wrong-token-value" not in outcome.text

    @pytest.mark.parametrize(
        ("token", "words"),
        [
            ("'abc.def.ghi'", "the token is in quotes"),
            ("***", "the token is made of asterisks"),
            ("$KUBE_TOKEN", "the token is the name of a variable"),
            ("/no/such/token-file", "the token looks like a path"),
            (base64.b64encode(b"abcdef.0123456789abcdef").decode(), "the token looks like base64 of a token"),
        ],
    )
    def test_what_is_no_token(
        self, token: str, words: str, owned: Cluster, namespace: str, ca: str, step: Step
    ) -> None:
        outcome = self.apply(step, namespace, "--server", owned.server, "--ca", ca, env={"K8S_TOKEN": token})
        assert outcome.code == 4
        assert f"Unauthorized ({words}" in outcome.text
        assert token == "***" or token not in outcome.text

    def test_a_token_with_blanks(self, owned: Cluster, namespace: str, ca: str, step: Step) -> None:
        outcome = self.apply(step, namespace, "--server", owned.server, "--ca", ca, env={"K8S_TOKEN": "Bearer abc.def"})
        assert outcome.code == 2
        (line,) = [line for line in outcome.stderr.splitlines() if line.startswith("error: ")]
        assert line.startswith("error: K8S_TOKEN: the token holds blanks") and "the word Bearer" in line

    @pytest.mark.parametrize(
        ("env", "words"),
        [
            ({"K8S_TOKEN": ""}, "no token was given: K8S_TOKEN is empty; a secret is empty where its name is misspelt"),
            ({}, "no token was given: neither --token nor K8S_TOKEN"),
        ],
    )
    def test_no_token(
        self, env: dict[str, str], words: str, owned: Cluster, namespace: str, ca: str, step: Step
    ) -> None:
        outcome = self.apply(step, namespace, "--server", owned.server, "--ca", ca, env=env)
        assert outcome.code == 4
        assert '"system:anonymous" cannot' in outcome.text and words in outcome.text

    def test_a_context_without_a_user_is_anonymous(
        self, owned: Cluster, proxy: Proxy, namespace: str, step: Step, tmp_path: Path
    ) -> None:
        """As kubectl is, for whom ``kubectl proxy`` speaks; straight to the server nobody may do anything."""
        config = yaml.safe_load(owned.kubeconfig.read_text())
        path = tmp_path / "config"
        for users in ([], None):
            config["users"] = users
            config["contexts"][0]["context"]["user"] = ""
            path.write_text(yaml.safe_dump(config))
            outcome = self.apply(step, namespace, env={"KUBECONFIG": str(path)})
            assert outcome.code == 4
            assert "no token was given" in outcome.text
        config["clusters"][0]["cluster"] = {"server": proxy.url}
        path.write_text(yaml.safe_dump(config))
        outcome = self.apply(step, namespace, env={"KUBECONFIG": str(path)})
        assert outcome.code == 0, outcome.text

    def test_a_kubeconfig_that_a_container_action_does_not_see(self, namespace: str, step: Step) -> None:
        action = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": "/github/workspace", "INPUT_WAIT": "true"}
        for env in (
            {"KUBECONFIG": "/home/runner/work/_temp/config"},
            {"INPUT_KUBECONFIG": "/home/runner/.kube/config"},
        ):
            outcome = self.apply(step, namespace, env={**action, **env})
            assert outcome.code == 2
            assert "a container action sees the workspace alone, as /github/workspace" in outcome.text

    def test_a_ca_whose_line_breaks_were_lost(self, owned: Cluster, namespace: str, ca: str, step: Step) -> None:
        pem = Path(ca).read_text()
        token = owned.token(namespace, rules=[{**READ, "verbs": ["get", "create", "patch"]}])
        for spoilt in (pem.replace("\n", " "), pem.replace("\n", "\\n")):
            env = {"K8S_API": owned.server, "K8S_TOKEN": token, "K8S_CA": spoilt}
            assert self.apply(step, namespace, env=env).code == 0

    def test_a_ca_that_cannot_be_read_is_named(
        self, owned: Cluster, namespace: str, step: Step, tmp_path: Path
    ) -> None:
        path = tmp_path / "ca.crt"
        path.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
        env = {"K8S_API": owned.server, "K8S_TOKEN": "abc", "K8S_CA": str(path)}
        outcome = self.apply(step, namespace, env=env)
        assert outcome.code == 2
        assert f"K8S_CA {path} holds no PEM certificate that can be read" in outcome.text
        config = yaml.safe_load(owned.kubeconfig.read_text())
        config["clusters"][0]["cluster"] = {"server": owned.server, "certificate-authority": str(path)}
        (tmp_path / "config").write_text(yaml.safe_dump(config))
        outcome = self.apply(step, namespace, env={"KUBECONFIG": str(tmp_path / "config")})
        assert outcome.code == 2
        assert f"certificate-authority {path} holds no PEM certificate that can be read" in outcome.text

    def test_nobody_there(self, owned: Cluster, namespace: str, step: Step) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        outcome = self.apply(step, namespace, env={"K8S_API": f"https://127.0.0.1:{port}", "K8S_TOKEN": "x" * 9})
        assert outcome.code == 5
        assert "connection refused" in outcome.text

    def test_no_cluster_anywhere(self, owned: Cluster, namespace: str, step: Step) -> None:
        outcome = self.apply(step, namespace, env={})
        assert outcome.code == 2
        for place in ("K8S_API", "KUBECONFIG", "~/.kube/config"):
            assert place in outcome.text

    def test_headers_and_impersonation_arrive(self, proxy: Proxy, namespace: str, step: Step) -> None:
        args = ("--header", "X-Pipeline: job-42", "--as", "system:admin", "--as-group", "system:masters")
        outcome = self.apply(step, namespace, *args, env={"K8S_API": proxy.url})
        assert outcome.code == 0, outcome.text
        assert {seen.headers.get("X-Pipeline") for seen in proxy.requests} == {"job-42"}
        assert {seen.headers.get("Impersonate-User") for seen in proxy.requests} == {"system:admin"}


def test_a_secret_header_arrives_and_is_masked(step: Step, namespace: str, proxy: Proxy) -> None:
    value = "header-secret-0815"
    outcome = step(
        "status", f"configmap/{value}", "-n", namespace, "--server", proxy.url, "--header", f"X-Api-Key: {value}"
    )
    assert outcome.code == 4
    assert proxy.requests[0].headers["X-Api-Key"] == value
    assert value not in outcome.text
    assert "***" in outcome.text
