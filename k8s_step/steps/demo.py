"""``demo``: a good release and two broken ones, sent by the real ``apply`` to a practice API server on loopback."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources

from k8s_step.errors import ExitCode
from k8s_step.practice import PracticeServer


@dataclass(frozen=True)
class Act:
    """One run of ``apply``: its introduction, its options, and the exit code that it should end with."""

    title: str
    told: str
    options: tuple[str, ...]
    expected: ExitCode


_MANIFEST = resources.files("k8s_step.practice") / "shop.yaml"
_API = "registry.example/shop/api"
_ACTS = (
    Act(
        "a good release",
        "Five objects, two of them Deployments. The step waits until their pods are ready.",
        ("--var", "TAG=1.4.0"),
        ExitCode.SUCCEEDED,
    ),
    Act(
        "a tag that nobody pushed",
        "The old pods go on serving, so the cluster looks healthy. The step must not say so.",
        ("--var", "TAG=1.5.0-typo"),
        ExitCode.FAILED,
    ),
    Act(
        "a program that crashes at start",
        "web goes back to its good tag; api gets an image that can't reach its database.",
        ("--var", "TAG=1.4.0", "--image", f"{_API}={_API}:2.4.0-crash"),
        ExitCode.FAILED,
    ),
)
_INTRODUCTION = """\
This is a practice run: the step is real, the cluster is not. A small API server on {url} plays
one, in memory, with pods that start and fail by the name of their image. Nothing leaves this machine."""
_NEXT = """\
That was it: each run ended with the exit code it should. Now with your own cluster, without changing anything yet:
  k8s-step apply -f PATH-TO-YOUR-MANIFESTS --dry-run
and then, to release and to wait for the verdict:
  k8s-step apply -f PATH-TO-YOUR-MANIFESTS"""


def demo(run: Callable[[Sequence[str]], int], say: Callable[[str], None]) -> int:
    """Play the acts with ``run(argv)``, the step's own entry; 70 where one doesn't end as it should."""
    with PracticeServer() as server, resources.as_file(_MANIFEST) as manifest:
        say(_INTRODUCTION.format(url=server.url))
        for number, act in enumerate(_ACTS, start=1):
            argv = ["apply", "--server", server.url, "-f", str(manifest), *act.options]
            _announce(number, act, argv, say)
            code = run(argv)
            say(f"\nexit code {code}")
            if code in (ExitCode.INTERRUPTED, ExitCode.CANCELLED):
                return code
            if code != act.expected:
                say(f"Act {number} should have ended with exit code {int(act.expected)}: this is a bug of k8s-step.")
                return ExitCode.BUG
    say(f"\n{_NEXT}")
    return ExitCode.SUCCEEDED


def _announce(number: int, act: Act, argv: Sequence[str], say: Callable[[str], None]) -> None:
    say(f"\n== {number} of {len(_ACTS)}: {act.title} ==")
    say(f"{act.told} Expected exit code: {int(act.expected)}.")
    say(f"\n$ k8s-step {shlex.join(argv)}\n")
