"""Every option once: its flag, its variables, its words and its default; made into ``Inputs`` by a pure function.

``cli`` builds the flags from this table, and the documentation is held to it by tests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from k8s_step import durations, patience
from k8s_step.errors import InputError
from k8s_step.patience import Patience


@dataclass(frozen=True)
class Option:
    """One option.

    ``kind`` is text, list, switch, duration, number (from 1), count (from 0), choice or patience (a list).
    ``variables`` come before the usual two (``INPUT_<NAME>``, ``K8S_<NAME>``) where the contract names others;
    ``commas`` may separate a list's entries.
    """

    name: str
    help: str
    kind: str = "text"
    default: Any = None
    short: str = ""
    metavar: str = ""
    variables: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    commas: bool = False
    negatable: bool = False
    secret: bool = False

    @property
    def field(self) -> str:
        """The attribute of ``Inputs``."""
        return _FIELDS.get(self.name, self.name.replace("-", "_"))

    @property
    def all_variables(self) -> tuple[str, ...]:
        """The environment variables that set it, first one wins."""
        upper = self.name.upper()
        return (f"INPUT_{upper}", *(self.variables or (f"K8S_{upper.replace('-', '_')}",)))


# Words that Python keeps for itself, or that say more in code.
_FIELDS = {
    "as": "impersonate_user",
    "as-group": "impersonate_groups",
    "var": "variables",
    "image": "images",
    "type": "patch_type",
    "for": "for_command",
}

RESULT_FILES = (
    Option("report", "write the result to this file, as JSON", metavar="PATH"),
    Option("junit", "write the result to this file, as JUnit XML", metavar="PATH"),
    Option("dotenv", "write the outcome to this file, for GitLab's dotenv report", metavar="PATH"),
)

CONNECTION = (
    Option("server", "API server URL; http:// for kubectl proxy", metavar="URL", variables=("K8S_API", "K8S_SERVER")),
    Option("token", "bearer token", metavar="TOKEN", secret=True),
    Option("token-file", "file with the bearer token, read again when it changes", metavar="PATH"),
    Option(
        "oidc-audience",
        "ask GitHub for an ID token for this audience, and use it as the bearer token",
        metavar="AUDIENCE",
    ),
    Option("ca", "the cluster's CA: path, PEM text, or base64 of it", metavar="CA"),
    Option("insecure-skip-tls-verify", "do not verify the server's certificate (warned about)", "switch", False),
    Option("kubeconfig", "kubeconfig path(s); in K8S_KUBECONFIG also its text or base64", metavar="PATH"),
    Option("context", "the kubeconfig context to use", metavar="NAME"),
    Option(
        "namespace", "default: the manifest's, the context's, the service account's, default", short="n", metavar="NAME"
    ),
    Option("as", "impersonate this user", metavar="USER"),
    Option("as-group", "impersonate this group (repeatable)", "list", (), metavar="GROUP", commas=True),
    Option(
        "header",
        "extra request header, X-Pipeline: job-42 (repeatable)",
        "list",
        (),
        metavar="HEADER",
        variables=("K8S_HEADERS", "K8S_HEADER"),
    ),
    Option("request-timeout", "one request may take this long", "duration", 30.0, metavar="DURATION"),
    Option("concurrency", "requests in flight; lowered by itself when the server says 429", "number", 16),
    Option("field-manager", "the name changes are made under", default="k8s-step", metavar="NAME"),
    *RESULT_FILES,
    Option(
        "log-format", "how progress is written", "choice", "auto", choices=("auto", "plain", "github", "gitlab", "json")
    ),
)

_MANIFESTS = (
    Option(
        "filename",
        "manifest file, folder, glob or - for stdin (repeatable)",
        "list",
        (),
        short="f",
        metavar="PATH",
        commas=True,
    ),
    Option("recursive", "look into folders within folders", "switch", False, short="R"),
    Option("var", "a value for ${K} in manifests (repeatable)", "list", (), metavar="K=V"),
    Option(
        "vars-file", "file of values: YAML, JSON or K=V lines (repeatable)", "list", (), metavar="PATH", commas=True
    ),
    Option(
        "image", "use REF wherever the image NAME is named (repeatable)", "list", (), metavar="NAME=REF", commas=True
    ),
)

_FOLLOW = (
    Option("wait", "follow the rollout to its end", "switch", True, negatable=True),
    Option("timeout", "all objects must be current within this time", "duration", 600.0, metavar="DURATION"),
    Option(
        "fail-fast", "fail as soon as a pod says so, not at the server's own deadline", "switch", True, negatable=True
    ),
    Option(
        "fail-after",
        "how long a problem may last: ErrImagePull=2m, CrashLoopBackOff=5 (restarts), FailedCreate=never (repeatable)",
        "patience",
        metavar="REASON=DURATION",
        commas=True,
    ),
)

_FORCE = Option("force-conflicts", "take over fields that other managers own", "switch", False)

_ROLLBACK = Option(
    "rollback-on-failure", "where the release fails, take back what this run changed, and only that", "switch", False
)

APPLY = (
    *_MANIFESTS,
    _FORCE,
    Option("dry-run", "let the server check everything and change nothing", "switch", False),
    Option("diff", "show what changes, before anything does", "switch", False),
    Option(
        "preflight", "let the server check all objects before the first one is written", "switch", True, negatable=True
    ),
    _ROLLBACK,
    *_FOLLOW,
)

_ANSWERED = Option("timeout", "the server must have answered within this time", "duration", 600.0, metavar="DURATION")

DIFF = (
    *_MANIFESTS,
    _FORCE,
    Option("exit-code", "exit with 1 where there is a difference", "switch", False),
    _ANSWERED,
)

# A default of its own would become INPUT_OUTPUT for every verb: action.yml has one input for all of them.
_OUTPUT = "format (default: yaml; of get: table)"

RENDER = (*_MANIFESTS, Option("output", _OUTPUT, "choice", short="o", choices=("yaml", "json")))

PERMISSIONS = (
    *_MANIFESTS,
    Option("for", "the command that is to use them", "choice", "apply", choices=("apply", "run")),
    Option("rollback-on-failure", "what apply --rollback-on-failure needs besides, too", "switch", False),
    Option("check", "ask the server whether this token has them, and list what is missing", "switch", False),
    Option("role-name", "name of the Role and the ClusterRole", default="k8s-step", metavar="NAME"),
    Option("service-account", "print bindings for it too", metavar="NAMESPACE/NAME"),
    _ANSWERED,
)

OBJECTS = Option("object", "KIND/NAME, or KIND NAME… (repeatable)", "list", (), metavar="KIND/NAME...")

_SELECTORS = (
    Option("selector", "those of KIND with these labels: app=web,tier!=cache", short="l", metavar="SELECTOR"),
    Option("field-selector", "those of KIND with these fields: status.phase=Failed", metavar="SELECTOR"),
)

STATUS = (*_MANIFESTS, *_SELECTORS, *_FOLLOW[1:])

_DRY_RUN = Option("dry-run", "let the server check everything and change nothing", "switch", False)

CREATE = (*_MANIFESTS, _DRY_RUN, *_FOLLOW)

REPLACE = (
    *_MANIFESTS,
    Option("retry-conflicts", "where another was faster, read again and retry so many times", "count", 0),
    _DRY_RUN,
    *_FOLLOW,
)

RUN = (
    *_MANIFESTS,
    Option("rm", "delete the Job afterwards, whatever came of it", "switch", False),
    Option(
        "on-cancel",
        "what becomes of an unfinished Job when the step is cancelled",
        "choice",
        "delete",
        choices=("delete", "leave"),
    ),
    _DRY_RUN,
    *_FOLLOW[1:],
)

DELETE = (
    *(option for option in _MANIFESTS if option.name != "image"),
    *_SELECTORS,
    Option("all", "all of KIND in the namespace", "switch", False),
    Option(
        "cascade",
        "what becomes of the objects it owns: deleted after it, deleted before it, kept",
        "choice",
        "background",
        choices=("background", "foreground", "orphan"),
    ),
    Option("grace-period", "seconds a pod is given to end; default: its own", "count", metavar="SECONDS"),
    Option("ignore-not-found", "what is not there counts as deleted", "switch", False),
    _DRY_RUN,
    Option("wait", "wait until all are gone", "switch", True, negatable=True),
    Option("timeout", "all must be gone within this time", "duration", 600.0, metavar="DURATION"),
)

GET = (
    *_SELECTORS,
    Option("all-namespaces", "look in all namespaces", "switch", False, short="A"),
    Option("limit", "read so many objects at a time", "number", 500),
    Option(
        "output",
        _OUTPUT,
        "choice",
        short="o",
        choices=("table", "wide", "json", "yaml", "name", "jsonl", "protobuf"),
    ),
    Option("output-file", "where protobuf goes", metavar="PATH"),
    _ANSWERED,
)


_PATCH = (
    Option("filename", "file with the patch, YAML or JSON, or - for stdin", "list", (), short="f", metavar="PATH"),
    Option("patch", "the patch itself, YAML or JSON", short="p", metavar="TEXT"),
    Option(
        "image",
        "give the container CONTAINER the image REF (repeatable)",
        "list",
        (),
        metavar="CONTAINER=REF",
        commas=True,
    ),
    Option(
        "type",
        "strategic (the default), merge, json or apply",
        "choice",
        choices=("strategic", "merge", "json", "apply"),
    ),
    Option("from-manifest", "-f is a manifest: patch what differs from it, as json or merge", "switch", False),
    Option("subresource", "patch this part of the object, and do not follow", "choice", choices=("status", "scale")),
)

PATCH = (
    *_PATCH,
    *(option for option in _MANIFESTS if option.name in ("var", "vars-file")),
    *(option for option in APPLY if option.name == "force-conflicts"),
    _DRY_RUN,
    *_FOLLOW,
)

RESTART = (_DRY_RUN, *_FOLLOW)

SCALE = (
    Option("replicas", "so many", "count", metavar="N"),
    Option("current-replicas", "only where there are so many now", "count", metavar="N"),
    _DRY_RUN,
    *_FOLLOW,
)

UNDO = (
    Option("to-revision", "the revision to go back to; default: the one before the present", "number", metavar="N"),
    _DRY_RUN,
    *_FOLLOW,
)


@dataclass(frozen=True)
class Inputs:
    """What the user asked for, from flags and environment. Times are seconds.

    ``sources`` tells for each field that was given the flag or variable that gave it.
    """

    server: str | None = None
    token: str | None = None
    token_file: str | None = None
    oidc_audience: str | None = None
    ca: str | None = None
    insecure_skip_tls_verify: bool = False
    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    impersonate_user: str | None = None
    impersonate_groups: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    request_timeout: float = 30.0
    concurrency: int = 16
    field_manager: str = "k8s-step"
    report: str | None = None
    junit: str | None = None
    dotenv: str | None = None
    log_format: str = "auto"
    filename: tuple[str, ...] = ()
    recursive: bool = False
    object: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    vars_file: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    force_conflicts: bool = False
    dry_run: bool = False
    diff: bool = False
    preflight: bool = True
    rollback_on_failure: bool = False
    exit_code: bool = False
    output: str | None = None
    output_file: str | None = None
    for_command: str = "apply"
    check: bool = False
    role_name: str = "k8s-step"
    service_account: str | None = None
    wait: bool = True
    timeout: float = 600.0
    fail_fast: bool = True
    fail_after: Patience | None = None
    patch: str | None = None
    patch_type: str | None = None
    from_manifest: bool = False
    subresource: str | None = None
    replicas: int | None = None
    current_replicas: int | None = None
    to_revision: int | None = None
    retry_conflicts: int = 0
    rm: bool = False
    on_cancel: str = "delete"
    selector: str | None = None
    field_selector: str | None = None
    all_namespaces: bool = False
    limit: int = 500
    all: bool = False
    cascade: str = "background"
    grace_period: int | None = None
    ignore_not_found: bool = False
    sources: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return "Inputs(…)"  # holds credentials


def resolve(options: tuple[Option, ...], flags: Mapping[str, Any], environ: Mapping[str, str]) -> Inputs:
    """Each option from its flag, then its variables, then its default; empty is unset.

    ``flags`` are by :attr:`Option.field`, as text (a tuple of texts for a list), ``None`` or empty where not given.
    Raises :class:`InputError` naming the flag or variable.
    """
    values = {}
    sources = {}
    for option in options:
        given, where = _given(option, flags, environ)
        values[option.field] = option.default if given is None else _PARSERS[option.kind](option, given, where)
        if given is not None:
            sources[option.field] = where
    return Inputs(**values, sources=sources)


def secrets(flags: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    """What is given for the options that are secrets, known before anything can be said of the others."""
    options = [option for option in CONNECTION if option.secret]
    given = [flags.get(option.field) or "" for option in options]
    return [*given, *(environ.get(variable, "") for option in options for variable in option.all_variables)]


def headers(lines: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """``X-Pipeline: job-42`` lines as pairs."""
    pairs = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name.strip()):
            raise InputError("a header is written Name: value", where="--header", hint="X-Pipeline: job-42, say")
        if not re.fullmatch(r"[\t\x20-\x7e\xa0-\xff]*", value.strip()):
            message = f"the value of {name.strip()} holds what a header can't: a line break, or no Latin-1 letter"
            raise InputError(message, where="--header")
        pairs.append((name.strip(), value.strip()))
    return tuple(pairs)


def _given(option: Option, flags: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[Any, str]:
    flag = _without_empty(flags.get(option.field))
    if flag is not None:
        return flag, f"--{option.name}"
    for variable in option.all_variables:
        text = environ.get(variable, "")
        if text.strip():
            return text, variable
    return None, ""


def _without_empty(flag: Any) -> Any:
    """``-f "$UNSET"`` is not given at all."""
    if isinstance(flag, tuple):
        return tuple(each for each in flag if each.strip()) or None
    return None if isinstance(flag, str) and not flag.strip() else flag


def _text(_: Option, given: str, __: str) -> str:
    return given.strip()


def _list(option: Option, given: str | tuple[str, ...], where: str) -> tuple[str, ...]:
    if isinstance(given, tuple):
        return given
    lines = [line.strip() for line in given.splitlines()]
    if option.commas:
        lines = [part.strip() for line in lines for part in line.split(",")]
    return tuple(line for line in lines if line)


def _switch(_: Option, given: str | bool, where: str) -> bool:
    if isinstance(given, bool):
        return given
    word = given.strip().lower()
    if word in ("true", "1", "yes", "on", "false", "0", "no", "off"):
        return word in ("true", "1", "yes", "on")
    raise InputError(f"{given.strip()!r} is neither true nor false", where=where)


def _duration(_: Option, given: str, where: str) -> float:
    return durations.parse(given, where)


def _patience(option: Option, given: str | tuple[str, ...], where: str) -> Patience:
    lines = given if isinstance(given, tuple) else _list(option, given, where)
    return patience.parse([part for line in lines for part in line.split(",") if part.strip()], where)


def _number(_: Option, given: str, where: str) -> int:
    text = str(given).strip()
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"{text!r} is not a whole number above 0", where=where)
    return int(text)


def _count(_: Option, given: str, where: str) -> int:
    text = str(given).strip()
    if not text.isdecimal():
        raise InputError(f"{text!r} is not a whole number, 0 or more", where=where)
    return int(text)


def _choice(option: Option, given: str, where: str) -> str:
    text = given.strip()
    if text not in option.choices:
        raise InputError(f"{text!r} is none of {', '.join(option.choices)}", where=where)
    return text


_PARSERS: dict[str, Callable[[Option, Any, str], Any]] = {
    "text": _text,
    "list": _list,
    "switch": _switch,
    "duration": _duration,
    "patience": _patience,
    "number": _number,
    "count": _count,
    "choice": _choice,
}
