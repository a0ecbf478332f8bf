"""Google's access tokens: by workload identity federation, a service account key, or the metadata server.

Source: google-github-actions/auth, AIP-4117 (external accounts), RFC 7523 (signed by a key), and the documentation of
Compute Engine's metadata server.
"""

from __future__ import annotations

import base64
import json
import math
import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from k8s_step.clouds import CloudOptions, identity
from k8s_step.clouds.aws import seconds
from k8s_step.clouds.calls import Call, Caller
from k8s_step.connection.identity.credentials import Credential, Renewed, bearer
from k8s_step.errors import InputError, MissingFileError, UnauthorizedError, UnreachableError
from k8s_step.redaction.secretfile import SecretFile

FILE_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
EMAIL = "https://www.googleapis.com/auth/userinfo.email"  # else RBAC sees a number, not the e-mail address
_STS = "https://sts.googleapis.com/v1/token"
_ACCOUNTS = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts"
_METADATA = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"
_METADATA_PATIENCE = 3.0  # seconds; outside of Google Cloud nothing answers at this address
_SIGNED_SECONDS = 3600
_JSON = {"Content-Type": "application/json"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_PROVIDER = re.compile(r"projects/\d+/locations/global/workloadIdentityPools/[a-z0-9-]+/providers/[a-z0-9-]+")
_ID_HINTS = {
    "audience": "the provider must allow that audience: its default is https://iam.googleapis.com/ and its full name",
    "attribute condition": "the provider's attribute condition must hold for this job",
    "invalid_target": "is there such a provider, in a pool that is not deleted or disabled? The project is its number",
}
_ACCOUNT_HINTS = {
    "PERMISSION_DENIED": "the job's principal needs roles/iam.workloadIdentityUser on the service account",
    "NOT_FOUND": "is there such a service account?",
}


@dataclass(frozen=True)
class GoogleLogin:
    """The identity to obtain, by a provider or a credentials file, and the service account to impersonate."""

    provider: str | None = None
    service_account: str | None = None
    file: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, cloud: CloudOptions, environ: Mapping[str, str]) -> GoogleLogin:
        """From the options and the environment."""
        file = environ.get(FILE_VARIABLE, "").strip() or None
        return cls(cloud.gcp_workload_identity_provider, cloud.gcp_service_account, file, cloud.id_token)


@dataclass(frozen=True)
class _Token:
    """An access token; ``ends`` is its expiry in seconds since the epoch."""

    value: str = field(repr=False)
    ends: float


@dataclass(frozen=True)
class _Source:
    """A source of access tokens; ``origin`` names it in the log."""

    origin: str
    obtain: Callable[[], _Token] = field(repr=False)


class GoogleToken(Renewed):
    """A Google access token, which is also a GKE cluster's bearer token; ``origin`` names its owner in the log."""

    def __init__(self, login: GoogleLogin, caller: Caller, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock)
        self._caller = caller
        source = _Exchange(login, caller, clock).source()
        self.origin, self._obtain = source.origin, source.obtain

    def obtain(self) -> tuple[Credential, float]:
        token = self._obtain()
        return Credential(bearer(token.value, "Google's access token")), token.ends

    def next_move(self, code: int) -> str | None:
        return _NEXT_MOVES.get(code)

    def close(self) -> None:
        self._caller.close()


_NEXT_MOVES = {
    401: "Google gave that token, so the cluster should know it: is it this project's, and the endpoint its own?",
    403: "the identity needs roles/container.developer on the project, or RBAC in the cluster under its e-mail address",
}


@dataclass(frozen=True)
class _Exchange:
    """Builds the sources of access tokens."""

    login: GoogleLogin
    caller: Caller
    clock: Callable[[], float]

    def source(self) -> _Source:
        """The first source that exists; impersonates the service account if one is named."""
        login = self.login
        if login.provider:
            provider = _provider(login.provider, self.caller)
            audience = f"https://iam.googleapis.com/{provider}"
            token = identity.find(self.caller, login.id_token, audience, None)
            if token is None:
                raise InputError(identity.missing(self.caller), where=self.caller.where)
            exchange = self._federated(f"//iam.googleapis.com/{provider}", _STS, token.token)
            return self._acting(_Source(f"{provider} by {token.origin}", exchange), self._account_url())
        if login.file:
            return self._of_file(login.file)
        return self._acting(_Source("the machine's service account", self._of_machine), self._account_url())

    def _account_url(self) -> str | None:
        email = self.login.service_account
        return f"{_ACCOUNTS}/{quote(email, safe='@')}:generateAccessToken" if email else None

    def _of_file(self, path: str) -> _Source:
        found = _json_file(path, self.caller)
        kind = str(found.get("type") or "nothing")
        make = _FILES.get(kind)
        if make is None:
            message = f"{path} is of type {kind[:40]}: only {' and '.join(_FILES)} are known"
            raise InputError(message, where=FILE_VARIABLE)
        try:
            return make(self, found)
        except (KeyError, TypeError, AttributeError) as missing:
            raise InputError(f"{path} lacks {missing}, which {kind} has", where=FILE_VARIABLE) from None

    def of_external_account(self, found: dict[str, Any]) -> _Source:
        """From the file that google-github-actions/auth and gcloud write for workload identity federation."""
        subject = self._subject(found["credential_source"])
        exchange = self._federated(found["audience"], found.get("token_url") or _STS, subject)
        url = self._account_url() or found.get("service_account_impersonation_url")
        return self._acting(_Source(f"{found['audience'].removeprefix('//iam.googleapis.com/')}", exchange), url)

    def _subject(self, source: Mapping[str, Any]) -> Callable[[], str]:
        """A function that reads an external account's ID token from a file or URL, as text or a field of JSON."""
        form = source.get("format") or {}
        name = form["subject_token_field_name"] if form.get("type") == "json" else None
        if source.get("file"):
            file = SecretFile(str(source["file"]), "the file of credential_source")
            return lambda: self._field(identity.read(file, self.caller), name)
        headers = dict(source.get("headers") or {})
        self.caller.redactor.add(*(value.rpartition(" ")[2] for value in headers.values()))
        call = Call("the credential source", "an ID token", "GET", str(source["url"]), headers)
        return lambda: self._field(self.caller.send(call).decode(errors="replace").strip(), name)

    def _field(self, text: str, name: str | None) -> str:
        if name:
            try:
                text = str(json.loads(text)[name])
            except (ValueError, KeyError, TypeError):
                raise InputError(f"the credential source holds no {name}", where=FILE_VARIABLE) from None
        self.caller.redactor.add(text)
        return text

    def _federated(self, audience: str, url: str, subject: Callable[[], str]) -> Callable[[], _Token]:
        def obtain() -> _Token:
            token = subject()
            body = {
                "audience": audience,
                "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
                "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
                "scope": PLATFORM,
                "subjectTokenType": "urn:ietf:params:oauth:token-type:jwt",
                "subjectToken": token,
            }
            told = identity.described(token)
            hints = {key: f"{hint}; {told}" for key, hint in _ID_HINTS.items()} | {"*": told}
            call = Call("Google's STS", "the token exchange", "POST", url, _JSON, json.dumps(body).encode(), hints)
            return self._granted(call)

        return obtain

    def _acting(self, source: _Source, url: str | None) -> _Source:
        """``source``, impersonating the service account of ``url``; unchanged without ``url``."""
        if not url:
            return source
        body = json.dumps({"scope": [PLATFORM, EMAIL], "lifetime": "3600s"}).encode()
        email = url.rpartition("/")[2].removesuffix(":generateAccessToken")

        def obtain() -> _Token:
            headers = {**_JSON, "Authorization": f"Bearer {source.obtain().value}"}
            service = "Google's IAM Credentials API"
            call = Call(service, f"a token of {email}", "POST", url, headers, body, _ACCOUNT_HINTS)
            found = self.caller.ask(call)
            return self._token(call, found.get("accessToken"), seconds(found.get("expireTime")))

        return _Source(f"{email} by {source.origin}", obtain)

    def of_key(self, found: dict[str, Any]) -> _Source:
        """From a service account's key, which signs the request for an access token."""
        email, key, url = found["client_email"], found["private_key"], found.get("token_uri")
        url = url or "https://oauth2.googleapis.com/token"
        self.caller.redactor.add(key)
        head = {"alg": "RS256", "typ": "JWT", **({"kid": found["private_key_id"]} if "private_key_id" in found else {})}

        def obtain() -> _Token:
            now = int(self.clock())
            said = {"iss": email, "scope": f"{PLATFORM} {EMAIL}", "aud": url, "iat": now, "exp": now + _SIGNED_SECONDS}
            signed = f"{_packed(head)}.{_packed(said)}"
            assertion = f"{signed}.{_base64(_signature(signed.encode(), key, self.caller))}"
            self.caller.redactor.add(assertion)
            form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
            hints = {"invalid_grant": f"is the key of {email} still there, and is this machine's clock right?"}
            return self._granted(
                Call("Google", f"a token of {email}", "POST", url, _FORM, urlencode(form).encode(), hints)
            )

        return self._acting(_Source(f"the key of {email}", obtain), self._account_url())

    def _of_machine(self) -> _Token:
        headers = {"Metadata-Flavor": "Google"}
        call = Call(
            "the metadata server", "a token", "GET", _METADATA, headers, timeout=_METADATA_PATIENCE, patient=False
        )
        try:
            return self._granted(call)
        except (UnauthorizedError, UnreachableError):
            message = (
                f"no credentials for Google Cloud. Looked at --gcp-workload-identity-provider and {FILE_VARIABLE}: "
                "not set; the metadata server: no answer, or no service account"
            )
            raise InputError(message, where=self.caller.where) from None

    def _granted(self, call: Call) -> _Token:
        found = self.caller.ask(call)
        lasts = found.get("expires_in")
        ends = self.clock() + float(lasts) if isinstance(lasts, int | float) else None
        return self._token(call, found.get("access_token"), ends)

    def _token(self, call: Call, value: Any, ends: float | None) -> _Token:
        if not isinstance(value, str) or not value:
            raise self.caller.misanswered(call)
        self.caller.redactor.add(value)
        return _Token(value, math.inf if ends is None else ends)


_FILES: dict[str, Callable[[_Exchange, dict[str, Any]], _Source]] = {
    "external_account": _Exchange.of_external_account,
    "service_account": _Exchange.of_key,
}


def _provider(text: str, caller: Caller) -> str:
    """The provider's full name, without ``//iam.googleapis.com/``. Raises :class:`InputError`."""
    name = re.sub(r"^(https:)?//iam\.googleapis\.com/", "", text.strip())
    if not _PROVIDER.fullmatch(name):
        hint = "it looks like projects/123456789/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"
        raise InputError("is no workload identity provider", where="--gcp-workload-identity-provider", hint=hint)
    return name


def _json_file(path: str, caller: Caller) -> dict[str, Any]:
    SecretFile(path, FILE_VARIABLE).check(caller.redactor)
    try:
        found = json.loads(Path(path).read_bytes())
    except FileNotFoundError as error:
        hint = "docker run has to mount it"
        raise MissingFileError(f"{path}: {error.strerror}", path=path, where=FILE_VARIABLE, hint=hint) from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", where=FILE_VARIABLE) from None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{path} holds no JSON object", where=FILE_VARIABLE)
    return found


def _signature(data: bytes, key: str, caller: Caller) -> bytes:
    """The RS256 signature, by the openssl program, as Python has no RSA; the key is piped and never in a file."""
    reader, writer = os.pipe()
    try:
        os.write(writer, data)
        os.close(writer)
        command = ["openssl", "dgst", "-sha256", "-sign", "/dev/stdin", f"/dev/fd/{reader}"]
        done = subprocess.run(command, input=key.encode(), pass_fds=(reader,), capture_output=True, timeout=30)
    except FileNotFoundError:
        message = "a service account key needs the openssl program to sign with, which is not there"
        hint = "install it, or use workload identity federation, which stores no key"
        raise InputError(message, where=FILE_VARIABLE, hint=hint) from None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        raise InputError(
            "the openssl program, which signs with private_key, can't be run", where=FILE_VARIABLE
        ) from None
    finally:
        os.close(reader)
    if done.returncode != 0:
        raise InputError("private_key is no RSA key in PEM that openssl can sign with", where=FILE_VARIABLE)
    return done.stdout


def _packed(said: Mapping[str, Any]) -> str:
    return _base64(json.dumps(said, separators=(",", ":")).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
