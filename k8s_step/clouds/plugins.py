"""Replaces a cloud's credential plug-in that a kubeconfig names but that is not installed.

The plug-in's own arguments and environment are used. Source: aws-cli's ``eks get-token``, aws-iam-authenticator's
``token``, gke-gcloud-auth-plugin, Azure/kubelogin's ``pkg/internal/token/options.go``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from k8s_step.clouds import CloudOptions
from k8s_step.clouds.aws import AwsLogin, KeyChain
from k8s_step.clouds.calls import Caller
from k8s_step.clouds.eks import EksCluster, EksToken, region_of
from k8s_step.clouds.entra import AUTHORITIES, EntraLogin, EntraToken, authority_of, token_file_of
from k8s_step.clouds.google import GoogleLogin, GoogleToken
from k8s_step.clouds.profiles import Profiles
from k8s_step.connection.identity.credentials import Renewed
from k8s_step.connection.settings import Connection, ExecPlugin
from k8s_step.errors import InputError

_SHORT = {"-i": "--cluster-id", "-r": "--role", "-s": "--session-name", "-l": "--login", "-t": "--tenant-id"}
_SHORT |= {"-e": "--environment"}
_SWITCHES = {"--legacy", "--pop-enabled", "--use-azurerm-env-vars", "--use_application_default_credentials", "--cache"}
_SWITCHES |= {"--token-only", "--forward-session-name", "--debug", "--no-verify-ssl", "--disable-instance-discovery"}
_OWN_APPLICATION = ("spn", "workloadidentity", "msi")  # else the ID names an application for human logins
_NOT_DONE = ("ropc", "azurepipelines")


@dataclass(frozen=True)
class _Asked:
    """A plug-in's subcommands (``words``), flags and environment; ``cloud`` are the step's own options."""

    words: tuple[str, ...]
    flags: Mapping[str, str] = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)
    cloud: CloudOptions
    server: str
    where: str

    def refused(self, message: str, hint: str | None = None) -> InputError:
        return InputError(message, where=self.where, hint=hint)


def in_place_of(
    plugin: ExecPlugin, connection: Connection, cloud: CloudOptions, caller: Caller
) -> tuple[str, Renewed] | None:
    """The program and the credentials that replace it; ``None`` if it is installed or unknown.

    ``caller`` has the plug-in's environment.
    """
    environ = caller.environ
    if shutil.which(plugin.command, path=environ.get("PATH")) is not None:
        return None
    words, flags = _parsed(plugin.args)
    program = " ".join([PurePath(plugin.command).name.removesuffix(".exe"), *words])
    make = _PROGRAMS.get(program)
    if make is None or "--oidc-issuer-url" in flags:  # int128/kubelogin, another program of that name
        return None
    return program, make(_Asked(words, flags, environ, cloud, connection.server, plugin.where), caller)


def server_id(plugin: ExecPlugin) -> str | None:
    """The ID of the application for which kubelogin requests a token (``--server-id``), if any."""
    return _parsed(plugin.args)[1].get("--server-id")


def _parsed(arguments: Sequence[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The subcommands, and the flags with their values, among ``arguments``."""
    words: list[str] = []
    flags: dict[str, str] = {}
    left = list(arguments)
    while left:
        word = left.pop(0)
        if not word.startswith("-"):
            words.append(word)
            continue
        name, equals, value = word.partition("=")
        name = _SHORT.get(name, name)
        if not equals and name not in _SWITCHES and left:
            value = left.pop(0)
        flags[name] = value
    return tuple(words), flags


def _aws(asked: _Asked, caller: Caller) -> Renewed:
    """Credentials in place of ``aws eks get-token`` and ``aws-iam-authenticator token``."""
    flags, environ = asked.flags, asked.environ
    profiles = Profiles.of(environ, asked.where, flags.get("--profile"))
    name = flags.get("--cluster-name") or flags.get("--cluster-id")
    if not name:
        raise asked.refused("no cluster is named: --cluster-name")
    region = flags.get("--region") or region_of(asked.server) or environ.get("AWS_REGION")
    region = region or environ.get("AWS_DEFAULT_REGION") or asked.cloud.aws_region or profiles.region
    cluster = EksCluster.of(name, region, asked.where)
    then = flags.get("--role-arn") or flags.get("--role")
    login = AwsLogin.of(asked.cloud, environ, cluster.region, then, profiles)
    session = flags.get("--session-name")
    keys = KeyChain(replace(login, session=session) if session else login, caller)
    return EksToken(cluster, keys, caller)


def _google(asked: _Asked, caller: Caller) -> Renewed:
    """In place of ``gke-gcloud-auth-plugin``: by ``GOOGLE_APPLICATION_CREDENTIALS`` or the machine's account."""
    return GoogleToken(GoogleLogin.of(asked.cloud, asked.environ), caller)


def _entra(asked: _Asked, caller: Caller) -> Renewed:
    """Credentials in place of ``kubelogin get-token``; as there, the environment overrides flags."""
    flags, environ = asked.flags, asked.environ
    method = environ.get("AAD_LOGIN_METHOD") or flags.get("--login") or "devicecode"
    resource = flags.get("--server-id")
    if method in _NOT_DONE or "--pop-enabled" in flags or "--client-certificate" in flags:
        hint = "--login workloadidentity and spn with a secret work; or install the program"
        raise asked.refused(f"kubelogin's --login {method} with these arguments is not what the step can do", hint)
    if not resource:
        raise asked.refused("no application is named: --server-id")
    login = _entra_login(asked, method)
    return EntraToken(login, f"spn:{resource}" if "--legacy" in flags else resource, caller)


def _entra_login(asked: _Asked, method: str) -> EntraLogin:
    flags, environ = asked.flags, asked.environ
    own = flags if method in _OWN_APPLICATION else {}
    prefix = "ARM" if "--use-azurerm-env-vars" in flags else "AZURE"

    def first(variable: str, older: str, flag: str | None, option: str | None = None) -> str | None:
        return environ.get(f"{prefix}_{variable}") or environ.get(older) or flag or option

    authority = environ.get("AZURE_AUTHORITY_HOST") or flags.get("--authority-host")
    authority = authority or AUTHORITIES.get(flags.get("--environment", "").lower())
    secret = first("CLIENT_SECRET", "AAD_SERVICE_PRINCIPAL_CLIENT_SECRET", own.get("--client-secret"))
    return EntraLogin(
        first("CLIENT_ID", "AAD_SERVICE_PRINCIPAL_CLIENT_ID", own.get("--client-id"), asked.cloud.azure_client_id),
        first("TENANT_ID", "AZURE_TENANT_ID", flags.get("--tenant-id"), asked.cloud.azure_tenant_id),
        secret=None if method == "workloadidentity" else secret,
        token_file=token_file_of(environ, own.get("--federated-token-file")),
        id_token=asked.cloud.id_token,
        authority=authority_of(authority, asked.where),
        is_machine=method == "msi",
        identity_id=flags.get("--identity-resource-id"),
    )


_PROGRAMS: dict[str, Callable[[_Asked, Caller], Renewed]] = {
    "aws eks get-token": _aws,
    "aws-iam-authenticator token": _aws,
    "gke-gcloud-auth-plugin": _google,
    "kubelogin get-token": _entra,
}
