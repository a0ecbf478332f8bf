"""The keywords of the Python API, each an option of the command line, and how they become inputs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

from k8s_step.errors import InputError
from k8s_step.inputs import Inputs, resolve
from k8s_step.objects.values import times
from k8s_step.options import APPLY, CONNECTION, RESULT_FILES, Option

Seconds = float | str  # 90, 90.0, "90s", "10m" or "1h30m"
Several = str | Path | Sequence[str | Path]  # one or several


class Settings(TypedDict, total=False):
    """How a cluster is spoken to; each key is the command-line option of that name.

    ``token``, ``token_file`` (read again when it changes), ``ca`` (a path, PEM or its base64) and
    ``insecure_skip_tls_verify``: identity and trust. ``namespace``: the one for objects that name none.
    ``impersonate_user``, ``impersonate_groups``: ``--as`` and ``--as-group``. ``headers``: sent with each request.
    ``request_timeout``: the longest that one request takes, 30 s. ``concurrency``: the most requests in flight, 32.
    ``field_manager``: the name that changes are made under, ``k8s-step``.
    """

    token: str
    token_file: str | Path
    ca: str | Path
    insecure_skip_tls_verify: bool
    namespace: str
    impersonate_user: str
    impersonate_groups: Sequence[str]
    headers: Mapping[str, str]
    request_timeout: Seconds
    concurrency: int
    field_manager: str


class EnvironmentSettings(Settings, total=False):
    """What may be said beside the environment, which it overrides: all connection options of the command line."""

    server: str
    kubeconfig: str | Path
    oidc_audience: str
    eks_cluster: str
    aws_region: str
    aws_role_arn: str
    gke_cluster: str
    gke_endpoint: Literal["public", "dns", "private"]
    gcp_workload_identity_provider: str
    gcp_service_account: str
    aks_cluster: str
    aks_admin: bool
    azure_client_id: str
    azure_tenant_id: str
    id_token: str


class ReleaseOptions(TypedDict, total=False):
    """What may be said of a release; each key is the option of ``k8s-step apply`` of that name.

    ``variables`` (``--var``), ``vars_file`` and ``images`` (``--image``) fill the manifests in; ``kustomize`` names
    folders to build; ``helm_hooks``, ``no_template``, ``no_template_file`` and ``recursive`` are about reading them.
    ``namespace``: of objects that name none; others are refused. ``allow_namespace``, ``allow_kind``, ``deny_kind``:
    nothing else is touched. ``force_conflicts``, ``adopt`` and ``no_adopt``: whose fields are taken over. ``dry_run``
    and ``preflight``: let the server check before anything is written. ``wait``, ``no_wait_for``, ``wait_for`` and
    ``fail_on`` (``"certificate/web condition=Ready"``), ``health``, ``paused``, ``required``, ``timeout``,
    ``fail_fast`` and ``fail_after`` (``{"CrashLoopBackOff": 5}``): what is followed, to which end, and for how long.
    ``rollback_on_failure``: take back what this release changed where it fails. ``labels``, ``annotations``: put on
    every object; ``source_annotation``: name commit and run, as the CI system tells. ``replicas_from_manifest``: apply
    replicas that an autoscaler sets, too. ``roll_on_config``: restart what reads a changed ConfigMap or Secret.
    ``prune`` and ``applyset``: delete what this set holds and the manifests no longer do, ``prune_data`` also what
    holds data, ``allow_empty`` also where no manifest is left; ``applyset_as`` and ``applyset_adopt``: keep a set of
    kubectl's, take in objects of other sets.
    """

    namespace: str
    recursive: bool
    kustomize: Several
    variables: Mapping[str, str | int | float | bool]
    vars_file: Several
    helm_hooks: Sequence[str]
    no_template: bool
    no_template_file: Sequence[str]
    images: Mapping[str, str]
    allow_namespace: Sequence[str]
    allow_kind: Sequence[str]
    deny_kind: Sequence[str]
    force_conflicts: bool
    adopt: Sequence[str]
    no_adopt: bool
    dry_run: bool
    preflight: bool
    prune: bool
    applyset: str
    applyset_as: Literal["kubectl"]
    applyset_adopt: bool
    prune_data: bool
    allow_empty: bool
    rollback_on_failure: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    source_annotation: bool
    replicas_from_manifest: bool
    roll_on_config: bool
    wait: bool
    no_wait_for: Sequence[str]
    wait_for: Sequence[str]
    fail_on: Sequence[str]
    health: str
    paused: Literal["ok", "wait", "fail"]
    required: str | int
    timeout: Seconds
    fail_fast: bool
    fail_after: Mapping[str, Seconds]


# What is for the log, the result files and comments alone, what is about several clusters, and what is not a keyword.
UNSAID = {option.field for option in RESULT_FILES} | {
    *("comment", "comment_token", "log_format", "logs", "filename", "diff"),
    *("clusters_file", "shard", "waves", "max_failures", "max_parallel"),
}
_RENAMED = {"headers": "header", "kubeconfig": "kubeconfigs", "context": "contexts"}
_FOLLOW = tuple(option for option in APPLY if option.field in ("timeout", "fail_fast", "fail_after"))


def connection_inputs(settings: Mapping[str, Any], environ: Mapping[str, str]) -> Inputs:
    """The inputs of a connection. Raises :class:`InputError` for values, :class:`TypeError` for an unknown keyword."""
    inputs = _resolved(CONNECTION, settings, environ)
    namespaces = (inputs.namespace or "").split(",")
    for field, given in (("contexts", inputs.contexts), ("kubeconfigs", inputs.kubeconfigs), ("namespace", namespaces)):
        check_single(given, inputs.sources.get(field), "a Cluster")
    return inputs


def check_single(given: Sequence[str], where: str | None, what: str) -> None:
    """Raise :class:`InputError` where the command line would take several, and Python takes one."""
    if len(given) > 1:
        raise InputError(f"{len(given)} are named, and {what} has one", where=where)


def release_inputs(connection: Inputs, paths: Several, options: Mapping[str, Any]) -> Inputs:
    """The inputs of a release by a connection's own. Raises as :func:`connection_inputs` does."""
    spaces = tuple(option for option in CONNECTION if option.name == "namespace")
    own = _resolved((*APPLY, *spaces), options, {})
    check_single((own.namespace or "").split(","), "namespace=", "a release")
    told = {option.field: getattr(own, option.field) for option in (*APPLY, *spaces)}
    several = (paths,) if isinstance(paths, str | Path) else paths
    return connection._replace(**{**told, "filename": tuple(map(str, several)), "sources": own.sources})


def follow_inputs(**options: Any) -> Inputs:
    """The inputs of a following: ``timeout``, ``fail_fast`` and ``fail_after``. Raises :class:`InputError`."""
    return _resolved(_FOLLOW, options, {})


def flags_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as the command line would give them; those that are ``None`` are left out."""
    return {_RENAMED.get(name, name): _flag(name, value) for name, value in settings.items() if value is not None}


def _resolved(options: Sequence[Option], settings: Mapping[str, Any], environ: Mapping[str, str]) -> Inputs:
    """The inputs, with the keyword in place of the flag in ``sources``."""
    fields = {option.field for option in options} - UNSAID
    flags = flags_of(settings)
    for name in flags:
        if name not in fields:
            raise TypeError(f"there is no keyword {name!r}; there are {', '.join(sorted(map(_keyword, fields)))}")
    inputs = resolve(tuple(options), flags, environ)
    return inputs._replace(sources={name: in_python(source) for name, source in inputs.sources.items()})


def _keyword(field: str) -> str:
    """The keyword that becomes this field of the inputs."""
    return next((keyword for keyword, renamed in _RENAMED.items() if renamed == field), field)


def _flag(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        joint = ": " if name == "headers" else "="
        return tuple(f"{key}{joint}{_text(each)}" for key, each in value.items())
    if isinstance(value, bool | str):
        return value
    return tuple(map(str, value)) if isinstance(value, Sequence) else str(value)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def seconds(value: Seconds, where: str) -> float:
    """Raises :class:`InputError` for text that is no duration."""
    return times.parse(value, where) if isinstance(value, str) else float(value)


# -- from the command line's words to Python's


_WORDS = {
    **{f"--{option.name}": f"{_keyword(option.field)}=" for option in (*CONNECTION, *APPLY)},
    "--force-conflicts": "force=True",
    "--type": "type=",
    "--cascade": "cascade=",
    "--ignore-not-found": "ignore_not_found=True",
}
_FLAG = re.compile(r"--[a-z][a-z-]+")


def in_python(text: str) -> str:
    """``text`` with a keyword in place of each flag."""
    return _FLAG.sub(lambda flag: _WORDS.get(flag[0], flag[0]), text)
