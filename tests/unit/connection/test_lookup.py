"""Where the cluster is found, in which order, and what is said when it is not."""

from __future__ import annotations

import base64
import json
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from k8s_step.connection.lookup import resolve
from k8s_step.connection.settings import Connection, ConnectionOptions, Impersonation, TokenEndpoint, User
from k8s_step.errors import InputError
from tests.controlplane.pki import Authority

PEM = Authority().certificate.decode()
SECRET = "s3cr3t-t0ken-value"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def config(
    *,
    server: str = "https://one:6443",
    user: dict[str, Any] | None = None,
    cluster: dict[str, Any] | None = None,
    context: dict[str, Any] | None = None,
    name: str = "one",
    current: str | None = "one",
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": name, "user": {"token": SECRET} if user is None else user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, **(context or {})}}],
        **({"current-context": current} if current else {}),
    }


class Machine:
    """A home, a service account and an environment to resolve in."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.account = folder / "serviceaccount"
        self.environ: dict[str, str] = {}
        (self.home / ".kube").mkdir(parents=True)

    def write(self, name: str, content: dict[str, Any] | str) -> Path:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return path

    def mount(self, *, ca: str | None = PEM, host: str = "10.0.0.1") -> None:
        self.account.mkdir()
        for name, text in (("token", SECRET), ("namespace", "ci\n"), ("ca.crt", ca)):
            if text:
                (self.account / name).write_text(text)
        self.environ |= {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "443"}

    def resolve(self, **options: Any) -> Connection:
        return resolve(ConnectionOptions(**options), self.environ, home=self.home, service_account=self.account)

    def refused(self, **options: Any) -> str:
        with pytest.raises(InputError) as caught:
            self.resolve(**options)
        assert SECRET not in str(caught.value) + repr(caught.value)
        return str(caught.value)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


class TestOrder:
    def test_an_option_comes_first(self, machine: Machine) -> None:
        machine.write(".kube/config", config())
        machine.mount()
        found = machine.resolve(server="https://flag:6443/", token=SECRET, server_origin="K8S_API")
        assert (found.server, found.origin, found.user) == ("https://flag:6443", "K8S_API", User(token=SECRET))

    def test_then_the_kubeconfig_option(self, machine: Machine) -> None:
        machine.environ["KUBECONFIG"] = str(machine.write("variable", config(server="https://variable")))
        path = machine.write("option", config(server="https://option"))
        found = machine.resolve(kubeconfig=str(path))
        assert (found.server, found.origin) == ("https://option", "kubeconfig ~/option (context one)")

    def test_then_the_kubeconfig_variable(self, machine: Machine) -> None:
        machine.mount()
        machine.environ["KUBECONFIG"] = str(machine.write("variable", config(server="https://variable")))
        assert machine.resolve().server == "https://variable"

    def test_then_the_mounted_service_account(self, machine: Machine) -> None:
        machine.write(".kube/config", config())
        machine.mount()
        found = machine.resolve()
        assert (found.server, found.origin) == ("https://10.0.0.1:443", "the mounted service account")
        assert (found.namespace, found.ca) == ("ci", PEM.encode())
        assert found.user == User(token_file=str(machine.account / "token"))

    def test_then_the_file_at_home(self, machine: Machine) -> None:
        machine.write(".kube/config", config(context={"namespace": "shop"}))
        found = machine.resolve()
        assert found.origin == "kubeconfig ~/.kube/config (context one)"
        assert (found.context, found.namespace, found.user) == ("one", "shop", User(token=SECRET))

    def test_nothing_found_lists_every_place(self, machine: Machine) -> None:
        said = machine.refused()
        for place in (
            "--server",
            "K8S_API",
            "KUBECONFIG",
            "K8S_KUBECONFIG",
            "KUBERNETES_SERVICE_HOST",
            "~/.kube/config",
        ):
            assert place in said

    def test_a_mounted_file_that_can_not_be_read(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        machine.mount()
        (machine.account / "namespace").write_bytes(b"\xff\n")
        assert machine.resolve().namespace == "\ufffd"

        def denied(_: Path) -> bytes:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "read_bytes", denied)
        assert "the mounted service account: " in machine.refused() and "Permission denied" in machine.refused()

    def test_a_context_is_not_looked_for_in_the_service_account(self, machine: Machine) -> None:
        machine.mount()
        machine.write(".kube/config", config(name="other", current=None))
        assert machine.resolve(context="other").context == "other"


class TestServerOption:
    def test_takes_the_user_of_a_named_kubeconfig(self, machine: Machine) -> None:
        path = machine.write("config", config(cluster={"tls-server-name": "elsewhere"}, context={"namespace": "shop"}))
        found = machine.resolve(server="https://flag", kubeconfig=str(path))
        assert (found.server, found.user.token, found.namespace) == ("https://flag", SECRET, "shop")
        assert found.tls_server_name is None

    def test_leaves_the_file_at_home_alone(self, machine: Machine) -> None:
        machine.write(".kube/config", config())
        assert machine.resolve(server="https://flag").user == User()

    def test_with_a_token_ignores_a_stale_kubeconfig_variable(self, machine: Machine) -> None:
        machine.environ["KUBECONFIG"] = "/nowhere/config"
        assert machine.resolve(server="https://flag", token=SECRET).user.token == SECRET

    @pytest.mark.parametrize("server", ["https://10.0.0.1", "https://kubernetes.default.svc", "https://10.0.0.1:443/"])
    def test_in_cluster_takes_the_mounted_ca_and_token(self, machine: Machine, server: str) -> None:
        machine.mount()
        found = machine.resolve(server=server)
        assert (found.ca, found.user.token_file) == (PEM.encode(), str(machine.account / "token"))
        assert machine.resolve(server=server, token="own").user == User(token="own")

    def test_elsewhere_the_mounted_token_stays_at_home(self, machine: Machine) -> None:
        machine.mount()
        found = machine.resolve(server="https://elsewhere")
        assert (found.user, found.ca) == (User(), None)

    @pytest.mark.parametrize(
        ("given", "server"),
        [
            ("10.0.0.1:6443", "https://10.0.0.1:6443"),
            ("https://rancher.example/k8s/clusters/c-1/", "https://rancher.example/k8s/clusters/c-1"),
            ("http://[::1]:8001", "http://[::1]:8001"),
        ],
    )
    def test_url_forms(self, machine: Machine, given: str, server: str) -> None:
        assert machine.resolve(server=given).server == server

    @pytest.mark.parametrize(
        "server", ["ftp://x", "https://", "https://x:port", f"https://me:{SECRET}@x", "https://x?a=b"]
    )
    def test_bad_urls(self, machine: Machine, server: str) -> None:
        machine.refused(server=server)


class TestAnonymous:
    """As kubectl is where a context names no user, or the file has none."""

    @pytest.mark.parametrize("changes", [{"user": ""}, {"user": None}])
    def test_a_context_without_a_user(self, machine: Machine, changes: dict[str, Any]) -> None:
        machine.write(".kube/config", config(context=changes))
        found = machine.resolve()
        assert (found.server, found.user) == ("https://one:6443", User())
        assert "no token was given" in found.nobody

    @pytest.mark.parametrize("users", [None, []])
    def test_a_file_without_users(self, machine: Machine, users: object) -> None:
        machine.write(".kube/config", {**config(), "users": users})
        assert machine.resolve().user == User()

    def test_a_user_missing_among_others_is_a_slip(self, machine: Machine) -> None:
        machine.write(".kube/config", config(context={"user": "other"}))
        assert "there is no user 'other'" in machine.refused()

    def test_who_is_known_is_not_nobody(self, machine: Machine) -> None:
        machine.write(".kube/config", config())
        assert machine.resolve().nobody == ""
        assert machine.resolve(server="https://x", token=SECRET).nobody == ""
        assert machine.resolve(server="https://x", login="--eks-cluster").nobody == ""

    def test_which_variables_were_empty(self, machine: Machine) -> None:
        machine.environ |= {"K8S_TOKEN": "", "INPUT_TOKEN": " "}
        assert "INPUT_TOKEN and K8S_TOKEN are empty" in machine.resolve(server="https://x").nobody

    def test_a_user_who_is_not_sent_over_http(self, machine: Machine) -> None:
        machine.write(".kube/config", config(server="http://10.0.0.1:8001"))
        assert machine.resolve().nobody.startswith("over http://")


class TestNamespaceOnly:
    """A context that names a namespace alone, beside a server and a token, as with kubectl."""

    CONFIG: ClassVar[dict[str, Any]] = {
        "apiVersion": "v1",
        "kind": "Config",
        "contexts": [{"name": "shop", "context": {"namespace": "shop"}}],
        "current-context": "shop",
    }

    @pytest.mark.parametrize("how", ["option", "variable", "context"])
    def test_with_server_and_token(self, machine: Machine, how: str) -> None:
        path = str(machine.write("config", self.CONFIG))
        options = {"kubeconfig": path} if how == "option" else {}
        if how != "option":
            machine.environ["KUBECONFIG"] = path
        if how == "context":
            options["context"] = "shop"
        found = machine.resolve(server="https://flag", token=SECRET, **options)
        assert (found.server, found.namespace, found.user.token) == ("https://flag", "shop", SECRET)

    def test_without_a_server_is_refused(self, machine: Machine) -> None:
        assert "names no cluster" in machine.refused(kubeconfig=str(machine.write("config", self.CONFIG)))

    def test_a_whole_context_in_the_variable_stays_out(self, machine: Machine) -> None:
        machine.environ["KUBECONFIG"] = str(machine.write("config", config(context={"namespace": "other"})))
        assert machine.resolve(server="https://flag", token=SECRET).namespace is None


class TestPlainHttp:
    def test_a_kubeconfigs_user_is_not_sent(self, machine: Machine) -> None:
        path = machine.write("config", config(server="http://127.0.0.1:8001"))
        assert machine.resolve(kubeconfig=str(path)).user == User()

    def test_a_token_by_option_is_sent_with_a_warning(self, machine: Machine) -> None:
        found = machine.resolve(server="http://10.0.0.1:8001", token=SECRET)
        assert found.user.token == SECRET
        assert "unencrypted" in found.warnings[0]
        assert SECRET not in found.warnings[0]

    def test_on_loopback_nobody_is_warned(self, machine: Machine) -> None:
        assert machine.resolve(server="http://localhost:8001", token=SECRET).warnings == ()


class TestOverrides:
    def test_a_token_replaces_the_user_as_a_whole(self, machine: Machine) -> None:
        user = {"client-certificate": "gone.crt", "client-key": "gone.key", "exec": {"command": "x"}}
        machine.write(".kube/config", config(user=user))
        assert machine.resolve(token="other").user == User(token="other")

    def test_a_token_replaces_even_a_missing_user(self, machine: Machine) -> None:
        machine.write(".kube/config", config(context={"user": "missing"}))
        assert machine.resolve(token="other").user == User(token="other")

    def test_insecure_clears_the_ca_and_warns(self, machine: Machine) -> None:
        machine.write(".kube/config", config(cluster={"certificate-authority-data": encoded(PEM)}))
        found = machine.resolve(insecure_skip_tls_verify=True)
        assert (found.insecure, found.ca) == (True, None)
        assert "not checked" in found.warnings[0]

    def test_a_ca_clears_insecure(self, machine: Machine) -> None:
        machine.write(".kube/config", config(cluster={"insecure-skip-tls-verify": True}))
        found = machine.resolve(ca=PEM)
        assert (found.insecure, found.ca, found.warnings) == (False, PEM.encode(), ())

    def test_the_ca_in_its_three_forms(self, machine: Machine) -> None:
        path = machine.write("ca.crt", PEM)
        for form in (PEM, encoded(PEM), str(path)):
            assert machine.resolve(server="https://x", ca=form).ca == PEM.encode()

    def test_a_ca_that_is_none(self, machine: Machine) -> None:
        assert "/no/such.crt" in machine.refused(server="https://x", ca="/no/such.crt")
        machine.refused(server="https://x", ca=SECRET)
        assert "no PEM" in machine.refused(server="https://x", ca=str(machine.write("ca/empty", "empty")))

    def test_an_audience_replaces_the_kubeconfigs_user(self, machine: Machine) -> None:
        machine.environ |= {
            "ACTIONS_ID_TOKEN_REQUEST_URL": "https://github.example/id?v=2",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": SECRET,
            "HTTPS_PROXY": "http://proxy:3128",
            "NO_PROXY": "one",
        }
        machine.write(".kube/config", config(user={"exec": {"command": "gone", "apiVersion": "v1"}}))
        found = machine.resolve(oidc_audience="k8s")
        endpoint = TokenEndpoint("https://github.example/id?v=2&audience=k8s", SECRET, "http://proxy:3128")
        assert found.user == User(id_token=endpoint)
        assert (found.server, found.proxy_url) == ("https://one:6443", None)
        assert SECRET not in repr(found)

    def test_contradictions(self, machine: Machine) -> None:
        assert "--token and --token-file" in machine.refused(server="https://x", token=SECRET, token_file="f")
        assert "--token and --oidc-audience" in machine.refused(server="https://x", token=SECRET, oidc_audience="k8s")
        assert "--token-file and --oidc-audience" in machine.refused(token_file="f", oidc_audience="k8s")
        machine.refused(server="https://x", ca=PEM, insecure_skip_tls_verify=True)
        assert "--as" in machine.refused(server="https://x", impersonate_groups=("admins",))
        both = {"insecure-skip-tls-verify": True, "certificate-authority-data": encoded(PEM)}
        machine.write(".kube/config", config(cluster=both))
        assert "contradict" in machine.refused()

    def test_namespace_and_impersonation(self, machine: Machine) -> None:
        user = {"token": SECRET, "as": "one", "as-groups": ["a"], "as-uid": "7", "as-user-extra": {"why": ["x", "y"]}}
        machine.write(".kube/config", config(user=user, context={"namespace": "shop"}))
        extra = (("why", "x"), ("why", "y"))
        assert machine.resolve().impersonation == Impersonation("one", ("a",), "7", extra)
        found = machine.resolve(namespace="other", impersonate_user="two", impersonate_groups=("b", "c"))
        assert (found.namespace, found.impersonation) == ("other", Impersonation("two", ("b", "c")))

    @pytest.mark.parametrize("user", [{"as": "jürgen"}, {"as": "a\tb"}, {"as": "one", "as-user-extra": {"why": ["é"]}}])
    def test_nobody_is_impersonated_whom_no_header_can_name(self, machine: Machine, user: dict[str, Any]) -> None:
        machine.write(".kube/config", config(user={"token": SECRET, **user}))
        assert "whom to impersonate holds what no request header can" in machine.refused()

    def test_the_keys_of_extra_fields_are_escaped_as_client_go_does(self) -> None:
        who = Impersonation("one", extra=(("acme.com/project", "x"), ("100%é", "y")))
        names = [name for name, _ in who.headers()]
        assert names == ["Impersonate-User", "Impersonate-Extra-acme.com%2Fproject", "Impersonate-Extra-100%25%C3%A9"]


class TestFiles:
    def test_merged_as_kubectl_does(self, machine: Machine) -> None:
        first = machine.write("a/first", {**config(name="shared", current=None), "contexts": []})
        second = machine.write(
            "b/second", config(name="shared", server="https://loses", user={"token": "loses"}, current="shared")
        )
        third = machine.write("c/third", config(name="third"))
        machine.environ["KUBECONFIG"] = f"{first}:/no/such/file::{second}:{third}"
        found = machine.resolve()
        assert (found.context, found.server, found.user.token) == ("shared", "https://one:6443", SECRET)
        assert found.origin == "kubeconfig ~/a/first, ~/b/second, ~/c/third (context shared)"
        assert machine.resolve(context="third").context == "third"

    def test_merging_agrees_with_kubectl(self, machine: Machine, tmp_path: Path) -> None:
        """The real kubectl reads the same files the same way."""
        import os
        import shutil
        import subprocess
        import sys

        kubectl = shutil.which("kubectl", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        if not kubectl:
            pytest.skip("no kubectl: install the dev dependencies")
        first = machine.write("first", {**config(name="shared", current=None), "contexts": [], "users": []})
        second = machine.write("second", config(name="shared", server="https://loses", current="shared"))
        machine.environ["KUBECONFIG"] = f"{first}:{second}"
        line = [kubectl, "config", "view", "--minify", "--raw", "-o", "json"]
        environ = {"KUBECONFIG": machine.environ["KUBECONFIG"], "HOME": str(machine.home)}
        seen = json.loads(subprocess.run(line, env=environ, capture_output=True, check=True, timeout=60).stdout)
        found = machine.resolve()
        assert found.server == seen["clusters"][0]["cluster"]["server"]
        assert found.user.token == seen["users"][0]["user"]["token"]
        assert found.context == seen["current-context"]

    def test_relative_paths_start_at_their_own_file(self, machine: Machine) -> None:
        machine.write("b/ca.crt", PEM)
        machine.write("b/me.crt", "certificate")
        machine.write("b/me.key", "key")
        user = {"client-certificate": "me.crt", "client-key": "./me.key"}
        path = machine.write("b/config", config(user=user, cluster={"certificate-authority": "ca.crt"}))
        found = machine.resolve(kubeconfig=str(path))
        assert found.ca == PEM.encode()
        assert (found.user.client_certificate, found.user.client_key) == (b"certificate", b"key")
        assert found.user.certificate_files == (str(machine.home / "b/me.crt"), str(machine.home / "b/me.key"))
        path = machine.write("b/config", config(user={"tokenFile": "t"}))
        assert machine.resolve(kubeconfig=str(path)).user.token_file == str(machine.home / "b/t")

    def test_data_counts_before_files(self, machine: Machine) -> None:
        cluster = {"certificate-authority": "gone", "certificate-authority-data": encoded(PEM)}
        machine.write(".kube/config", config(cluster=cluster))
        assert machine.resolve().ca == PEM.encode()

    def test_text_and_base64_instead_of_a_path(self, machine: Machine) -> None:
        for text in (yaml.safe_dump(config()), json.dumps(config())):
            for value in (text, encoded(text), "\n".join(encoded(text)[i : i + 60] for i in range(0, 900, 60))):
                found = machine.resolve(kubeconfig=value)
                assert (found.server, found.origin) == ("https://one:6443", "the kubeconfig text (context one)")

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (encoded(encoded(yaml.safe_dump(config()))), "it is base64 of base64 of a kubeconfig"),
            (yaml.safe_dump(config()).replace("\n", " "), "it is a kubeconfig whose line breaks were lost"),
            (yaml.safe_dump(config()).replace("\n", "\\n"), "it is a kubeconfig whose line breaks were lost"),
            (encoded(yaml.safe_dump(config()).replace("\n", " ")), "it is base64 of a kubeconfig whose line breaks"),
            (encoded("x" * 500), "it is base64, but of no kubeconfig"),
            (encoded(yaml.safe_dump(config()))[:-3], "it is no kubeconfig, no base64 of one, and no path"),
            ("x" * 5000, "it is no kubeconfig, no base64 of one, and no path"),
            ("one\ntwo", "it is no kubeconfig, no base64 of one, and no path"),
            ("***", "it is made of asterisks"),
            ("$KUBE_CONFIG", "it is the name of a variable"),
            ("${{ secrets.KUBE_CONFIG }}", "it is the name of a variable"),
        ],
    )
    def test_what_is_no_kubeconfig_is_named(self, machine: Machine, value: str, words: str) -> None:
        said = machine.refused(kubeconfig=value, sources={"kubeconfig": "K8S_KUBECONFIG"})
        assert said.startswith(f"K8S_KUBECONFIG: {words}")
        assert value not in said

    def test_a_tilde_is_home(self, machine: Machine) -> None:
        machine.write("own", config())
        assert machine.resolve(kubeconfig="~/own").context == "one"

    def test_cluster_settings(self, machine: Machine) -> None:
        cluster = {"proxy-url": "socks5://p:1080", "tls-server-name": "api", "disable-compression": True}
        machine.environ["HTTPS_PROXY"] = "http://loses:1"
        machine.write(".kube/config", config(cluster=cluster))
        found = machine.resolve()
        assert (found.proxy_url, found.tls_server_name, found.disable_compression) == ("socks5://p:1080", "api", True)

    def test_the_environments_proxy(self, machine: Machine) -> None:
        machine.environ["https_proxy"] = "proxy:3128"
        assert machine.resolve(server="https://x").proxy_url == "http://proxy:3128"
        machine.environ["HTTPS_PROXY"] = "gopher://proxy"
        assert "HTTPS_PROXY" in machine.refused(server="https://x")

    def test_exec_plugins(self, machine: Machine) -> None:
        plugin = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "./bin/get-token",
            "args": ["--cluster", "one"],
            "env": [{"name": "PROFILE", "value": "ci"}],
            "installHint": "install it",
            "provideClusterInfo": True,
            "interactiveMode": "Never",
        }
        extension = [{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}]
        path = machine.write("k/config", config(user={"exec": plugin}, cluster={"extensions": extension}))
        found = machine.resolve(kubeconfig=str(path)).user.exec_plugin
        assert found is not None
        assert found.command == str(machine.home / "k/bin/get-token")
        assert (found.args, found.env) == (("--cluster", "one"), (("PROFILE", "ci"),))
        assert (found.cluster_config, found.provide_cluster_info) == ({"audience": "x"}, True)

    def test_dates_are_text_as_to_kubectl(self, machine: Machine) -> None:
        extension = [{"name": "client.authentication.k8s.io/exec", "extension": {"since": "DATE", "at": "TIME"}}]
        plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "x", "provideClusterInfo": True}
        made = config(user={"exec": plugin}, cluster={"extensions": extension}, context={"namespace": "DATE"})
        text = yaml.safe_dump(made).replace("DATE", "2024-01-01").replace("TIME", "2024-01-01T10:00:00Z")
        machine.write(".kube/config", text)
        found = machine.resolve()
        assert found.user.exec_plugin is not None and found.namespace == "2024-01-01"
        assert found.user.exec_plugin.cluster_config == {"since": "2024-01-01", "at": "2024-01-01T10:00:00Z"}

    def test_a_bare_plugin_is_looked_up_in_path_later(self, machine: Machine) -> None:
        machine.write(".kube/config", config(user={"exec": {"command": "aws", "apiVersion": "x"}}))
        found = machine.resolve().user.exec_plugin
        assert found is not None
        assert found.command == "aws"


class TestErrors:
    def test_an_unknown_context_lists_those_there(self, machine: Machine) -> None:
        machine.write(".kube/config", config())
        said = machine.refused(context="two")
        assert "~/.kube/config" in said
        assert "'two'" in said
        assert "contexts there: one" in said

    def test_no_current_context(self, machine: Machine) -> None:
        machine.write(".kube/config", config(current=None))
        assert "contexts there: one" in machine.refused()

    @pytest.mark.parametrize("kind", ["cluster", "user"])
    def test_a_context_that_names_nothing(self, machine: Machine, kind: str) -> None:
        machine.write(".kube/config", config(context={kind: "gone"}))
        said = machine.refused()
        assert "context one" in said
        assert f"no {kind} 'gone'" in said
        assert f"{kind}s there: one" in said

    @pytest.mark.parametrize(
        ("user", "words"),
        [
            ({"client-certificate-data": "%%%", "client-key-data": "%%%"}, "client-certificate-data is not base64"),
            ({"client-certificate": "gone.crt", "client-key": "gone.key"}, "gone.crt"),
            ({"client-certificate": "go\0ne.crt", "client-key": "gone.key"}, "client-certificate names no file"),
            ({"client-certificate-data": encoded("x")}, "together"),
            ({"auth-provider": {"name": "gcp", "config": {"access-token": SECRET}}}, "exec plugin"),
            ({"token": 12345}, "quotes"),
            ({"exec": {"apiVersion": "v1"}}, "command"),
            ({"exec": ["x"]}, "exec"),
        ],
    )
    def test_a_bad_user_is_named(self, machine: Machine, user: dict[str, Any], words: str) -> None:
        machine.write(".kube/config", config(user=user))
        said = machine.refused()
        assert "kubeconfig ~/.kube/config: user one" in said
        assert words in said

    @pytest.mark.parametrize(
        ("cluster", "words"),
        [
            ({"certificate-authority-data": "%%%"}, "not base64"),
            ({"proxy-url": "gopher://x"}, "proxy-url"),
            ({"insecure-skip-tls-verify": "yes please"}, "true or false"),
            ({"server": ""}, "no server"),
        ],
    )
    def test_a_bad_cluster_is_named(self, machine: Machine, cluster: dict[str, Any], words: str) -> None:
        machine.write(".kube/config", config(cluster=cluster))
        said = machine.refused()
        assert "cluster one" in said
        assert words in said

    @pytest.mark.parametrize("text", [f"a: [{SECRET}", f"- {SECRET}\n", f"users: {SECRET}\n", "a: 2001-99-99\n"])
    def test_a_file_that_is_none(self, machine: Machine, text: str) -> None:
        machine.write(".kube/config", text)
        assert "~/.kube/config" in machine.refused()

    def test_a_missing_file(self, machine: Machine) -> None:
        assert "/no/such" in machine.refused(kubeconfig="/no/such")
        machine.environ["KUBECONFIG"] = "/no/one:/no/two"
        said = machine.refused()
        assert "/no/one" in said
        assert "/no/two" in said

    def test_a_secret_taken_for_a_path_is_not_shown(self, machine: Machine) -> None:
        cut_short = encoded(yaml.safe_dump(config(user={"token": "x" * 400})))[:-3]
        with pytest.raises(InputError) as caught:
            machine.resolve(kubeconfig=cut_short)
        assert cut_short[:40] not in str(caught.value)


@pytest.mark.parametrize("how", [yaml.safe_dump, json.dumps, lambda made: encoded(yaml.safe_dump(made))])
def test_text_in_the_variable_for_paths_is_named_and_not_quoted(how: Callable[[Any], str], machine: Machine) -> None:
    machine.environ["KUBECONFIG"] = how(config())
    told = machine.refused()
    assert "KUBECONFIG holds text, where paths belong" in told and "K8S_KUBECONFIG" in told
    assert encoded(yaml.safe_dump(config()))[:20] not in told


def test_paths_on_lines_are_told_from_text(machine: Machine) -> None:
    for text in (f"{SECRET}: a\nb", SECRET * 40):
        machine.environ["KUBECONFIG"] = text
        assert "KUBECONFIG holds text" in machine.refused()


TOKENS = [
    "sha256~9Xk29-abcdefghijklmnop",
    f"eyJhbGciOiJS.{'eyJpc3Mi' * 40}.c2ln",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
]


@pytest.mark.parametrize("token", TOKENS)
class TestATokenInPlaceOfAPath:
    """The setting is named, and what it holds is not repeated."""

    def test_of_the_options(self, machine: Machine, token: str) -> None:
        found = machine.resolve(server="https://x", token_file=token, sources={"token_file": "K8S_TOKEN_FILE"})
        assert found.user.token_file_origin == "K8S_TOKEN_FILE" and token not in repr(found.user)

    def test_of_a_kubeconfig(self, machine: Machine, token: str) -> None:
        path = machine.write("config", config(user={"tokenFile": token}))
        assert (
            machine.resolve(kubeconfig=str(path)).user.token_file_origin == "kubeconfig ~/config: user one: tokenFile"
        )

    @pytest.mark.parametrize("key", ["client-key", "client-certificate"])
    def test_of_a_key(self, machine: Machine, token: str, key: str) -> None:
        told = machine.refused(kubeconfig=str(machine.write("config", config(user={key: token}))))
        assert told.startswith(f"kubeconfig ~/config: user one: {key} names no file") and token not in told

    def test_of_an_authority(self, machine: Machine, token: str) -> None:
        path = machine.write("config", config(cluster={"certificate-authority": token}))
        told = machine.refused(kubeconfig=str(path))
        assert "cluster one: certificate-authority names no file" in told and token not in told
        told = machine.refused(server="https://x", ca=token, sources={"ca": "K8S_CA"})
        assert "K8S_CA is no PEM text" in told and token not in told

    def test_of_the_kubeconfig(self, machine: Machine, token: str) -> None:
        told = machine.refused(kubeconfig=token, sources={"kubeconfig": "K8S_KUBECONFIG"})
        machine.environ["KUBECONFIG"] = token
        assert all(
            words.startswith(f"{name}") and token not in words
            for name, words in (("K8S_KUBECONFIG", told), ("KUBECONFIG", machine.refused()))
        )


def test_a_path_of_a_token_is_named_as_it_is(machine: Machine) -> None:
    assert machine.resolve(server="https://x", token_file="/no/token").user.token_file_origin == ""


def test_no_secret_shows_in_a_repr(machine: Machine) -> None:
    plugin = {"command": "x", "apiVersion": "y", "args": [SECRET], "env": [{"name": "A", "value": SECRET}]}
    user = {"token": SECRET, "username": SECRET, "password": SECRET, "exec": plugin}
    user |= {"client-certificate-data": encoded(SECRET), "client-key-data": encoded(SECRET)}
    machine.write(".kube/config", config(user=user, cluster={"proxy-url": f"http://me:{SECRET}@proxy:1"}))
    found = machine.resolve()
    options = ConnectionOptions(token=SECRET, kubeconfig=SECRET, ca=SECRET)
    assert found.user.password == SECRET
    assert SECRET not in repr(found) + repr(found.user) + repr(found.user.exec_plugin) + repr(options)


def test_a_user_without_a_name_is_at_home_in_the_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a container under any uid, with no HOME."""

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.delenv("HOME")
    assert resolve(ConnectionOptions(server="https://one:6443"), {}).server == "https://one:6443"
    with pytest.raises(InputError) as caught:
        resolve(ConnectionOptions(kubeconfig=str(tmp_path / "missing")), {})
    assert str(tmp_path / "missing") in str(caught.value)
    assert "~" not in str(caught.value)
