"""Finds keys for AWS as its SDKs do: the environment, profiles, a role by an ID token, the container's or machine's.

Source: the STS, EKS Pod Identity and IMDSv2 documentation of AWS; the order is that of botocore's chain.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from k8s_step.clouds import CloudOptions, identity
from k8s_step.clouds.calls import Call, Caller
from k8s_step.clouds.identity import Identity
from k8s_step.clouds.profiles import Profile, Profiles
from k8s_step.clouds.sigv4 import Keys, Scope, signed_headers
from k8s_step.errors import InputError, StepError, UnauthorizedError, UnreachableError
from k8s_step.redaction.secretfile import SecretFile

AUDIENCE = "sts.amazonaws.com"
_ROLE = "AWS_ROLE_ARN"
EARLY = 300.0  # seconds before their expiry at which long-lived keys are renewed
_SESSION_SECONDS = 3600
_CONTAINER = "http://169.254.170.2"
_MACHINE = "http://169.254.169.254/latest"
_MACHINE_PATIENCE = 2.0  # seconds; outside of AWS nothing answers at this address
# Partitions with a domain of their own. Source: partitions.json of botocore.
_DOMAINS = {
    "cn-": "amazonaws.com.cn",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
    "eusc-": "amazonaws.eu",
}
_FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


@dataclass(frozen=True)
class AwsLogin:
    """The identity to obtain: ``role``, assumed by an ID token or with other keys; ``then`` is assumed after it.

    ``is_ambient``: the role comes from ``AWS_ROLE_ARN``, which the SDKs ignore if there are keys. ``profiles`` are
    those of the shared files.
    """

    region: str
    role: str | None = None
    is_ambient: bool = False
    then: str | None = None
    session: str = "k8s-step"
    profiles: Profiles | None = None
    id_token: str | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls,
        cloud: CloudOptions,
        environ: Mapping[str, str],
        region: str,
        then: str | None = None,
        profiles: Profiles | None = None,
    ) -> AwsLogin:
        """From the options and the environment."""
        is_ambient = cloud.aws_role_origin in ("", _ROLE)
        role = cloud.aws_role_arn or environ.get(_ROLE, "").strip() or None
        session = environ.get("AWS_ROLE_SESSION_NAME", "").strip() or "k8s-step"
        return cls(region, role, is_ambient, then, session, profiles, cloud.id_token)


@dataclass(frozen=True)
class _Source:
    """A source of keys; ``origin`` names it in the log."""

    origin: str
    obtain: Callable[[], Keys] = field(repr=False)


def host(service: str, region: str) -> str:
    """The host of a service in a region."""
    domain = next((domain for prefix, domain in _DOMAINS.items() if region.startswith(prefix)), "amazonaws.com")
    return f"{service}.{region}.{domain}"


class KeyChain:
    """The keys in use, renewed before they expire; thread-safe. ``origin`` names their owner in the log."""

    def __init__(self, login: AwsLogin, caller: Caller, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: Keys | None = None
        self._renew_at = 0.0
        source = _source(login, caller, clock)
        self.origin, self._obtain = source.origin, source.obtain

    def current(self) -> Keys:
        """The keys that are valid now. Raises :class:`StepError`."""
        with self._lock:
            if self._keys is None or self._clock() >= self._renew_at:
                self._keys = self._renewed(self._keys)
            return self._keys

    def forget(self) -> None:
        """Renew the keys at the next use, after a server refused them."""
        with self._lock:
            self._renew_at = 0.0

    def _renewed(self, before: Keys | None) -> Keys:
        now = self._clock()
        try:
            keys = self._obtain()
        except StepError:
            if before is None or now >= before.ends:
                raise
            keys = before  # still valid
        self._renew_at = max(keys.ends - min(EARLY, (keys.ends - now) / 5), now) if keys.ends > now else now
        return keys


def _source(login: AwsLogin, caller: Caller, clock: Callable[[], float]) -> _Source:
    """The first source that exists; a named profile comes before ID tokens, the default profile after them."""
    chain = _Chain(login, caller, clock)
    found = _given(login, chain)
    if found is not None:
        return chain.on_top(found, None if login.is_ambient else login.role, login.then)
    role = login.role or login.then
    token = identity.find(caller, login.id_token, AUDIENCE, _named_by("AWS_WEB_IDENTITY_TOKEN_FILE", caller))
    if role and token:
        return chain.on_top(chain.by_identity(role, token), login.then if login.then != role else None)
    default = login.profiles.default if login.profiles else None
    last = chain.of_profile(default) if default else chain.of_surroundings()
    return chain.on_top(last, login.role, login.then)


def _given(login: AwsLogin, chain: _Chain) -> _Source | None:
    """The environment's keys or else the named profile's; a profile named by ``--profile`` comes first."""
    profiles = login.profiles
    by_argument = profiles is not None and profiles.origin == "--profile"
    found = None if by_argument else _environment(chain.caller)
    if found is None and profiles is not None and profiles.is_named:
        return chain.of_profile(profiles.named(profiles.chosen, profiles.origin))
    return found


def _named_by(variable: str, caller: Caller) -> SecretFile | None:
    """The file that a variable names."""
    text = caller.environ.get(variable, "")
    return SecretFile(text, variable) if text else None


def _environment(caller: Caller) -> _Source | None:
    environ = caller.environ
    key_id, secret = (environ.get(f"AWS_{name}", "").strip() for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    if bool(key_id) != bool(secret):
        absent = "AWS_SECRET_ACCESS_KEY" if key_id else "AWS_ACCESS_KEY_ID"
        raise InputError(f"{absent} is not set, and goes with the other one", where=caller.where)
    if not key_id:
        return None
    token = environ.get("AWS_SESSION_TOKEN", "").strip() or None
    caller.redactor.add(secret, token)
    keys = Keys(key_id, secret, token)
    return _Source("the keys of AWS_ACCESS_KEY_ID", lambda: keys)


@dataclass(frozen=True)
class _Chain:
    """Builds the sources of keys, most of which make requests."""

    login: AwsLogin
    caller: Caller
    clock: Callable[[], float]

    def on_top(self, source: _Source, *roles: str | None) -> _Source:
        """``source``, with each of ``roles`` assumed by the keys before it."""
        for each in dict.fromkeys(filter(None, roles)):
            source = self._assuming(each, source)
        return source

    def of_surroundings(self) -> _Source:
        """The keys of the container's or the machine's own role."""
        environ = self.caller.environ
        if environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") or environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
            return _Source("the container's role", self.of_container)
        return _Source("the machine's role", self.of_machine)

    def of_profile(self, profile: Profile, seen: tuple[str, ...] = ()) -> _Source:
        """A profile's keys or its role, by a token file or by keys of another profile, the environment or the machine.

        ``seen`` are the profiles that led here, to find loops. Raises :class:`InputError`.
        """
        profile.check(self.caller.where)
        role, path = profile.get("role_arn"), profile.get("web_identity_token_file")
        if role is None or profile.name in seen:  # a profile may be its own source_profile, by its keys
            return self._keys_of(profile)
        session = profile.get("role_session_name") or self.login.session
        if path:
            named = SecretFile(path, f"web_identity_token_file of the AWS profile {profile.name}")
            token = identity.in_file(named, self.caller)
            return self.by_identity(role, token, session)
        more = {"ExternalId": profile.get("external_id"), "DurationSeconds": profile.get("duration_seconds")}
        given = {name: value for name, value in more.items() if value}
        return self._assuming(role, self._source_of(profile, (*seen, profile.name)), session, given)

    def _source_of(self, profile: Profile, seen: tuple[str, ...]) -> _Source:
        """The source of the keys with which a profile's role is assumed."""
        other, kind = profile.get("source_profile"), profile.get("credential_source")
        if other and self.login.profiles:
            if other in seen and other != profile.name:
                raise self._wrong(profile, f"its source_profile {other} leads back to it")
            return self.of_profile(self.login.profiles.named(other, f"the profile {profile.name}"), seen)
        if kind == "Environment":
            found = _environment(self.caller)
            if found is None:
                raise self._wrong(profile, "its credential_source is Environment, and AWS_ACCESS_KEY_ID is not set")
            return found
        if kind in ("Ec2InstanceMetadata", "EcsContainer"):
            return self.of_surroundings()
        raise self._wrong(profile, "its role_arn needs a source_profile, a credential_source or a token file")

    def _keys_of(self, profile: Profile) -> _Source:
        key_id, secret = profile.get("aws_access_key_id"), profile.get("aws_secret_access_key")
        if not key_id or not secret:
            raise self._wrong(profile, "it holds no aws_access_key_id with aws_secret_access_key")
        keys = Keys(key_id, secret, profile.get("aws_session_token"))
        self.caller.redactor.add(secret, keys.token)
        return _Source(f"the keys of the profile {profile.name}", lambda: keys)

    def _wrong(self, profile: Profile, message: str) -> InputError:
        return InputError(f"the AWS profile {profile.name}: {message}", where=self.caller.where)

    def by_identity(self, role: str, token: Identity, session: str | None = None) -> _Source:
        def obtain() -> Keys:
            value = token.token()
            form = {"RoleArn": role, "RoleSessionName": session or self.login.session, "WebIdentityToken": value}
            form["DurationSeconds"] = str(_SESSION_SECONDS)
            return self._of_sts("AssumeRoleWithWebIdentity", form, _identity_hints(role, value))

        return _Source(f"{role} by {token.origin}", obtain)

    def _assuming(
        self, role: str, source: _Source, session: str | None = None, more: Mapping[str, str] | None = None
    ) -> _Source:
        def obtain() -> Keys:
            form = {"RoleArn": role, "RoleSessionName": session or self.login.session, **(more or {})}
            hints = {
                "AccessDenied": f"may {source.origin} assume it, by their policy and by the trust policy of {role}?"
            }
            return self._of_sts("AssumeRole", form, hints, source.obtain())

        return _Source(f"{role} by {source.origin}", obtain)

    def _of_sts(self, action: str, form: Mapping[str, str], hints: Mapping[str, str], by: Keys | None = None) -> Keys:
        """The keys from an action of STS; ``by`` are the keys that sign it, if it needs a signature."""
        url = f"https://{host('sts', self.login.region)}/"
        body = urlencode({"Action": action, "Version": "2011-06-15", **form}).encode()
        headers = dict(_FORM)
        if by is not None:
            moment = datetime.fromtimestamp(self.clock(), UTC)
            headers = signed_headers("POST", url, headers, body, by, Scope(self.login.region, "sts", moment))
        call = Call("AWS STS", action, "POST", url, headers, body, {**KEY_HINTS, **hints})
        raw = self.caller.send(call).decode(errors="replace")
        fields = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
        values = {name: _element(raw, name) for name in fields}
        return self._keys(call, values, "SessionToken")

    def of_container(self) -> Keys:
        """Keys from the endpoint that the container's environment names (ECS, EKS Pod Identity, CodeBuild)."""
        environ = self.caller.environ
        relative = environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "").strip()
        url = f"{_CONTAINER}{relative}" if relative else environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"].strip()
        token = self._container_token()
        self.caller.redactor.add(token)
        call = Call(
            "the container's credential endpoint", "keys", "GET", url, {"Authorization": token} if token else {}
        )
        return self._keys(call, self.caller.ask(call), "Token")

    def _container_token(self) -> str:
        environ = self.caller.environ
        file = _named_by("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", self.caller)
        if file is None:
            return environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "").strip()
        file.check(self.caller.redactor, self.caller.where)
        try:
            return file.path.read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            message = f"{file.origin} names {file.path}, which can't be read"
            raise InputError(message, where=self.caller.where) from None

    def of_machine(self) -> Keys:
        """Keys of the machine's instance profile, by IMDSv2."""
        if self.caller.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            raise self._nothing("AWS_EC2_METADATA_DISABLED is true")
        try:
            token = self._of_metadata("PUT", "api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "300"})
            asked = {"X-aws-ec2-metadata-token": token}
            path = "meta-data/iam/security-credentials/"
            profile = self._of_metadata("GET", path, asked).split("\n")[0].strip()
            call = self._metadata_call("GET", f"{path}{profile}", asked)
            return self._keys(call, self.caller.ask(call), "Token")
        except (UnreachableError, UnauthorizedError):
            raise self._nothing("no answer, or no instance profile") from None

    def _of_metadata(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        return self.caller.send(self._metadata_call(method, path, headers)).decode(errors="replace").strip()

    def _metadata_call(self, method: str, path: str, headers: Mapping[str, str]) -> Call:
        body = b"" if method == "PUT" else None
        url = f"{_MACHINE}/{path}"
        operation = "keys"
        return Call(
            "the machine's metadata service",
            operation,
            method,
            url,
            headers,
            body,
            timeout=_MACHINE_PATIENCE,
            patient=False,
        )

    def _nothing(self, machine: str) -> InputError:
        """The error when no source has keys, with every place searched; ``machine``: why its service has none."""
        role = self.login.role or self.login.then
        token = identity.missing(self.caller) if role else "no role is named: --aws-role-arn"
        return InputError(
            "no credentials for AWS. Looked at AWS_ACCESS_KEY_ID and AWS_PROFILE: not set; AWS_WEB_IDENTITY_TOKEN_FILE "
            f"and the CI's ID token: {token}; the default profile: none; AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and "
            f"_FULL_URI: not set; the machine's metadata service: {machine}",
            where=self.caller.where,
        )

    def _keys(self, call: Call, found: Mapping[str, Any], token_name: str) -> Keys:
        key_id, secret, token = (str(found.get(name) or "") for name in ("AccessKeyId", "SecretAccessKey", token_name))
        self.caller.redactor.add(secret, token)
        if not key_id or not secret:
            raise self.caller.misanswered(call)
        keys = Keys(key_id, secret, token or None)
        ends = seconds(found.get("Expiration"))
        return keys if ends is None else replace(keys, ends=ends)


KEY_HINTS = {
    "ExpiredToken": "the keys have ended: get them in the same job, shortly before",
    "InvalidClientTokenId": "the keys are unknown: are they of this account and partition, with their session token?",
    "UnrecognizedClientException": "the keys are unknown: are they of this account, with their session token?",
    "ExpiredTokenException": "the keys have ended: get them in the same job, shortly before",
    "InvalidSignatureException": "does the secret belong to the key, and is this machine's clock right?",
    "SignatureDoesNotMatch": "does the secret belong to the key, and is this machine's clock right?",
}


def _identity_hints(role: str, token: str) -> dict[str, str]:
    told = identity.described(token)
    return {
        "Incorrect token audience": f"the provider in IAM must list the audience {AUDIENCE}; {told}",
        "No OpenIDConnect provider found": f"the account of {role} has no OIDC provider for that issuer; {told}",
        "AccessDenied": f"the trust policy of {role} must allow this job, and the role must exist; {told}",
        "InvalidIdentityToken": told,
        "ExpiredTokenException": f"the ID token has ended; {told}",
        "ValidationError": "is --aws-role-arn the ARN of a role?",
    }


def seconds(timestamp: Any) -> float | None:
    """An RFC 3339 time in seconds since the epoch; ``None`` if malformed."""
    try:
        moment = datetime.fromisoformat(str(timestamp))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _element(text: str, name: str) -> str:
    """The text of an XML element without children and escapes (an identifier, base64 or a time); empty if missing."""
    found = re.search(rf"<{name}>\s*([^<]*?)\s*</{name}>", text)
    return found[1] if found else ""
