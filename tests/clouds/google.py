"""Google's STS, IAM Credentials, OAuth and Container APIs and the metadata server, with what they refuse.

Source of the rules and words: google-github-actions/auth with its issues, AIP-4117, RFC 7523, the APIs' references.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from k8s_step.connection.identity.oidc import claims
from tests.clouds.hosts import Verified, body, form, path
from tests.unit.loopback import Exchange, Handler

PROVIDER = "projects/123456789/locations/global/workloadIdentityPools/ci/providers/github"
ACCOUNT = "deploy@shop.iam.gserviceaccount.com"
CLUSTER = "projects/shop/locations/europe-west1/clusters/main"
KEY_ID = "key-1"
_EXCHANGE = {
    "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
    "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
    "subjectTokenType": "urn:ietf:params:oauth:token-type:jwt",
}


@dataclass
class Google:
    """``token(subject, seconds)`` makes access tokens, ``verified`` reads ID tokens; ``cluster`` is what the API says.

    ``subjects`` are those that the provider's condition lets in; ``allowed`` whom the account lets act as it.
    """

    token: Callable[[str, float], str]
    verified: Verified
    cluster: dict[str, Any] = field(default_factory=dict)
    subjects: tuple[str, ...] = ()
    seconds: float = 3600
    may_impersonate: bool = True
    may_view: bool = True
    given: list[str] = field(default_factory=list)
    provider: str = PROVIDER
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    @property
    def hosts(self) -> dict[str, Handler]:
        return {
            "sts.googleapis.com": self.exchange,
            "iamcredentials.googleapis.com": self.impersonate,
            "oauth2.googleapis.com": self.by_key,
            "container.googleapis.com": self.describe,
            "metadata.google.internal": self.metadata,
        }

    def key_file(self) -> dict[str, str]:
        """What ``gcloud iam service-accounts keys create`` writes."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "private_key_id": KEY_ID,
            "private_key": pem.decode(),
            "client_email": ACCOUNT,
            "token_uri": "https://oauth2.googleapis.com/token",
        }

    def exchange(self, exchange: Exchange) -> None:
        said = body(exchange)
        problem = self._wrong_exchange(exchange, said)
        if problem:
            exchange.reply(400, {"error": problem[0], "error_description": problem[1]})
            return
        subject = str(claims(said["subjectToken"])["sub"])
        token = self._give(
            f"principal://iam.googleapis.com/{self.provider.partition('/providers')[0]}/subject/{subject}"
        )
        exchange.reply(200, {"access_token": token, "expires_in": int(self.seconds), "token_type": "Bearer"})

    def _wrong_exchange(self, exchange: Exchange, said: dict[str, Any]) -> tuple[str, str] | None:
        if (exchange.method, exchange.target) != ("POST", "/v1/token") or exchange.header("Authorization"):
            return "invalid_request", "Bearer tokens are not taken here"
        for name, value in _EXCHANGE.items():
            if said.get(name) != value:
                return "invalid_request", f'Invalid value for "{name}"'
        if said.get("audience") != f"//iam.googleapis.com/{self.provider}":
            return "invalid_target", 'The target service indicated by the "audience" parameters is invalid.'
        found = self.verified(said.get("subjectToken", ""))
        if found is None:
            return "invalid_grant", "The ID Token's signature is invalid."
        wanted = f"https://iam.googleapis.com/{self.provider}"
        if found["aud"] != wanted:
            return "invalid_grant", f"The audience in ID Token [{found['aud']}] does not match the expected audience."
        if found["exp"] < time.time():
            return "invalid_grant", f"ID Token issued at {found['iat']} is stale to sign-in."
        if self.subjects and found["sub"] not in self.subjects:
            return "unauthorized_client", "The given credential is rejected by the attribute condition."
        return None

    def impersonate(self, exchange: Exchange) -> None:
        if self._unknown(exchange):
            return
        if path(exchange) != f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken":
            _refuse(exchange, 404, "NOT_FOUND", "Not found; Gaia id not found for email")
        elif not self.may_impersonate:
            message = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
            _refuse(exchange, 403, "PERMISSION_DENIED", message)
        elif not body(exchange).get("lifetime", "").endswith("s") or not body(exchange).get("scope"):
            _refuse(exchange, 400, "INVALID_ARGUMENT", "Request contains an invalid argument.")
        else:
            ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + self.seconds))
            exchange.reply(200, {"accessToken": self._give(ACCOUNT), "expireTime": ends})

    def by_key(self, exchange: Exchange) -> None:
        said = form(exchange)
        grants = said.get("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        if exchange.target != "/token" or not grants:
            exchange.reply(400, {"error": "unsupported_grant_type", "error_description": "Invalid grant_type"})
        elif not self._is_signed(said.get("assertion", "")):
            exchange.reply(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        else:
            exchange.reply(200, {"access_token": self._give(ACCOUNT), "expires_in": int(self.seconds)})

    def _is_signed(self, assertion: str) -> bool:
        signed, _, signature = assertion.rpartition(".")
        said = claims(assertion)
        head = json.loads(_unpacked(signed.partition(".")[0]))
        try:
            self.key.public_key().verify(_unpacked(signature), signed.encode(), padding.PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        right = said["iss"] == ACCOUNT and said["aud"] == "https://oauth2.googleapis.com/token" and said["scope"]
        lasts = said["exp"] - said["iat"]
        return bool(right and head == {"alg": "RS256", "typ": "JWT", "kid": KEY_ID} and 0 < lasts <= 3600)

    def metadata(self, exchange: Exchange) -> None:
        if exchange.header("Metadata-Flavor") != "Google":
            exchange.reply(403, b"Missing Metadata-Flavor:Google header.")
        elif path(exchange) != "/computeMetadata/v1/instance/service-accounts/default/token":
            exchange.reply(404, b"not found")
        else:
            exchange.reply(200, {"access_token": self._give(ACCOUNT), "expires_in": int(self.seconds)})

    def describe(self, exchange: Exchange) -> None:
        if self._unknown(exchange):
            return
        if not self.may_view:
            message = 'Required "container.clusters.get" permission(s) for "projects/shop".'
            _refuse(exchange, 403, "PERMISSION_DENIED", message)
        elif (exchange.method, exchange.target) != ("GET", f"/v1/{CLUSTER}"):
            _refuse(exchange, 404, "NOT_FOUND", f"Not found: {exchange.target.removeprefix('/v1/')}.")
        else:
            exchange.reply(200, self.cluster)

    def _give(self, subject: str) -> str:
        self.given.append(self.token(subject, self.seconds))
        return self.given[-1]

    def _unknown(self, exchange: Exchange) -> bool:
        token = (exchange.header("Authorization") or "").removeprefix("Bearer ")
        if token in self.given and claims(token)["exp"] > time.time():
            return False
        message = "Request had invalid authentication credentials. Expected OAuth 2 access token."
        _refuse(exchange, 401, "UNAUTHENTICATED", message)
        return True


def _refuse(exchange: Exchange, code: int, status: str, message: str) -> None:
    exchange.reply(code, {"error": {"code": code, "message": message, "status": status}})


def _unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
