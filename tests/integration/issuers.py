"""What GitHub and GitLab are to a cluster: issuers of signed tokens, and the endpoint where a GitHub job gets them."""

from __future__ import annotations

import base64
import itertools
import json
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from k8s_step.connection.identity.oidc import claims
from tests.controlplane.pki import Authority
from tests.unit.loopback import Exchange, Loopback, server_tls

_KEY_ID = "one"


class Issuers:
    """A server with an issuer under each path, all with the same key; a context manager."""

    def __init__(self) -> None:
        self.authority = Authority("the issuers' CA")
        self._key = rsa.generate_private_key(65537, 2048)
        self._server = Loopback(self._answer, server_tls(self.authority))
        self._serial = itertools.count(1)

    def __enter__(self) -> Issuers:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()

    def url(self, name: str) -> str:
        """The issuer of this name."""
        return f"{self._server.url}/{name}"

    def token(self, name: str, audience: str, subject: str, seconds: float = 300, **claims: Any) -> str:
        """A JWT of this issuer, no two alike; a negative life has ended before it begins."""
        now = int(time.time())
        said = {
            "iss": self.url(name),
            "aud": audience,
            "sub": subject,
            "iat": now - 600,
            "nbf": now - 600,
            "exp": now + seconds,
            "jti": str(next(self._serial)),
            **claims,
        }
        signed = f"{_packed({'alg': 'RS256', 'kid': _KEY_ID, 'typ': 'JWT'})}.{_packed(said)}"
        return f"{signed}.{_base64(self._key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"

    def verified(self, token: str) -> dict[str, Any] | None:
        """What a token says, where it is signed with this key."""
        signed, _, signature = token.rpartition(".")
        raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
        try:
            self._key.public_key().verify(raw, signed.encode(), padding.PKCS1v15(), SHA256())
        except InvalidSignature:
            return None
        return claims(token)

    @property
    def public_key(self) -> bytes:
        """What others verify the tokens with, PEM."""
        key = self._key.public_key()
        return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def _answer(self, exchange: Exchange) -> None:
        name, _, document = exchange.target.lstrip("/").partition("/")
        if document == ".well-known/openid-configuration":
            exchange.reply(200, {"issuer": self.url(name), "jwks_uri": f"{self.url(name)}/keys"})
        elif document == "keys":
            public = self._key.public_key().public_numbers()
            numbers = {"n": _number(public.n), "e": _number(public.e)}
            exchange.reply(200, {"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": _KEY_ID, **numbers}]})
        else:
            exchange.reply(404)


class GitHubJob:
    """The runner's part for one job: ``environ`` is what it sets, ``given`` the tokens it gave. A context manager."""

    def __init__(self, issuers: Issuers, subject: str, seconds: float = 300, **claims: Any) -> None:
        self.request_token = f"request-{_base64(subject.encode())}"
        self.given: list[str] = []
        self._issuers, self._subject, self._seconds, self._claims = issuers, subject, seconds, claims
        self._server = Loopback(self._answer)

    def __enter__(self) -> GitHubJob:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()

    @property
    def environ(self) -> dict[str, str]:
        """The variables that tell a step of this job where to ask."""
        return {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self._server.url}/abc//idtoken/1/2?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": self.request_token,
        }

    def _answer(self, exchange: Exchange) -> None:
        query = parse_qs(urlsplit(exchange.target).query)
        if (exchange.header("Authorization") or "").lower() != f"bearer {self.request_token}".lower():
            exchange.reply(401, {"message": "The request token is not of this job"})
        elif query.get("api-version") != ["2.0"]:
            exchange.reply(400, {"message": "The URL is not the one that was given"})
        else:
            (audience,) = query["audience"]
            self.given.append(self._issuers.token("github", audience, self._subject, self._seconds, **self._claims))
            exchange.reply(200, {"count": 1, "value": self.given[-1]})


def _packed(said: dict[str, Any]) -> str:
    return _base64(json.dumps(said).encode())


def _number(value: int) -> str:
    return _base64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
