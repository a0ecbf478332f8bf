"""What a run imports: a module that is needed later, or by other runs alone, must not delay the first request."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

# Runs the step; prints the names of the modules imported by the first request, or by the end, and leaves.
CHILD = """
import json, os, socket, sys

def leave(code=0):
    os.write(PIPE, json.dumps(sorted(sys.modules)).encode())
    exit(code)

class Recording(socket.socket):
    def sendall(self, *_):
        leave()

exit, os._exit, socket.socket = os._exit, leave, Recording
sys.argv[0] = "k8s-step"
from k8s_step.__main__ import main
main()
"""
AT_ALL_TIMES = """
    __main__ cancellation cli commands errors inputs options streams surroundings
    redaction redaction.escapes redaction.forms redaction.index redaction.needles redaction.redactor
"""
BY_THE_FIRST_REQUEST = """
    api api.client api.concurrency api.congestion api.discovery api.limiter api.outages api.refusals api.request
    connection connection.ailments connection.exchange connection.exchange.channel connection.exchange.faults
    connection.exchange.proxies connection.exchange.route connection.exchange.tls connection.exchange.transport
    connection.headers connection.identity connection.identity.credentials connection.lookup connection.retries
    connection.settings
    manifests manifests.documents manifests.files manifests.foreign manifests.foreign.exports
    manifests.foreign.hooks manifests.foreign.tools manifests.images manifests.jsonreader manifests.manifest
    manifests.names manifests.nodes manifests.pipes manifests.scalars manifests.templating
    manifests.templating.ambient manifests.templating.expressions manifests.templating.templates
    objects objects.address objects.body objects.conditions objects.kinds objects.kinds.configuration
    objects.kinds.secrets objects.kindword objects.metadata objects.ownership objects.ownership.applied
    objects.ownership.fieldset objects.ownership.lastapplied objects.provenance objects.reference
    objects.resource objects.values objects.values.shapes objects.values.times
    operations operations.apply operations.look operations.plan
    redaction.secretfile
    release release.apply release.batch release.following release.following.exemptions release.order
    release.order.annotations release.order.waves release.phases release.planning release.planning.arguments
    release.planning.guards release.planning.login release.planning.plan release.planning.preconnection
    release.planning.reading release.planning.session release.preflight release.pruning release.pruning.gate
    release.send release.takeovers
    report report.files report.formats report.formats.choice report.formats.plain report.formats.resultfiles
    report.journal report.layout report.layout.text report.output report.results report.results.problem
    report.results.result report.sink report.wording
    steps steps.apply
    verdict verdict.states verdict.terms verdict.terms.patience
"""
# Of the standard library, what is slow to import or starts programs.
NOT_YET = {"asyncio", "bz2", "concurrent", "encodings.idna", "hashlib", "logging", "lzma", "subprocess", "tempfile"}


def imported(folder: Path, *words: str) -> set[str]:
    reader, writer = os.pipe()
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
    line = [sys.executable, "-I", "-c", CHILD.replace("PIPE", str(writer)), *words]
    started = subprocess.Popen(line, env=environ, pass_fds=[writer], stdout=subprocess.DEVNULL, cwd=folder)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as told:
        names = json.load(told)
    assert started.wait(60) == 0
    return set(names)


def ours(names: set[str]) -> set[str]:
    return {name.removeprefix("k8s_step.") for name in names if name.startswith("k8s_step.")}


def others(names: set[str]) -> set[str]:
    own = {"k8s_step", "__main__", "__mp_main__", "cython_runtime"}
    tops = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - own
    return {top for top in tops if not top.startswith(("_", "sitecustomize", "usercustomize"))}


def test_apply_by_its_first_request(tmp_path: Path) -> None:
    manifest = tmp_path / "release.yaml"
    manifest.write_text("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {a: b}}\n")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = f"http://127.0.0.1:{listener.getsockname()[1]}"
        names = imported(tmp_path, "apply", "-f", str(manifest), "--server", server, "--token", "abc")
    assert ours(names) - {*AT_ALL_TIMES.split(), *BY_THE_FIRST_REQUEST.split()} == set()
    assert others(names) == {"click", "yaml"}
    assert names & NOT_YET == set()


@pytest.mark.parametrize(
    "words",
    [
        ("get", "deployment/web"),
        ("patch", "deployment/web", "--image", "app=shop/web:2"),
        ("patch", "deployment/web", "--patch", "{spec: {replicas: 2}}"),
        ("restart", "deployment/web"),
        ("scale", "deployment/web", "--replicas", "2"),
        ("status", "deployment/web"),
        ("undo", "deployment/web"),
    ],
    ids=" ".join,
)
def test_what_follows_by_the_first_request(words: tuple[str, ...], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = f"http://127.0.0.1:{listener.getsockname()[1]}"
        names = ours(imported(tmp_path, *words, "--server", server, "--token", "abc"))
    follows = {"objects.jsonpath", "release.following.follow", "rollout", "verdict.judgement", "verdict.target"}
    assert names & follows == set()


@pytest.mark.parametrize("words", [("--version",), ("--help",), ("apply", "--help")])
def test_help(words: tuple[str, ...], tmp_path: Path) -> None:
    names = imported(tmp_path, *words)
    assert ours(names) - set(AT_ALL_TIMES.split()) == set()
    assert others(names) == {"click"}
    assert names & {"http.client", "ssl", "subprocess"} == set()
