"""The Python API without a server: its settings, its words, and what importing it costs."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import k8s_step
from k8s_step import Cluster, EnvironmentSettings, InputError, ReleaseOptions, StepError, StoppedError
from k8s_step.keywords import UNSAID
from k8s_step.options import APPLY, CONNECTION
from tests.unit.loopback import Exchange, Loopback, in_turn

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: one
contexts:
- {name: one, context: {cluster: c, user: u, namespace: shop}}
- {name: two, context: {cluster: c, user: u}}
clusters:
- {name: c, cluster: {server: https://10.0.0.1:6443}}
users:
- {name: u, user: {token: the-token-of-u}}
"""


def test_importing_the_package_is_light() -> None:
    heavy = ("urllib3", "requests", "yaml", "click", "jsonpatch", "ssl", "k8s_step.errors")
    program = f"import sys, k8s_step; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


def test_importing_the_api_leaves_the_command_line_alone() -> None:
    program = "import sys, k8s_step; k8s_step.Cluster; print('click' in sys.modules, 'k8s_step.cli' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "False False\n"


@pytest.mark.parametrize("name", k8s_step.__all__)
def test_every_public_name_is_there_and_described(name: str) -> None:
    assert name in dir(k8s_step)
    found = getattr(k8s_step, name)
    assert inspect.getdoc(found)
    assert getattr(sys.modules["k8s_step"], name) is found


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="'k8s_step' has no attribute 'Clustr'"):
        k8s_step.Clustr  # noqa: B018


def test_every_connection_option_is_a_setting() -> None:
    ours = {option.field for option in CONNECTION} - UNSAID - {"contexts"}
    renamed = {"headers": "header", "kubeconfig": "kubeconfigs"}
    said = {renamed.get(name, name) for name in EnvironmentSettings.__annotations__}
    assert said == ours, "add it to k8s_step/keywords.py: to EnvironmentSettings or to UNSAID"


def test_every_option_of_apply_is_one_of_a_release() -> None:
    """But for what only shows in a log."""
    ours = {option.field for option in APPLY} - UNSAID | {"namespace"}
    assert set(ReleaseOptions.__annotations__) == ours, "add it to ReleaseOptions in k8s_step/keywords.py"


@pytest.mark.parametrize("first", ["k8s_step.release.following.follow", "k8s_step.cluster", "k8s_step"])
def test_release_is_the_function_whatever_was_imported_before(first: str) -> None:
    program = f"import {first}, k8s_step; from k8s_step import release; print(release.__module__, release.__name__)"
    command = [sys.executable, "-W", "error", "-c", program]
    assert subprocess.check_output(command, text=True) == "k8s_step.cluster release\n"


def test_a_kubeconfig(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(KUBECONFIG)
    with Cluster.from_kubeconfig(path) as cluster:
        assert (cluster.server, cluster.context, cluster.namespace) == ("https://10.0.0.1:6443", "one", "shop")
        assert "the-token-of-u" not in repr(cluster)
    with Cluster.from_kubeconfig(KUBECONFIG, context="two") as cluster:
        assert (cluster.context, cluster.namespace) == ("two", "default")
    with pytest.raises(InputError, match="there is no context 'three'"):
        Cluster.from_kubeconfig(path, context="three")


def test_the_environment_is_read_in_the_order_of_the_command_line() -> None:
    environ = {"INPUT_SERVER": "https://one", "K8S_API": "https://two", "K8S_TOKEN": "t", "K8S_NAMESPACE": "shop"}
    with Cluster.from_environment(environ) as cluster:
        assert (cluster.server, cluster.namespace) == ("https://one", "shop")
    with Cluster.from_environment(environ, server="https://three", namespace="other") as cluster:
        assert (cluster.server, cluster.namespace) == ("https://three", "other")


@pytest.mark.parametrize("variable", ["K8S_CONTEXT", "K8S_NAMESPACE"])
def test_a_cluster_is_one(variable: str) -> None:
    """Where the command line would take several."""
    with pytest.raises(InputError, match=f"{variable}: 2 are named, and a Cluster has one"):
        Cluster.from_environment({"K8S_KUBECONFIG": KUBECONFIG, variable: "one,two"})


def test_a_kubeconfig_of_one_context() -> None:
    with pytest.raises(InputError, match="context=: 2 are named, and a Cluster has one"):
        Cluster.from_kubeconfig(KUBECONFIG, context="one,two")
    with pytest.raises(InputError, match="namespace=: 2 are named, and a Cluster has one"):
        Cluster("https://10.0.0.1", namespace="shop,web")


@pytest.mark.parametrize(
    "call",
    [
        lambda cluster: cluster.get("pod", "web", namespace="shop,web"),
        lambda cluster: cluster.list("pods", namespace="shop,web"),
        lambda cluster: cluster.watch("pods", namespace="shop,web"),
        lambda cluster: cluster.patch("pod", "web", {}, namespace="shop,web"),
        lambda cluster: cluster.delete("pod", "web", namespace="shop,web"),
        lambda cluster: cluster.follow("pod/web", namespace="shop,web"),
        lambda cluster: cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {}}, namespace="shop,web"),
    ],
)
def test_a_call_is_about_one_namespace(call: Callable[[Cluster], object]) -> None:
    with Cluster("https://10.0.0.1") as cluster, pytest.raises(InputError, match=r"namespace=: 2 .*a call has one"):
        call(cluster)


def test_a_release_is_about_one_namespace() -> None:
    with Cluster("https://10.0.0.1") as cluster, pytest.raises(InputError, match=r"namespace=: 2 .*a release has one"):
        cluster.release("k8s/", namespace="shop,web")


def test_nothing_names_a_cluster() -> None:
    with pytest.raises(InputError, match="no cluster is named anywhere"):
        Cluster.from_environment({"HOME": "/nowhere"})


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"server": "ftp://x"}, "server=: the server is no http or https URL"),
        ({"token": "a", "token_file": "b"}, "token= and token_file= contradict each other"),
        ({"ca": "/no/such.pem"}, "ca= /no/such.pem is no PEM text"),
        ({"request_timeout": "soon"}, "request_timeout=: 'soon' is not a duration"),
        ({"concurrency": 0}, "concurrency=: '0' is not a whole number above 0"),
        ({"headers": {"Authorization": "x"}}, "headers=: .*see token= for credentials"),
        ({"impersonate_groups": ["a"]}, "needs a user as well: impersonate_user="),
    ],
)
def test_settings_that_cannot_be_right(settings: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        Cluster(**{"server": "https://10.0.0.1", **settings})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["tokn", "report", "log_format"])
def test_a_setting_that_is_none(name: str) -> None:
    """The keywords there are are named as they are to be written."""
    with pytest.raises(TypeError, match=r"headers, .*kubeconfig, "):
        Cluster("https://10.0.0.1", **{name: "x"})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=f"no keyword '{name}'"):
        Cluster("https://10.0.0.1", **{name: "x"})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"timeout": "soon"}, "timeout=: 'soon' is not a duration"),
        ({"fail_after": {"ErrImagePull": "soon"}}, "fail_after=: ErrImagePull: 'soon' is not a duration"),
        ({"dry_run": "perhaps"}, "dry_run=: 'perhaps' is neither true nor false"),
    ],
)
def test_options_that_cannot_be_right(options: dict[str, object], told: str) -> None:
    with Cluster("https://10.0.0.1") as cluster, pytest.raises(InputError, match=told):
        cluster.release("k8s/", **options)  # type: ignore[arg-type]


def test_an_option_that_is_none() -> None:
    with Cluster("https://10.0.0.1") as cluster, pytest.raises(TypeError, match="no keyword 'replicas'"):
        cluster.release("k8s/", replicas=3)  # type: ignore[call-arg]


def test_a_name_is_no_path() -> None:
    with Cluster("https://10.0.0.1") as cluster, pytest.raises(InputError, match="'web/eviction' is no object's name"):
        cluster.delete("pod", "web/eviction")


def test_what_is_closed_is_called_so() -> None:
    cluster = Cluster("https://10.0.0.1")
    cluster.close()
    with pytest.raises(StoppedError, match="the Cluster is closed"):
        cluster.get("pod", "web")


def test_a_release_that_never_begins(tmp_path: Path) -> None:
    """A mistake in a manifest is a result, as the command line has it."""
    (tmp_path / "web.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '${NAME}'}\n")
    with Cluster("https://10.0.0.1") as cluster:
        result = k8s_step.release(tmp_path / "web.yaml", cluster)
    assert (result.command, result.result, result.exit_code, result.succeeded) == ("apply", "invalid", 2, False)
    (problem,) = result.errors
    assert (problem.file, problem.line) == (str(tmp_path / "web.yaml"), 3)


def test_settings_reach_the_server() -> None:
    with Loopback(in_turn(lambda exchange: exchange.reply())) as server:
        with Cluster(
            server.url, token="t0ken-of-mine", headers={"X-Pipeline": "job-42"}, impersonate_user="ann", concurrency=1
        ) as cluster:
            cluster.get("pod", "web", namespace="shop")
        (asked,) = server.exchanges
    assert asked.target == "/api/v1/namespaces/shop/pods/web"
    assert asked.header("Authorization") == "Bearer t0ken-of-mine"
    assert (asked.header("X-Pipeline"), asked.header("Impersonate-User")) == ("job-42", "ann")


@pytest.mark.parametrize("only_new", [False, True])
def test_a_watch_tells_what_is_there_before_its_time_is_up(only_new: bool) -> None:
    """A page at a time, and each after the end that was asked for."""

    def listed(exchange: Exchange) -> None:
        is_last = "continue" in exchange.target
        items = [{"metadata": {"name": "b" if is_last else "a", "namespace": "shop", "uid": exchange.target}}]
        token = {} if is_last else {"continue": "more"}
        exchange.reply(200, {"kind": "PodList", "metadata": {"resourceVersion": "7", **token}, "items": items})

    with Loopback(listed) as server, Cluster(server.url, namespace="shop") as cluster:
        found = [change.object["metadata"]["name"] for change in cluster.watch("pods", only_new=only_new, timeout=0)]
    assert found == ([] if only_new else ["a", "b"])


def test_an_error_repeats_no_token() -> None:
    def repeat(exchange: Exchange) -> None:
        status = {"kind": "Status", "message": f"no {exchange.header('Authorization')}", "code": 404}
        exchange.reply(404, status)

    with (
        Loopback(in_turn(repeat)) as server,
        Cluster(server.url, token="t0ken-of-mine") as cluster,
        pytest.raises(StepError) as refused,
    ):
        cluster.get("pod", "web")
    assert "t0ken-of-mine" not in f"{refused.value} {refused.value!r} {refused.value.args}"


def test_a_plain_token_over_the_network_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    Cluster("http://k8s.example.com", token="t0ken").close()
    assert "unencrypted" in caplog.text
