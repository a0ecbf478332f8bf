"""Microsoft Entra's access tokens for an application, by the CI's ID token, a token file, a secret or the machine.

Source: the client credentials flow of Microsoft's identity platform; Azure/kubelogin for names and their order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from k8s_step.clouds import CloudOptions, identity
from k8s_step.clouds.calls import Call, Caller
from k8s_step.connection.identity.credentials import Credential, Renewed, bearer
from k8s_step.connection.identity.oidc import claims
from k8s_step.errors import InputError, UnauthorizedError, UnreachableError
from k8s_step.redaction.secretfile import SecretFile

AUDIENCE = "api://AzureADTokenExchange"
AUTHORITY = "login.microsoftonline.com"
AKS_SERVER = "6dae42f8-4368-4678-94ff-3960e28e3630"  # the ID of AKS as an application, the same in every tenant
AUTHORITIES = {
    "azurepubliccloud": AUTHORITY,
    "azurecloud": AUTHORITY,
    "azurechinacloud": "login.chinacloudapi.cn",
    "azureusgovernmentcloud": "login.microsoftonline.us",
    "azureusgovernment": "login.microsoftonline.us",
}
_MANAGERS = {
    "login.chinacloudapi.cn": "management.chinacloudapi.cn",
    "login.partner.microsoftonline.cn": "management.chinacloudapi.cn",
    "login.microsoftonline.us": "management.usgovcloudapi.net",
}
_MACHINE = "http://169.254.169.254/metadata/identity/oauth2/token"
_MACHINE_VERSION = "2018-02-01"
_MACHINE_PATIENCE = 2.0  # seconds; outside of Azure nothing answers at this address
_UNSAID = 300.0  # seconds that a token without a stated lifetime is used
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


@dataclass(frozen=True)
class EntraLogin:
    """The application, its tenant, and its proof of identity: the first of secret, token file and ID token.

    ``is_machine``: use the machine's managed identity and no proof; ``identity_id`` is that identity's resource ID.
    Without any proof, the managed identity is tried too.
    """

    client_id: str | None
    tenant_id: str | None
    secret: str | None = field(default=None, repr=False)
    token_file: SecretFile | None = None
    id_token: str | None = field(default=None, repr=False)
    authority: str = AUTHORITY
    is_machine: bool = False
    identity_id: str | None = None

    @classmethod
    def of(cls, cloud: CloudOptions, environ: Mapping[str, str], where: str) -> EntraLogin:
        """From the options and the environment. Raises :class:`InputError`."""
        return cls(
            cloud.azure_client_id,
            cloud.azure_tenant_id,
            secret=environ.get("AZURE_CLIENT_SECRET") or None,
            token_file=token_file_of(environ),
            id_token=cloud.id_token,
            authority=authority_of(environ.get("AZURE_AUTHORITY_HOST"), where),
        )

    @property
    def manager(self) -> str:
        """The host of Azure Resource Manager in the same Azure cloud (public, China, US Government)."""
        return _MANAGERS.get(self.authority, "management.azure.com")


def token_file_of(environ: Mapping[str, str], flag: str | None = None) -> SecretFile | None:
    """The file of the federated token: the environment's, or that of kubelogin's ``flag``."""
    named = (
        ("AZURE_FEDERATED_TOKEN_FILE", environ.get("AZURE_FEDERATED_TOKEN_FILE")),
        ("--federated-token-file", flag),
    )
    return next((SecretFile(text, origin) for origin, text in named if text), None)


@dataclass(frozen=True)
class _Proof:
    """A proof of the application's identity; ``form`` makes new form fields for each request."""

    origin: str
    form: Callable[[], Mapping[str, str]] = field(repr=False)


@dataclass(frozen=True)
class _Grant:
    """A way to get a token: ``call`` makes a new request each time; ``origin`` names it in the log.

    ``lacking`` begins the error message if this last resort, the managed identity, fails too.
    """

    origin: str
    call: Callable[[], Call] = field(repr=False)
    lacking: str = ""


class EntraToken(Renewed):
    """An access token for one resource; ``origin`` names its owner in the log."""

    def __init__(
        self, login: EntraLogin, resource: str, caller: Caller, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(clock)
        self._caller = caller
        self._grant = _grant(login, resource, caller)
        self.origin = self._grant.origin

    def obtain(self) -> tuple[Credential, float]:
        call = self._grant.call()
        try:
            found = self._caller.ask(call)
        except (UnauthorizedError, UnreachableError) as error:
            if not self._grant.lacking:
                raise
            message = f"{self._grant.lacking}; the machine's managed identity: {error.message}"
            raise InputError(message, where=self._caller.where) from None
        token = found.get("access_token")
        if not isinstance(token, str) or not token:
            raise self._caller.misanswered(call)
        self._caller.redactor.add(token)
        return Credential(bearer(token, "Entra's access token")), self._clock() + _seconds(found.get("expires_in"))

    def next_move(self, code: int) -> str | None:
        """A hint with the identity that the token's claims state to the cluster."""
        with self._lock:
            authorization = (self._credential.authorization if self._credential else None) or ""
        return _next_move(code, claims(authorization.removeprefix("Bearer ")))

    def close(self) -> None:
        self._caller.close()


_TOLD = {"for": "aud", "in tenant": "tid"}  # claims that a cluster checks


def _next_move(code: int, said: Mapping[str, Any]) -> str:
    if code == 401:
        told = "".join(f", {word} {said[name]}" for word, name in _TOLD.items() if said.get(name))
        return f"Entra gave that token{told}: is the cluster of the same tenant, and has it Entra ID integration?"
    who = f"object ID {said['oid']}" if said.get("oid") else "object ID"
    return (
        f"the application needs a RoleBinding to its service principal's {who}, or an Azure RBAC role for AKS; "
        f"{_groups(said)}"
    )


def _groups(said: Mapping[str, Any]) -> str:
    """A hint whether a binding to an Entra group can work, from the token's group claims."""
    if said.get("groups"):
        return "the token's group claims are IDs of groups, not their names"
    if said.get("hasgroups") or "groups" in (said.get("_claim_names") or {}):
        return "it is in more groups than a token names, so a binding to a group may not count"
    return "a binding to a group may not count, for the token has no group claims"


def authority_of(text: str | None, where: str) -> str:
    """The host of ``AZURE_AUTHORITY_HOST``. Raises :class:`InputError`."""
    if not text or not text.strip():
        return AUTHORITY
    url = urlsplit(text.strip() if "://" in text else f"https://{text.strip()}")
    if url.scheme != "https" or not url.hostname or url.username:
        raise InputError("AZURE_AUTHORITY_HOST is no https URL", where=where)
    return url.netloc


def _required(name: str, login: EntraLogin, caller: Caller) -> str:
    value: str | None = getattr(login, name)
    if not value or not value.strip():
        option = f"--azure-{name.replace('_', '-')}"
        raise InputError(f"{option} is not given, nor AZURE_{name.upper()}", where=caller.where)
    return value.strip()


def _grant(login: EntraLogin, resource: str, caller: Caller) -> _Grant:
    proof = None if login.is_machine else _proof(login, caller)
    if proof is None:
        return _by_machine(login, resource, caller)
    client_id, tenant_id = (_required(name, login, caller) for name in ("client_id", "tenant_id"))
    url = f"https://{login.authority}/{quote(tenant_id, safe='')}/oauth2/v2.0/token"

    def call() -> Call:
        said = proof.form()
        scope = f"{resource}/.default"
        form = {"grant_type": "client_credentials", "client_id": client_id, "scope": scope, **said}
        hints = _hints(client_id, said.get("client_assertion"))
        return Call("Microsoft Entra", f"a token for {resource}", "POST", url, _FORM, urlencode(form).encode(), hints)

    return _Grant(f"application {client_id} by {proof.origin}", call)


def _by_machine(login: EntraLogin, resource: str, caller: Caller) -> _Grant:
    """The grant by a virtual machine's managed identity: the one that ``login`` names, or the only one."""
    named = {"client_id": login.client_id, "msi_res_id": login.identity_id}
    query = {
        "api-version": _MACHINE_VERSION,
        "resource": resource,
        **{key: text for key, text in named.items() if text},
    }
    whose = next((f" {text}" for text in named.values() if text), "")
    call = Call(
        "the machine's metadata service",
        "a token of its managed identity",
        "GET",
        f"{_MACHINE}?{urlencode(query)}",
        {"Metadata": "true"},
        hints={"*": f"has the machine the managed identity{whose}?"},
        timeout=_MACHINE_PATIENCE,
        patient=login.is_machine,
    )
    absent = "AZURE_CLIENT_SECRET and AZURE_FEDERATED_TOKEN_FILE are not set"
    lacking = "" if login.is_machine else f"{absent}; {identity.missing(caller)}"
    return _Grant(f"the machine's managed identity{whose}", lambda: call, lacking)


def _seconds(lasts: Any) -> float:
    """A token's lifetime in seconds, from a number or, as metadata services send it, text."""
    try:
        return float(lasts)
    except (TypeError, ValueError):
        return _UNSAID


def _proof(login: EntraLogin, caller: Caller) -> _Proof | None:
    secret = login.secret
    if secret:
        caller.redactor.add(secret)
        return _Proof("its secret", lambda: {"client_secret": secret})
    token = identity.find(caller, login.id_token, AUDIENCE, login.token_file)
    if token is None:
        return None
    return _Proof(token.origin, lambda: {"client_assertion_type": _ASSERTION, "client_assertion": token.token()})


def _hints(client_id: str, assertion: str | None) -> dict[str, str]:
    """Hints by the number that begins Entra's message."""
    told = identity.described(assertion) if assertion else ""
    return {
        "AADSTS7000215": "the client secret is wrong: is it the secret's value, not its ID?",
        "AADSTS7000222": "the client secret has ended: make a new one, or a federated credential, which never ends",
        "AADSTS700212": f"the federated credential must have the audience {AUDIENCE}; {told}",
        "AADSTS700211": f"no federated credential of {client_id} has that issuer; {told}",
        "AADSTS700213": f"no federated credential of {client_id} has that subject; {told}",
        "AADSTS70021": f"no federated credential of {client_id} matches; {told}",
        "AADSTS700024": f"the ID token has ended, or is not valid yet; {told}",
        "AADSTS700016": "is --azure-client-id an application of that tenant?",
        "AADSTS90002": "is --azure-tenant-id right?",
        "AADSTS500011": "that resource is not known in the tenant: is its ID right?",
    }
