"""Connections to the server are opened before the manifests are read, and are those of the first requests."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import Step, poll
from tests.integration.objects import config_map, write
from tests.unit.loopback import Exchange, Loopback


def refuse(exchange: Exchange) -> None:
    status = {"kind": "Status", "status": "Failure", "code": 422, "reason": "Invalid", "message": "no, thank you"}
    exchange.reply(422, status)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback(refuse) as running:
        yield running


@pytest.mark.parametrize(("concurrency", "count"), [("1", 1), ("32", 4)])
def test_it_is_open_before_the_manifests_are_read(
    concurrency: str, count: int, step: Step, server: Loopback, tmp_path: Path
) -> None:
    pipe = tmp_path / "release.yaml"
    os.mkfifo(pipe)
    running = step.start("apply", "-f", str(pipe), "--server", server.url, "--concurrency", concurrency)
    poll(lambda: server.connections == count, "the connections")
    assert server.exchanges == []
    write(pipe, config_map(a="b"))
    assert running.wait().code == 4
    assert server.connections == count and [exchange.method for exchange in server.exchanges] == ["GET"]


def test_a_local_mistake_sends_nothing(step: Step, server: Loopback, tmp_path: Path) -> None:
    path = tmp_path / "release.yaml"
    path.write_text("kind: ConfigMap\n")
    outcome = step("apply", "-f", str(path), "--server", server.url)
    assert (outcome.code, server.exchanges) == (2, []), outcome.text


@pytest.mark.parametrize("verb", ["render", "permissions"])
def test_a_verb_that_needs_no_server_opens_none(verb: str, step: Step, server: Loopback, tmp_path: Path) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    outcome = step(verb, "-f", path, "-n", "shop", "--server", server.url)
    assert (outcome.code, server.connections) == (0, 0), outcome.text


def test_a_mistake_in_a_manifest_is_told_before_one_in_the_kubeconfig(step: Step, tmp_path: Path) -> None:
    path = tmp_path / "release.yaml"
    path.write_text("kind: ConfigMap\n")
    wrong = {"KUBECONFIG": str(tmp_path / "missing")}
    assert str(path) in (both := step("apply", "-f", str(path), env=wrong)).stderr and both.code == 2, both.text
    write(path, config_map(a="b"))
    assert "missing" in (one := step("apply", "-f", str(path), env=wrong)).stderr and one.code == 2, one.text


def test_a_kubeconfig_that_can_be_read_once(step: Step, server: Loopback, tmp_path: Path) -> None:
    described = {
        "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        "contexts": [{"name": "x", "context": {"cluster": "c"}}],
        "current-context": "x",
    }
    pipe = tmp_path / "kubeconfig"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(yaml.safe_dump(described),), daemon=True)
    writer.start()
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    outcome = step("apply", "-f", path, "--kubeconfig", str(pipe))
    assert outcome.code == 4 and "no, thank you" in outcome.stderr, outcome.text
