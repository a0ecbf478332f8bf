"""The user's inputs, resolved by pure functions from flags, environment variables and defaults.

The options themselves are a table in ``options``, from which ``cli`` builds the flags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from k8s_step.errors import InputError
from k8s_step.options import CONNECTION, DIFF, Option

if TYPE_CHECKING:
    from k8s_step.verdict.terms.health import HealthChecks
    from k8s_step.verdict.terms.patience import Patience
    from k8s_step.verdict.terms.required import Required


class Inputs(NamedTuple):
    """The values of all options, from flags and environment. Times are in seconds.

    ``sources``: the flag or variable that set a field, by field; fields at their default are missing. A named tuple,
    since a dataclass of this many fields takes a tenth of the time until the first request to set up.
    """

    server: str | None = None
    token: str | None = None
    token_file: str | None = None
    oidc_audience: str | None = None
    eks_cluster: str | None = None
    aws_region: str | None = None
    aws_role_arn: str | None = None
    gke_cluster: str | None = None
    gke_endpoint: str | None = None
    gcp_workload_identity_provider: str | None = None
    gcp_service_account: str | None = None
    aks_cluster: str | None = None
    aks_admin: bool = False
    azure_client_id: str | None = None
    azure_tenant_id: str | None = None
    id_token: str | None = None
    ca: str | None = None
    insecure_skip_tls_verify: bool = False
    kubeconfigs: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ()
    namespace: str | None = None
    impersonate_user: str | None = None
    impersonate_groups: tuple[str, ...] = ()
    header: tuple[tuple[str, str], ...] = ()
    request_timeout: float = 30.0
    concurrency: int = 32
    field_manager: str = "k8s-step"
    report: str | None = None
    junit: str | None = None
    dotenv: str | None = None
    markdown: str | None = None
    comment: bool = False
    comment_token: str | None = None
    log_format: str = "auto"
    clusters_file: str | None = None
    to_contexts: tuple[str, ...] = ()
    to_namespace: str | None = None
    create_namespace: bool = False
    max_parallel: int = 10
    waves: str | None = None
    shard: str | None = None
    max_failures: int = 0
    filename: tuple[str, ...] = ()
    recursive: bool = False
    kustomize: tuple[str, ...] = ()
    object: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    vars_file: tuple[str, ...] = ()
    helm_hooks: tuple[str, ...] = ()
    no_template: bool = False
    no_template_file: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    allow_namespace: tuple[str, ...] = ()
    allow_kind: tuple[str, ...] = ()
    deny_kind: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    source_annotation: bool = True
    force_conflicts: bool = False
    adopt: tuple[str, ...] = ()
    no_adopt: bool = False
    replicas_from_manifest: bool = False
    roll_on_config: bool = False
    dry_run: bool = False
    diff: bool = False
    preflight: bool = True
    prune: bool = False
    applyset: str | None = None
    applyset_as: str | None = None
    applyset_adopt: bool = False
    prune_data: bool = False
    allow_empty: bool = False
    rollback_on_failure: bool = False
    logs: bool = False
    exit_code: bool = False
    output: str | None = None
    output_file: str | None = None
    for_command: str = "apply"
    check: bool = False
    role_name: str = "k8s-step"
    service_account: str | None = None
    wait: bool = True
    no_wait_for: tuple[str, ...] = ()
    wait_for: tuple[str, ...] = ()
    fail_on: tuple[str, ...] = ()
    health: HealthChecks | None = None
    paused: str | None = None
    required: Required | None = None
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
    only_new: bool = False
    expectations: tuple[str, ...] = ()
    until: tuple[str, ...] = ()
    exec_command: str | None = None
    exec_concurrency: int = 4
    component: tuple[str, ...] = ()
    min_ready: int = 1
    metrics: bool = False
    limit: int = 500
    on_expired: str = "continue"
    sort_by: str | None = None
    show_labels: bool = False
    no_headers: bool = False
    all: bool = False
    cascade: str = "background"
    grace_period: int | None = None
    ignore_not_found: bool = False
    sources: Mapping[str, str] = MappingProxyType({})

    @property
    def context(self) -> str | None:
        """The context of the one cluster that the run is about, if one is named."""
        return self.contexts[0] if self.contexts else None

    @property
    def kubeconfig(self) -> str | None:
        """The kubeconfig of the one cluster that the run is about, if one is named."""
        return self.kubeconfigs[0] if self.kubeconfigs else None

    @property
    def names_manifests(self) -> bool:
        """Whether manifests are given, by ``-f`` or ``-k``."""
        return bool(self.filename or self.kustomize)

    def __repr__(self) -> str:
        return "Inputs(…)"  # holds credentials


def resolve(options: tuple[Option, ...], flags: Mapping[str, Any], environ: Mapping[str, str]) -> Inputs:
    """Each option's value from its flag, else its first non-empty variable, else its default.

    ``flags`` are by :attr:`Option.field`, as text (a tuple of texts for a list), ``None`` or empty where not given.
    Raises :class:`InputError` naming the flag or variable.
    """
    values = {}
    sources = {}
    for option in options:
        given, where = _given(option, flags, environ)
        values[option.field] = option.default if given is None else parsed(option, given, where)
        if given is not None:
            sources[option.field] = where
    return Inputs(**values, sources=sources)


def parsed(option: Option, given: Any, where: str) -> Any:
    """The value of an option's text, or texts for a list. Raises :class:`InputError` naming ``where``."""
    value = _PARSERS[option.kind](option, given, where)
    _check_header(option, value, where)
    return value


def idle(options: Iterable[Option], others: Iterable[Option], environ: Mapping[str, str]) -> list[str]:
    """Names of the action's inputs that have a value but no option among the command's ``options``.

    ``others``: the options of all commands. ``K8S_`` variables do not count: another command may use them.
    """
    taken = {option.name for option in options}
    return list(dict.fromkeys(one.name for one in others if one.name not in taken and _has(one, environ)))


def _has(option: Option, environ: Mapping[str, str]) -> bool:
    text = environ.get(option.all_variables[0], "").strip().lower()
    return bool(text) and not (option.kind == "switch" and text == str(option.default).lower())


def secrets(flags: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    """The values given for secret options, read first so that any later message can mask them."""
    options = [option for option in (*CONNECTION, *DIFF) if option.secret]
    given = [flags.get(option.field) or "" for option in options]
    return [*given, *(environ.get(variable, "") for option in options for variable in option.all_variables)]


def _check_header(option: Option, value: Any, where: str) -> None:
    if not option.in_header:
        return
    from k8s_step.connection.headers import checked_value

    for text in value if isinstance(value, tuple) else (value,):
        checked_value(text, f"--{option.name}", where)


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
    """``flag``, or ``None`` where it is empty, as in ``-f "$UNSET"``."""
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


def _texts(_: Option, given: str | tuple[str, ...], __: str) -> tuple[str, ...]:
    return (given.strip(),) if isinstance(given, str) else given


def _headers(option: Option, given: str | tuple[str, ...], where: str) -> tuple[tuple[str, str], ...]:
    from k8s_step.connection.headers import parse_header

    return tuple(parse_header(line, where) for line in _list(option, given, where))


def _switch(option: Option, given: str | bool, where: str) -> bool:
    if isinstance(given, bool):
        return given
    word = given.strip().lower()
    if word in ("true", "1", "yes", "on", "false", "0", "no", "off"):
        return word in ("true", "1", "yes", "on")
    hint = _DRY_RUN_HINT if option.name == "dry-run" and word in ("server", "client") else None
    raise InputError(f"{given.strip()!r} is neither true nor false", where=where, hint=hint)


_DRY_RUN_HINT = "true is the server's dry run; k8s-step render needs no server"


def _duration(_: Option, given: str, where: str) -> float:
    from k8s_step.objects.values import times

    return times.parse(given, where)


def _patience(option: Option, given: str | tuple[str, ...], where: str) -> Patience:
    from k8s_step.verdict.terms import patience

    lines = given if isinstance(given, tuple) else _list(option, given, where)
    return patience.parse([part for line in lines for part in line.split(",") if part.strip()], where)


def _health(_: Option, given: str, __: str) -> HealthChecks:
    from k8s_step.manifests import healthfile
    from k8s_step.verdict.terms import health

    return health.checks(healthfile.read(given.strip()))


def _share(_: Option, given: str | int, where: str) -> Required:
    from k8s_step.verdict.terms import required

    return required.parse(str(given), where)


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
    names = [f"{name}=" for name, equals, _ in (choice.partition("=") for choice in option.choices) if equals]
    if any(text.startswith(name) and text != name for name in names):
        return given  # blanks at the end of a template mean something
    if text not in option.choices:
        raise InputError(f"{text!r} is none of {', '.join(option.choices)}", where=where)
    return text


_PARSERS: dict[str, Callable[[Option, Any, str], Any]] = {
    "text": _text,
    "list": _list,
    "texts": _texts,
    "headers": _headers,
    "switch": _switch,
    "duration": _duration,
    "patience": _patience,
    "share": _share,
    "health": _health,
    "number": _number,
    "count": _count,
    "choice": _choice,
}
