"""AWS Signature Version 4, for a request's headers and for a URL. Pure.

Source: "AWS Signature Version 4 for API requests" of the IAM User Guide; the tests compare with botocore, byte by byte.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
_UNRESERVED = "-_.~"
_EMPTY_HASH = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Keys:
    """An access key; ``ends`` is its expiry in seconds since the epoch."""

    key_id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    ends: float = math.inf


@dataclass(frozen=True)
class Scope:
    """The scope of a signature: a service of a region, from ``moment`` (UTC) on."""

    region: str
    service: str
    moment: datetime

    @property
    def timestamp(self) -> str:
        return self.moment.strftime("%Y%m%dT%H%M%SZ")

    @property
    def text(self) -> str:
        return f"{self.timestamp[:8]}/{self.region}/{self.service}/aws4_request"


def signed_headers(
    method: str, url: str, headers: Mapping[str, str], body: bytes, keys: Keys, scope: Scope
) -> dict[str, str]:
    """``headers`` with the signature's headers added; the signature covers the host and all of ``headers``."""
    sent = {**headers, "X-Amz-Date": scope.timestamp}
    if keys.token:
        sent["X-Amz-Security-Token"] = keys.token
    names, lines = _canonical_headers(url, sent)
    request = _canonical_request(method, url, urlsplit(url).query, names, lines, hashlib.sha256(body).hexdigest())
    signature = _signature(request, keys, scope)
    sent["Authorization"] = (
        f"{ALGORITHM} Credential={keys.key_id}/{scope.text}, SignedHeaders={names}, Signature={signature}"
    )
    return sent


def signed_url(url: str, headers: Mapping[str, str], keys: Keys, scope: Scope, *, seconds: int) -> str:
    """``url`` with a signature in its query, valid for ``seconds`` for a GET request with ``headers``."""
    names, lines = _canonical_headers(url, headers)
    added = {
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{keys.key_id}/{scope.text}",
        "X-Amz-Date": scope.timestamp,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": names,
        **({"X-Amz-Security-Token": keys.token} if keys.token else {}),
    }
    parts = urlsplit(url)
    pairs = "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in added.items())
    query = f"{parts.query}&{pairs}" if parts.query else pairs
    signature = _signature(_canonical_request("GET", url, query, names, lines, _EMPTY_HASH), keys, scope)
    return f"{parts.scheme}://{parts.netloc}{parts.path}?{query}&X-Amz-Signature={signature}"


def _canonical_request(method: str, url: str, query: str, names: str, lines: str, payload: str) -> str:
    # The path's parts are encoded twice, for every service but S3; an empty path is ``/``.
    path = quote(urlsplit(url).path or "/", safe="/~")
    pairs = sorted(pair.partition("=")[::2] for pair in query.split("&")) if query else []
    return "\n".join([method, path, "&".join("=".join(pair) for pair in pairs), lines, names, payload])


def _canonical_headers(url: str, headers: Mapping[str, str]) -> tuple[str, str]:
    """The names of the signed headers, joined by ``;``, and their lines ``name:value``."""
    given = {"host": urlsplit(url).netloc, **{name.lower(): value for name, value in headers.items()}}
    lines = [f"{name}:{' '.join(given[name].split())}\n" for name in sorted(given)]
    return ";".join(sorted(given)), "".join(lines)


def _signature(request: str, keys: Keys, scope: Scope) -> str:
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{keys.secret}".encode()
    for part in scope.text.split("/"):
        key = _hmac(key, part)
    return _hmac(key, "\n".join([ALGORITHM, scope.timestamp, scope.text, digest])).hex()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _encoded(text: str) -> str:
    return quote(text, safe=_UNRESERVED)
