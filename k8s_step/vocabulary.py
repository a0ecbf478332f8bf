"""Hints for words of kubectl and Helm that the step names otherwise, and for unknown words.

The hint offers the closest known word only where the user probably mistyped it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

_CLOSE = 0.8  # difflib's ratio from which a word counts as a misspelling
_NOT_HERE = "that is no step of a release: kubectl itself does it"
_IMAGE = "patch KIND/NAME --image CONTAINER=REF"
_ALWAYS = "leave it out: the step always does it"
COMMANDS = {
    **dict.fromkeys(("deploy", "install", "upgrade", "ship", "release", "up"), "apply -f PATH ships manifests"),
    **dict.fromkeys(
        ("validate", "lint"), "render -f PATH checks manifests here, apply -f PATH --dry-run on the server"
    ),
    **dict.fromkeys(("plan", "compare"), "diff -f PATH shows what would change"),
    "rollout": "status KIND/NAME, restart KIND/NAME, undo KIND/NAME; each waits for its verdict",
    "set": f"{_IMAGE} sets an image, patch KIND/NAME -p TEXT anything else",
    "edit": "patch KIND/NAME -p TEXT changes a part, replace -f PATH all",
    **dict.fromkeys(
        ("label", "annotate"), 'patch KIND/NAME --type merge -p \'{"metadata": {"labels": …}}\', annotations likewise'
    ),
    "describe": "status KIND/NAME tells where it stands and why, get KIND/NAME -o yaml what it is",
    **dict.fromkeys(("wait", "monitor"), "watch KIND/NAME --for condition=Ready, or status KIND/NAME for the verdict"),
    "rollback": "undo KIND/NAME, or apply --rollback-on-failure",
    **dict.fromkeys(("kustomize", "build"), "render -k DIR prints what a kustomization makes, apply -k DIR ships it"),
    "template": "render -f PATH prints the manifests; a chart goes through helm template … | k8s-step apply -f -",
    **dict.fromkeys(("uninstall", "remove", "rm", "destroy"), "delete -f PATH, delete KIND/NAME"),
    **dict.fromkeys(("list", "ls", "events"), "get KIND"),
    **dict.fromkeys(("copy", "replicate"), "sync KIND/NAME --to-context NAME copies objects to other clusters"),
    "logs": "run -f JOB streams a Job's logs; a release that fails shows the last lines of what failed",
    "job": "run -f JOB runs a Job and exits with its verdict; apply runs one that has k8s-step/run: always",
    "top": "check --metrics",
    **dict.fromkeys(("auth", "can-i"), "permissions -f PATH --check tells what this token lacks"),
    **dict.fromkeys(
        ("config", "kuberc", "cluster-info"), "--context NAME, --kubeconfig PATH; the log's first line names the server"
    ),
    "version": "--version",
    **dict.fromkeys(("autoscale", "expose"), "write it as a manifest, and apply that"),
    **dict.fromkeys(
        (
            *("exec", "port-forward", "cp", "attach", "debug", "proxy", "cordon", "uncordon", "drain", "taint"),
            *("explain", "api-resources", "api-versions", "certificate", "completion", "plugin"),
        ),
        _NOT_HERE,
    ),
}
OPTIONS = {
    **dict.fromkeys(("--server-side", "--validate"), _ALWAYS),
    **dict.fromkeys(("--record", "--overwrite", "--install", "--save-config"), "leave it out: nothing needs it here"),
    "--prune": "apply --prune --applyset NAME deletes what the manifests no longer hold",
    **dict.fromkeys(
        ("--prune-allowlist", "--prune-whitelist"),
        "leave it out: apply --prune --applyset NAME knows the kinds of its set",
    ),
    "--no-prune": "leave it out: nothing is pruned without --prune",
    "--force": "--force-conflicts takes fields over; the annotation k8s-step/on-immutable: recreate replaces objects",
    "--atomic": "--rollback-on-failure",
    "--cleanup-on-fail": "--rollback-on-failure",
    "--watch": "k8s-step watch KIND tells of each change, k8s-step status waits for the verdict",
    "--set": "--var K=V",
    "--set-string": "--var K=V",
    "--values": "--vars-file PATH",
    "--env": "--var K=V",
    "--create-namespace": "put a Namespace into the manifests",
    **dict.fromkeys(("--cluster", "--user", "--kube-context"), "--context NAME"),
    "--contexts": "--context NAME, once for each",
    "--kube-token": "--token, better as K8S_TOKEN",
    "--kube-apiserver": "--server URL",
    "--certificate-authority": "--ca takes a path, PEM text, or base64 of it",
    **dict.fromkeys(("--client-certificate", "--client-key", "--username", "--password"), "put it into a kubeconfig"),
    **dict.fromkeys(("--template", "--jsonpath"), "get -o jsonpath=TEMPLATE"),
    "--custom-columns": "get -o custom-columns=HEADER:PATH,…",
    "--chunk-size": "--limit N",
    "--file": "-f PATH, --filename PATH",
    "--manifest": "-f PATH, --filename PATH",
    "--manifests": "-f PATH, --filename PATH",
    "--images": "--image NAME=REF",
    "--local": "k8s-step render needs no server",
    **dict.fromkeys(
        ("--verbose", "--loglevel", "-v"), "the log has all that is known; --log-format json, --report PATH"
    ),
    "--quiet": "2>/dev/null; the exit code says it all",
    "-w": "k8s-step watch KIND tells of each change, k8s-step status waits for the verdict",
    "-c": "--image CONTAINER=REF names the container of a patch",
    "-i": "nobody is there to be asked",
    "-it": "nobody is there to be asked",
}
_UNKNOWN_COMMAND = re.compile(r"No such command '([^']+)'")
_UNKNOWN_OPTION = re.compile(r"No such option:? '?(-[^\s'.]+)")
_VALUELESS = re.compile(r"Option '?(--[^\s']+)'? does not take a value")
_DRY_RUN = {
    "server": "--dry-run alone is the server's dry run",
    "client": "k8s-step render shows what would be sent, and needs no server; --dry-run alone asks the server",
    "none": "leave it out",
}


def advice(message: str, argv: Sequence[str], commands: Iterable[str], options: Iterable[str]) -> tuple[str, str]:
    """click's message about a wrong word without click's own guess, and our hint, empty where there is none."""
    if found := _UNKNOWN_COMMAND.search(message):
        return f"no such command '{found[1]}'", COMMANDS.get(found[1].lower()) or _meant(found[1], commands)
    if found := _UNKNOWN_OPTION.search(message):
        return f"no such option '{found[1]}'", OPTIONS.get(found[1]) or _meant(found[1], options)
    if found := _VALUELESS.search(message):
        return f"{found[1]} takes no value", _without_value(found[1], argv, frozenset(options))
    return message, ""


def dry_run(word: str) -> str | None:
    """The hint for kubectl's value of ``--dry-run``; ``None`` for any other value."""
    return _DRY_RUN.get(word.lower())


def _meant(word: str, known: Iterable[str]) -> str:
    bare = {name.lstrip("-"): name for name in known}
    close = difflib.get_close_matches(word.lstrip("-").lower(), bare, 1, _CLOSE)
    return f"did you mean {bare[close[0]]}?" if close else ""


def _without_value(option: str, argv: Sequence[str], options: frozenset[str]) -> str:
    given = next((word.partition("=")[2] for word in argv if word.startswith(f"{option}=")), "")
    if option == "--dry-run" and (told := dry_run(given)):
        return told
    negated = f"--no-{option.removeprefix('--')}"
    if given.lower() in ("false", "no", "0", "off"):
        return f"say {negated}" if negated in options else "leave it out"
    return f"say {option}" + (f", or {negated}" if negated in options else "")
