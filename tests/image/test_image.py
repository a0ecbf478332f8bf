"""The image itself, built and run: what is in it, and each system's way of starting it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from k8s_step import __version__
from k8s_step.errors import ExitCode
from tests.image.build import LABELS, Image, built
from tests.image.container import Container, first_process
from tests.image.tools import UnavailableError
from tests.integration.objects import deployment

LOUD = "SKIPPED THE IMAGE"
STRANGER = 12345
WORK = "/work"
pytestmark = pytest.mark.timeout(1800)  # the first build makes a base image, too

# What GitLab's runner gives the image to run; the job's script comes over stdin (gitlab-runner, shells/bash.go).
_DETECT = "if [ -x /usr/local/bin/bash ]; then exec /usr/local/bin/bash; elif [ -x /bin/bash ]; then exec /bin/bash; fi"
_CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {color: '${COLOR}'}\n"


@pytest.fixture(scope="session")
def image() -> Image:
    try:
        return built()
    except UnavailableError as reason:
        pytest.skip(f"{LOUD}: {reason}")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A workspace that anybody may write to."""
    folder = tmp_path / "work"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "config.yaml").write_text(_CONFIG)
    (folder / "values.yaml").write_text("COLOR: teal\n")
    return folder


def test_it_says_what_it_is(image):
    labels = {name.rpartition(".")[2]: text for name, text in image.config["Labels"].items()}

    assert {name.upper(): labels[name] for name in ("version", "revision", "created", "source")} == LABELS
    assert (labels["title"], labels["licenses"]) == ("k8s-step", "Apache-2.0")
    assert Container(image).run("--version").stdout == f"k8s-step {__version__}\n"


def test_nothing_that_builds_or_downloads_is_left(image):
    names = {path.name for path in image.root.rglob("*") if "share" not in path.parts}

    unwanted = {
        "pip",
        "setuptools",
        "wheel",
        "ensurepip",
        "idlelib",
        "gcc",
        "cc",
        "make",
        "git",
        "kubectl",
        "curl",
        "Python.h",
    }
    assert not unwanted & names
    assert not [name for name in names if name.endswith((".whl", ".a"))]
    assert {"k8s-step", "python3"} <= {path.name for path in (image.root / "usr/local/bin").iterdir()}
    assert image.unpacked < image.base + 20e6, image.size


def test_nobody_can_become_root(image):
    assert not [path for path in image.root.rglob("*") if path.is_file() and path.lstat().st_mode & 0o6000]


_COMPILED = """
import importlib.util, pathlib, sysconfig
for source in pathlib.Path(sysconfig.get_path("stdlib")).rglob("*.py"):
    header = pathlib.Path(importlib.util.cache_from_source(source)).read_bytes()[4:16]
    assert header == bytes([1, 0, 0, 0]) + importlib.util.source_hash(source.read_bytes()), source
    print(source)
"""


def test_all_is_compiled_and_current(image):
    """Bytecode that nobody compares at run time (flags 1 of PEP 552), of the very source that lies beside it."""
    answer = Container(image).run("python", "-c", _COMPILED)

    assert answer.returncode == 0, answer.stderr
    assert {"argparse.py", "entrypoint.py"} <= {Path(line).name for line in answer.stdout.splitlines()}


def test_the_demo_needs_nothing_writable(image):
    """No home, no /tmp, no name for the user."""
    answer = Container(image, user=STRANGER).run("demo")

    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_root_needs_no_capability(image):
    """``--cap-drop ALL``."""
    words = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "k8s-step", "--version")
    answer = Container(image).run(*words)

    assert answer.returncode == 0, answer.stderr


def test_a_misspelled_command_is_the_steps(image):
    answer = Container(image, user=STRANGER).run("aply")

    assert answer.returncode == ExitCode.INVALID
    assert "did you mean apply?" in answer.stderr


def test_as_a_container_action(image, work):
    """GitHub starts it with no words and inputs in the environment, whose names no shell can hold."""
    container = Container(image, workdir="/github/workspace", volumes={work: "/github/workspace"})
    inputs = {"INPUT_COMMAND": "render", "INPUT_FILENAME": "config.yaml\n", "INPUT_VARS-FILE": "values.yaml"}
    answer = container.run(env={**inputs, "INPUT_DRY-RUN": "", "HOME": "/github/home", "GITHUB_ACTIONS": "true"})

    assert answer.returncode == 0, answer.stderr
    assert "color: teal" in answer.stdout


def test_as_gitlabs_image(image, work):
    """A script through a shell; SIGPIPE ends a program as in any shell."""
    script = f"set -eo pipefail\ncd {WORK}\nk8s-step render -f config.yaml | grep color\nyes | head -1\n"
    container = Container(image, volumes={work: WORK})
    answer = container.run("sh", "-c", _DETECT, env={"COLOR": "plum", "CI_JOB_TOKEN": "x"}, input=script)

    assert answer.stdout.split() == ["color:", "plum", "y"]
    assert answer.returncode == 128 + signal.SIGPIPE
    assert "Broken pipe" not in answer.stderr


def test_as_jenkins_agent(image, work):
    """Jenkins starts cat as its own user and looks whether it runs; its steps come in beside it."""
    container = Container(image, user=STRANGER, volumes={work: WORK})
    waiting = container.start("cat")
    try:
        pid = first_process(waiting, "cat")
        assert Path(f"/proc/{pid}").stat().st_uid == STRANGER
        said = waiting.communicate("still here\n", timeout=60)[0]
    finally:
        waiting.kill()
    assert said == "still here\n"


def test_jenkins_finds_and_ends_an_aborted_step(image):
    """By a cookie in the environment of its processes: with programs of the image, which no shell brings."""
    container = Container(image, user=STRANGER)
    seen = container.run("ps", "-A", "-o", "pid,command", "e", env={"JENKINS_SERVER_COOKIE": "durable-1"})

    assert "JENKINS_SERVER_COOKIE=durable-1" in seen.stdout, seen.stderr
    assert container.run("kill", "-l").returncode == 0


@pytest.fixture
def kubeconfig(cluster) -> str:
    """Its text, as a secret variable holds it: certificates must need no file either."""
    return cluster.kubeconfig.read_text()


def test_a_release_as_any_user(image, work, namespace, kubeconfig):
    (work / "web.yaml").write_text(json.dumps(deployment("web", "shop/web:1")))
    container = Container(image, user=STRANGER, workdir=WORK, volumes={work: WORK})
    words = ("apply", "-f", "web.yaml", "--report", "result.json")
    answer = container.run(*words, env={"K8S_KUBECONFIG": kubeconfig, "K8S_NAMESPACE": namespace})

    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert json.loads((work / "result.json").read_text())["result"] == "succeeded"


@pytest.fixture
def stuck(image, work, namespace, kubeconfig) -> Iterator[object]:
    (work / "web.yaml").write_text(json.dumps(deployment("web", "shop/web:1-unready")))
    container = Container(image, user=STRANGER, workdir=WORK, volumes={work: WORK})
    running = container.start("apply", "-f", "web.yaml", env={"K8S_KUBECONFIG": kubeconfig, "K8S_NAMESPACE": namespace})
    yield running
    running.kill()
    running.wait()


def test_a_signal_to_process_1_is_heard(stuck):
    """As ``docker stop`` sends it."""
    said = []
    for line in stuck.stdout:
        said.append(line)
        if line.startswith("waiting for"):
            break
    os.kill(first_process(stuck, "python"), signal.SIGTERM)
    said.append(stuck.communicate(timeout=60)[0])

    assert stuck.returncode == ExitCode.CANCELLED, said
    assert "cancelled by SIGTERM" in "".join(said)
