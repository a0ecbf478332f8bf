"""OpenID Connect in CI systems: GitHub's endpoint for ID tokens, and the claims of a token.

Source: GitHub's ``oidc-utils.ts`` of actions/toolkit; RFC 7519 for the claims. Tokens are not verified here:
the API server does that.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from k8s_step.connection.exchange.proxies import checked_environment_proxy, may_carry_secrets
from k8s_step.connection.settings import TokenEndpoint
from k8s_step.errors import InputError
from k8s_step.surroundings import System

URL, REQUEST_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
OPTION = "--oidc-audience"
_LONGEST = 200  # characters shown of a claim
_FOREVER = 1e11  # seconds since the epoch: later ends count as none


def github(audience: str, environ: Mapping[str, str], system: System = System.OTHER) -> TokenEndpoint:
    """This job's endpoint for ID tokens for ``audience``. Raises :class:`InputError` where the job has none."""
    url, token = environ.get(URL, "").strip(), environ.get(REQUEST_TOKEN, "").strip()
    if not url or not token:
        raise _missing(environ, system)
    parts = urlsplit(url)
    if not may_carry_secrets(parts):
        raise InputError(f"{URL} is no https URL, and the job's own token is not sent without TLS", where=OPTION)
    joint = "&" if parts.query else "?"
    full = f"{url.partition('#')[0]}{joint}audience={quote(audience, safe='')}"
    return TokenEndpoint(full, token, checked_environment_proxy(url, environ))


def _missing(environ: Mapping[str, str], system: System) -> InputError:
    names = " and ".join(name for name in (URL, REQUEST_TOKEN) if not environ.get(name, "").strip())
    if system is System.GITHUB:
        hint = (
            "the job needs permissions: id-token: write; pull requests from forks get none, "
            "and docker run has to pass both variables on"
        )
        return InputError(f"GitHub gives this job no ID tokens: {names} not set", where=OPTION, hint=hint)
    hint = "elsewhere give a token as K8S_TOKEN; in GitLab, one of the job's id_tokens"
    message = f"this is no GitHub Actions job, which could ask for an ID token: {names} not set"
    return InputError(message, where=OPTION, hint=hint)


def claims(token: str) -> dict[str, Any]:
    """The claims of a JWT; empty where ``token`` is not a JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def expiry(token: str) -> float:
    """The expiry (``exp``) of a JWT in seconds since the epoch; infinity where it has none."""
    found = claims(token).get("exp")
    return float(found) if isinstance(found, int | float) and 0 <= found < _FOREVER else math.inf


def why_refused(token: str, now: float) -> str | None:
    """A hint for a JWT that the server refused, from its claims; ``None`` where it names no issuer."""
    found = claims(token)
    issuer, audience = found.get("iss"), found.get("aud")
    if not issuer:
        return None
    names = ", ".join(str(each) for each in (audience if isinstance(audience, list) else [audience]) if each)
    whose = f"the token is of issuer {str(issuer)[:_LONGEST]} for audience {names[:_LONGEST] or '(none)'}"
    ends = expiry(token)
    if ends <= now:
        return f"{whose}, and ended at {datetime.fromtimestamp(ends, UTC):%Y-%m-%dT%H:%M:%SZ}"
    if "kubernetes.io" in found:
        return f"{whose}: is it of this cluster, and is its service account still there?"
    return f"{whose}: does this server trust that issuer, and for that audience?"
