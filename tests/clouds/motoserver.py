"""moto's EKS and STS in a process of their own, behind a guard that checks what moto does not.

The guard verifies signatures (with botocore), ID tokens, trust policies and who may describe clusters, and refuses in
the words of AWS. Started by ``amazon.Amazon``, with its settings on stdin; says port and keys on stdout.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode
from xml.sax.saxutils import escape

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from moto.eks.models import eks_backends
from moto.iam.models import iam_backends
from moto.moto_server.threaded_moto_server import DomainDispatcherApplication, create_backend_app
from moto.sts.models import sts_backends
from werkzeug.serving import WSGIRequestHandler, make_server

ACCOUNT, PARTITION = "123456789012", "aws"
CONTROL = "control.test"
AUDIENCE = "sts.amazonaws.com"
_CLUSTER_HEADER = "x-k8s-aws-id"

Environ = dict[str, Any]
Start = Callable[[str, list[tuple[str, str]]], Any]


class RefusedError(Exception):
    """What AWS says no to."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass
class Caller:
    """Whose key it is; ``ends`` is in seconds since the epoch."""

    arn: str
    secret: str
    token: str | None = None
    ends: float = float("inf")


class Guard:
    """The WSGI application: what passes goes on to moto."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.key = load_pem_public_key(settings["public_key"].encode())
        self.keys: dict[str, Caller] = {}
        self.cluster = _cluster(settings)

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        host = environ["HTTP_HOST"]
        raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(raw)
        if host == CONTROL:
            return self._controlled(raw, start)
        try:
            raw = self._sts(environ, raw) if host.startswith("sts.") else self._eks(environ, raw)
        except RefusedError as refused:
            return _answer(refused, host, start)
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(raw), str(len(raw))
        return self.moto(environ, start)

    def _controlled(self, raw: bytes, start: Start) -> Iterable[bytes]:
        """A test's wish: other settings. Tells the sessions that were given."""
        self.settings.update(json.loads(raw))
        self.cluster.status = self.settings.get("status", "ACTIVE")
        self.cluster.endpoint = self.settings["endpoint"]
        given = sts_backends[ACCOUNT][PARTITION].assumed_roles
        said = json.dumps([[role.secret_access_key, role.session_token] for role in given]).encode()
        start("200 OK", [("Content-Length", str(len(said)))])
        return [said]

    def _sts(self, environ: Environ, raw: bytes) -> bytes:
        said = dict(parse_qsl(raw.decode() or environ["QUERY_STRING"]))
        if said.get("Version") != "2011-06-15":
            raise RefusedError(400, "MissingVersion", "The request must contain the parameter Version")
        if said["Action"] == "AssumeRoleWithWebIdentity":
            self._trusted(said)
            return _lasting(said, self.settings.get("seconds", 3600))
        caller = self._caller(environ, raw)
        if said["Action"] == "AssumeRole":
            if caller.arn not in self._role(said).get("principals", []):
                message = (
                    f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {said['RoleArn']}"
                )
                raise RefusedError(403, "AccessDenied", message)
            return _lasting(said, self.settings.get("seconds", 3600))
        return raw

    def _role(self, said: dict[str, str]) -> dict[str, Any]:
        found: dict[str, Any] = self.settings["roles"].get(said["RoleArn"], {})
        return found

    def _trusted(self, said: dict[str, str]) -> None:
        """The provider of IAM, then the trust policy of the role."""
        found = self._verified(said["WebIdentityToken"])
        if found["iss"] not in self.settings["issuers"]:
            message = f"No OpenIDConnect provider found in your account for {found['iss']}"
            raise RefusedError(400, "InvalidIdentityToken", message)
        if found["aud"] != AUDIENCE:
            raise RefusedError(400, "InvalidIdentityToken", "Incorrect token audience")
        if found["exp"] < time.time():
            raise RefusedError(400, "ExpiredTokenException", "Token expired: current date/time must be before it")
        if found["sub"] not in self._role(said).get("subjects", []):
            raise RefusedError(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")

    def _verified(self, token: str) -> dict[str, Any]:
        signed, _, signature = token.rpartition(".")
        try:
            self.key.verify(_unpacked(signature), signed.encode(), padding.PKCS1v15(), SHA256())
        except (InvalidSignature, ValueError):
            message = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
            raise RefusedError(400, "InvalidIdentityToken", message) from None
        found: dict[str, Any] = json.loads(_unpacked(signed.partition(".")[2]))
        return found

    def _eks(self, environ: Environ, raw: bytes) -> bytes:
        caller = self._caller(environ, raw)
        if caller.arn not in self.settings["describers"]:
            resource = (
                f"arn:aws:eks:{self.settings['region']}:{ACCOUNT}:cluster/{environ['PATH_INFO'].rpartition('/')[2]}"
            )
            message = f"User: {caller.arn} is not authorized to perform: eks:DescribeCluster on resource: {resource}"
            raise RefusedError(403, "AccessDeniedException", message)
        return raw

    def _caller(self, environ: Environ, raw: bytes) -> Caller:
        """Whose signature it is, in the headers or in the query."""
        query = dict(parse_qsl(environ["QUERY_STRING"]))
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        parts = dict(part.strip().split("=", 1) for part in authorization.partition(" ")[2].split(",") if "=" in part)
        in_query = "X-Amz-Signature" in query
        credential = query["X-Amz-Credential"] if in_query else parts.get("Credential", "")
        key_id = credential.partition("/")[0]
        caller = self._known(key_id)
        names = query["X-Amz-SignedHeaders"] if in_query else parts["SignedHeaders"]
        given = query["X-Amz-Signature"] if in_query else parts["Signature"]
        date = query["X-Amz-Date"] if in_query else environ["HTTP_X_AMZ_DATE"]
        token = query.get("X-Amz-Security-Token") if in_query else environ.get("HTTP_X_AMZ_SECURITY_TOKEN")
        if _signature(environ, raw, caller, credential, names, date, in_query) != given:
            raise RefusedError(403, "SignatureDoesNotMatch", "The request signature we calculated does not match")
        if token != caller.token:
            raise RefusedError(403, "InvalidClientTokenId", "The security token included in the request is invalid")
        if caller.ends < time.time():
            raise RefusedError(403, "ExpiredToken", "The security token included in the request is expired")
        if in_query:  # moto reads the key from the headers only
            environ["HTTP_AUTHORIZATION"] = (
                f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature=x"
            )
        return caller

    def _known(self, key_id: str) -> Caller:
        role = sts_backends[ACCOUNT][PARTITION].get_assumed_role_from_access_key(key_id)
        if role is not None:
            ends = role.expiration.timestamp()
            return Caller(role.arn, role.secret_access_key, role.session_token, ends)
        if key_id not in self.keys:
            raise RefusedError(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
        return self.keys[key_id]

    def add_user(self, name: str) -> tuple[str, str]:
        """A user of IAM with a key: its ID and secret."""
        iam = iam_backends[ACCOUNT][PARTITION]
        user = iam.create_user(self.settings["region"], name)
        key = iam.create_access_key(name)
        self.keys[key.access_key_id] = Caller(user.arn, key.secret_access_key)
        return key.access_key_id, key.secret_access_key


def _cluster(settings: dict[str, Any]) -> Any:
    backend = eks_backends[ACCOUNT][settings["region"]]
    role = f"arn:aws:iam::{ACCOUNT}:role/control-plane"
    made = backend.create_cluster(settings["cluster"], role, {"subnetIds": ["subnet-1", "subnet-2"]})
    made.endpoint = settings["endpoint"]
    made.certificate_authority = {"data": base64.b64encode(settings["ca"].encode()).decode()}
    return made


def _signature(
    environ: Environ, raw: bytes, caller: Caller, credential: str, names: str, date: str, in_query: bool
) -> str:
    _, _, region, service, _ = credential.split("/")
    query = environ["QUERY_STRING"].partition("&X-Amz-Signature=")[0]
    url = f"https://{environ['HTTP_HOST']}{environ['RAW_URI'].partition('?')[0]}" + (f"?{query}" if query else "")
    headers = {name: _header(environ, name) for name in names.split(";")}
    request = AWSRequest(method=environ["REQUEST_METHOD"], url=url, headers=headers, data=raw)
    request.context["timestamp"] = date
    kind = SigV4QueryAuth if in_query else SigV4Auth
    auth = kind(Credentials(_key_id(credential), caller.secret, caller.token), service, region)
    found: str = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return found


def _key_id(credential: str) -> str:
    return credential.partition("/")[0]


def _header(environ: Environ, name: str) -> str:
    key = name.upper().replace("-", "_")
    return str(environ.get(key if key.startswith("CONTENT_") else f"HTTP_{key}", ""))


def _lasting(said: dict[str, str], seconds: int) -> bytes:
    """The same request for keys that last so long: AWS has no shorter than 15 minutes."""
    assert int(said.get("DurationSeconds", 3600)) >= 900
    return urlencode({**said, "DurationSeconds": str(seconds)}).encode()


def _answer(refused: RefusedError, host: str, start: Start) -> Iterable[bytes]:
    code, message = refused.code, refused.message
    if host.startswith("sts."):
        error = f"<Error><Type>Sender</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        document = f'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">{error}</ErrorResponse>'
        headers = [("Content-Type", "text/xml")]
    else:
        names = {"SignatureDoesNotMatch": "InvalidSignatureException", "ExpiredToken": "ExpiredTokenException"}
        names["InvalidClientTokenId"] = "UnrecognizedClientException"
        document = json.dumps({"message": message})
        headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", names.get(code, code))]
    raw = document.encode()
    start(f"{refused.status} Refused", [*headers, ("Content-Length", str(len(raw)))])
    return [raw]


def _unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: Any) -> None:
        """Nobody reads it."""


def main() -> None:
    guard = Guard(json.loads(sys.stdin.readline()))
    key_id, secret = guard.add_user("deployer")
    server = make_server("127.0.0.1", 0, guard, threaded=True, request_handler=_Quiet)
    print(json.dumps({"port": server.server_port, "key_id": key_id, "secret": secret}), flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
