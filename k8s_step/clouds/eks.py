"""Amazon EKS: a cluster's address, and its bearer token, a signed STS URL by which the cluster learns our identity.

Source: aws-iam-authenticator's ``pkg/token``, with which the cluster verifies the token.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from k8s_step.clouds.aws import KEY_HINTS, KeyChain, host
from k8s_step.clouds.calls import Call, Caller
from k8s_step.clouds.sigv4 import Scope, signed_headers, signed_url
from k8s_step.connection.identity.credentials import Credential, Renewed
from k8s_step.errors import InputError, StepError

PREFIX = "k8s-aws-v1."
_HEADER = "x-k8s-aws-id"
_LASTS = 14 * 60.0  # seconds; the cluster accepts 15 minutes from X-Amz-Date and ignores X-Amz-Expires
_URL_SECONDS = 60  # X-Amz-Expires, as in aws eks get-token
_ARN = re.compile(r"arn:aws[a-z-]*:eks:([a-z0-9-]+):\d{12}:cluster/(.+)")
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")


@dataclass(frozen=True)
class EksCluster:
    """A cluster by name and region."""

    name: str
    region: str

    @classmethod
    def of(cls, text: str, region: str | None, where: str) -> EksCluster:
        """From a name and ``region``, or from an ARN, which contains the region. Raises :class:`InputError`."""
        arn = _ARN.fullmatch(text.strip())
        name, region = (arn[2], arn[1]) if arn else (text.strip(), (region or "").strip())
        if not _NAME.fullmatch(name):
            hint = "it looks like shop, or arn:aws:eks:eu-central-1:123456789012:cluster/shop"
            raise InputError("is no name or ARN of an EKS cluster", where=where, hint=hint)
        if not region:
            raise InputError("no region", where=where, hint="give --aws-region, AWS_REGION or the cluster's ARN")
        if not _REGION.fullmatch(region):
            raise InputError("--aws-region is no region", where=where, hint="it looks like eu-central-1")
        return cls(name, region)


def region_of(server: str) -> str | None:
    """The region in a cluster's URL, ``https://ID.gr7.REGION.eks.amazonaws.com``; ``None`` for other URLs."""
    found = re.search(r"\.([a-z0-9-]+)\.eks\.[a-z.]+$", urlsplit(server).hostname or "")
    return found[1] if found else None


def describe(
    cluster: EksCluster, keys: KeyChain, caller: Caller, clock: Callable[[], float] = time.time
) -> tuple[str, bytes]:
    """The URL and CA (PEM) of the cluster's API server. Raises :class:`StepError`."""
    url = f"https://{host('eks', cluster.region)}/clusters/{cluster.name}"
    scope = Scope(cluster.region, "eks", datetime.fromtimestamp(clock(), UTC))
    headers = signed_headers("GET", url, {}, b"", keys.current(), scope)
    hints = {
        "AccessDeniedException": f"allow eks:DescribeCluster on {cluster.name}, or give --server and --ca",
        "ResourceNotFoundException": f"is there a cluster {cluster.name} in {cluster.region}, in this account?",
        **KEY_HINTS,
    }
    call = Call("Amazon EKS", f"DescribeCluster of {cluster.name}", "GET", url, headers, hints=hints)
    found = caller.ask(call).get("cluster") or {}
    server, data = found.get("endpoint"), (found.get("certificateAuthority") or {}).get("data")
    if not server or not data:
        state = str(found.get("status") or "unknown")
        raise InputError(f"the EKS cluster {cluster.name} has no endpoint: its status is {state}", where=caller.where)
    return str(server), base64.b64decode(data)


_FORBIDDEN = (
    "the cluster knows the role and lets it do less: kubectl create rolebinding for the username or a group of its "
    "access entry, or give it an access policy (aws eks associate-access-policy)"
)


class EksToken(Renewed):
    """A cluster's bearer token, made without a request; valid for 14 minutes, or less if the keys expire before."""

    def __init__(
        self, cluster: EksCluster, keys: KeyChain, caller: Caller, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(clock)
        self._cluster, self._keys, self._caller = cluster, keys, caller
        self._url = ""

    def obtain(self) -> tuple[Credential, float]:
        keys = self._keys.current()
        now = self._clock()
        scope = Scope(self._cluster.region, "sts", datetime.fromtimestamp(now, UTC))
        url = f"https://{host('sts', self._cluster.region)}/?Action=GetCallerIdentity&Version=2011-06-15"
        self._url = signed_url(url, {_HEADER: self._cluster.name}, keys, scope, seconds=_URL_SECONDS)
        token = PREFIX + base64.urlsafe_b64encode(self._url.encode()).decode().rstrip("=")
        self._caller.redactor.add(token, self._url.rpartition("=")[2])
        return Credential(f"Bearer {token}"), min(now + _LASTS, keys.ends)

    def refresh(self, refused: Credential) -> bool:
        if self._credential is refused:
            self._keys.forget()
        return super().refresh(refused)

    def next_move(self, code: int) -> str | None:
        """A hint: for a 401, STS's error about the keys or, if STS knows them, the access entry that they lack."""
        if code == 403:
            return _FORBIDDEN
        call = Call("AWS STS", "GetCallerIdentity", "GET", self._url, {_HEADER: self._cluster.name}, hints=KEY_HINTS)
        try:
            told = self._caller.send(call).decode(errors="replace")
        except StepError as error:
            return str(error)
        arn = re.search(r"<Arn>([^<]+)</Arn>", told)
        who = arn[1] if arn else "this identity"
        return (
            f"AWS knows the token as {who}: has its role an access entry in the cluster {self._cluster.name}? "
            "aws eks create-access-entry, or aws-auth, adds one"
        )

    def close(self) -> None:
        self._caller.close()
