"""Microsoft Entra's token endpoint and Azure Resource Manager, with what they refuse.

Source of the rules and words: the client credentials flow's reference, Entra's error codes, Azure/kubelogin's recorded
requests, the managedClusters API.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from k8s_step.connection.identity.oidc import claims
from tests.clouds.hosts import Verified, form, path, query
from tests.unit.loopback import Exchange, Handler

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "66666666-7777-8888-9999-000000000000"
SECRET = "s3cr3t-of-the-application"
SERVER = "6dae42f8-4368-4678-94ff-3960e28e3630"
CLUSTER = (
    "/subscriptions/aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/resourceGroups/shop"
    "/providers/Microsoft.ContainerService/managedClusters/main"
)
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_TRACE = " Trace ID: 00000000-0000-0000-0000-000000000000 Correlation ID: 0 Timestamp: 2026-11-26 10:00:00Z"


@dataclass
class Azure:
    """``token(audience, seconds)`` makes access tokens, ``verified`` reads ID tokens; the kubeconfigs are texts."""

    token: Callable[[str, float], str]
    verified: Verified
    subject: str = ""
    user_kubeconfig: str = ""
    admin_kubeconfig: str | None = None
    may_list: bool = True
    seconds: float = 3600
    identities: tuple[str, ...] = ()
    given: list[str] = field(default_factory=list)

    @property
    def hosts(self) -> dict[str, Handler]:
        return {
            "login.microsoftonline.com": self.login,
            "management.azure.com": self.manage,
            "169.254.169.254": self.metadata,
        }

    def login(self, exchange: Exchange) -> None:
        said = form(exchange)
        problem = self._wrong(exchange, said)
        if problem:
            code, number, message = problem
            text = f"AADSTS{number}: {message}{_TRACE}"
            exchange.reply(401 if code == "invalid_client" else 400, {"error": code, "error_description": text})
            return
        resource = said["scope"].removesuffix("/.default")
        self.given.append(self.token(resource, self.seconds))
        answer = {"token_type": "Bearer", "expires_in": int(self.seconds), "access_token": self.given[-1]}
        exchange.reply(200, answer)

    def _wrong(self, exchange: Exchange, said: dict[str, str]) -> tuple[str, int, str] | None:
        tenant, _, rest = exchange.target.lstrip("/").partition("/")
        if exchange.method != "POST" or rest != "oauth2/v2.0/token":
            return "invalid_request", 900144, "The request is not one of this endpoint."
        if tenant != TENANT:
            return "invalid_request", 90002, f"Tenant '{tenant}' not found."
        if said.get("grant_type") != "client_credentials":
            return "unsupported_grant_type", 70003, "The app requested an unsupported grant type."
        if said.get("client_id") != CLIENT:
            message = f"Application with identifier '{said.get('client_id')}' was not found in the directory 'Shop'."
            return "unauthorized_client", 700016, message
        if not said.get("scope", "").endswith("/.default"):
            return "invalid_scope", 1002012, "The provided value for scope is not valid."
        if "client_secret" in said:
            wrong = said["client_secret"] != SECRET
            return ("invalid_client", 7000215, "Invalid client secret provided.") if wrong else None
        return self._wrong_assertion(said)

    def _wrong_assertion(self, said: dict[str, str]) -> tuple[str, int, str] | None:
        if said.get("client_assertion_type") != _ASSERTION:
            return "invalid_request", 7000216, "'client_assertion' or 'client_secret' is required."
        found = self.verified(said.get("client_assertion", ""))
        if found is None:
            return (
                "invalid_client",
                700211,
                "No matching federated identity record found for presented assertion issuer.",
            )
        if found["aud"] != "api://AzureADTokenExchange":
            message = f"No matching federated identity record found for presented assertion audience '{found['aud']}'."
            return "invalid_client", 700212, message
        if found["sub"] != self.subject:
            message = f"No matching federated identity record found for presented assertion subject '{found['sub']}'."
            return "invalid_client", 700213, message
        if found["exp"] < time.time():
            return "invalid_client", 700024, "Client assertion is not within its valid time range."
        return None

    def metadata(self, exchange: Exchange) -> None:
        """The metadata service of a virtual machine with the identities that are named, one of them by itself."""
        said = query(exchange)
        whose = said.get("client_id") or said.get("msi_res_id")
        if path(exchange) != "/metadata/identity/oauth2/token" or said.get("api-version") != "2018-02-01":
            exchange.reply(404, b"")
        elif exchange.header("Metadata") != "true" or "resource" not in said:
            text = "Required metadata header not specified"
            exchange.reply(400, {"error": "invalid_request", "error_description": text})
        elif whose not in self.identities and (whose or not self.identities):
            exchange.reply(400, {"error": "invalid_request", "error_description": "Identity not found"})
        else:
            self.given.append(self.token(said["resource"], self.seconds))
            lasts = str(int(self.seconds))
            exchange.reply(200, {"access_token": self.given[-1], "expires_in": lasts, "token_type": "Bearer"})

    def manage(self, exchange: Exchange) -> None:
        token = (exchange.header("Authorization") or "").removeprefix("Bearer ")
        resource, _, action = path(exchange).rpartition("/")
        said = claims(token)
        if token not in self.given or said["aud"] != "https://management.azure.com" or said["exp"] < time.time():
            _refuse(exchange, 401, "InvalidAuthenticationToken", "The access token is invalid.")
        elif exchange.method != "POST" or "api-version" not in query(exchange):
            _refuse(exchange, 400, "MissingApiVersionParameter", "The api-version query parameter is required.")
        elif not self.may_list:
            does = f"Microsoft.ContainerService/managedClusters/{action}/action"
            message = f"The client '{CLIENT}' does not have authorization to perform action '{does}' over scope."
            _refuse(exchange, 403, "AuthorizationFailed", message)
        elif resource != CLUSTER:
            _refuse(exchange, 404, "ResourceNotFound", f"The Resource '{resource}' was not found.")
        else:
            self._kubeconfig(exchange, action)

    def _kubeconfig(self, exchange: Exchange, action: str) -> None:
        is_admin = action == "listClusterAdminCredential"
        text = self.admin_kubeconfig if is_admin else self.user_kubeconfig
        if not is_admin:
            assert action == "listClusterUserCredential" and query(exchange)["format"] == "exec"
        if text is None:
            message = "Getting static credential is not allowed because this cluster is set to disable local accounts."
            _refuse(exchange, 400, "BadRequest", message)
            return
        exchange.reply(200, {"kubeconfigs": [{"name": "main", "value": base64.b64encode(text.encode()).decode()}]})


def _refuse(exchange: Exchange, code: int, reason: str, message: str) -> None:
    exchange.reply(code, {"error": {"code": reason, "message": message}})
