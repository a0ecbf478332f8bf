"""What is known of the cluster ahead, and when no connection is opened to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from k8s_step.errors import InputError
from k8s_step.inputs import Inputs
from k8s_step.release.planning.preconnection import Preconnection
from k8s_step.surroundings import System
from tests.conftest import poll
from tests.unit.loopback import Loopback


def kubeconfig(folder: Path, server: str, user: dict[str, Any], **cluster: str) -> dict[str, str]:
    path = folder / "kubeconfig"
    described = {
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(described))
    return {"KUBECONFIG": str(path), "HOME": str(folder)}


def preconnection(environ: dict[str, str], **inputs: Any) -> Preconnection:
    return Preconnection(Inputs(**inputs), environ, System.OTHER)


def test_a_connection_is_opened_and_nothing_sent(tmp_path: Path) -> None:
    with Loopback(lambda exchange: exchange.reply()) as server:
        made = preconnection(kubeconfig(tmp_path, server.url, {}))
        poll(lambda: server.connections, "the connection")
        made.close()
        assert server.exchanges == []
    found = made.connection()
    assert found is not None and found.server == server.url


EXEC = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "never-run", "interactiveMode": "Never"}}


@pytest.mark.parametrize(
    ("user", "cluster"),
    [
        pytest.param(EXEC, {}, id="exec-plugin"),
        pytest.param({}, {"proxy-url": "http://127.0.0.1:1"}, id="proxy"),
        pytest.param({}, {"certificate-authority-data": "bm8gUEVN"}, id="wrong-ca"),
    ],
)
def test_none_is_opened(user: dict[str, Any], cluster: dict[str, str], tmp_path: Path) -> None:
    made = preconnection(kubeconfig(tmp_path, "https://127.0.0.1:1", user, **cluster))
    assert made.transport is None and made.connection() is not None
    made.close()


def test_a_clouds_cluster_is_not_asked_for(tmp_path: Path) -> None:
    made = preconnection({"HOME": str(tmp_path)}, eks_cluster="shop")
    assert (made.transport, made.connection()) == (None, None)


def test_a_mistake_is_told_when_the_settings_are_asked_for(tmp_path: Path) -> None:
    made = preconnection({"HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "missing")})
    with pytest.raises(InputError, match="missing"):
        made.connection()
