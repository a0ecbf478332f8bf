"""Signature Version 4, held to botocore byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from k8s_step.clouds.sigv4 import Keys, Scope, signed_headers, signed_url

WORDS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~", min_size=1, max_size=20)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
SECRETS = st.text("abcXYZ019+/=", min_size=1, max_size=60)
KEYS = st.builds(Keys, WORDS, SECRETS, st.none() | SECRETS)
REGIONS = st.sampled_from(["eu-central-1", "us-east-1", "cn-north-1", "us-gov-west-1"])
SERVICES = st.sampled_from(["sts", "eks"])
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))
SCOPES = st.builds(Scope, REGIONS, SERVICES, MOMENTS)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30).filter(
    lambda text: text == text.strip()
)
HEADERS = st.dictionaries(WORDS.map(lambda word: f"x-{word.replace('~', '')}"), VALUES, max_size=4).filter(
    lambda found: (
        len({name.lower() for name in found}) == len(found)
        and not {name.lower() for name in found} & {"x-amz-date", "x-amz-security-token", "x-amzn-trace-id"}
    )
)
PARAMETERS = st.dictionaries(TEXTS, TEXTS, max_size=5)
SEGMENTS = st.lists(
    TEXTS.filter(lambda text: text not in (".", "..")).map(lambda text: quote(text, safe="")), max_size=3
)


def url_of(scope: Scope, segments: list[str], parameters: dict[str, str]) -> str:
    query = urlencode(parameters, quote_via=quote, safe="-_.~")
    return f"https://{scope.service}.{scope.region}.amazonaws.com/{'/'.join(segments)}" + (f"?{query}" if query else "")


def theirs(request: AWSRequest, auth: SigV4Auth, scope: Scope) -> AWSRequest:
    """``request`` as botocore signs it at the moment of ``scope``."""
    request.context["timestamp"] = scope.timestamp
    auth._modify_request_before_signing(request)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    auth._inject_signature_to_request(request, auth.signature(text, request))
    return request


@given(KEYS, SCOPES, SEGMENTS, PARAMETERS, HEADERS, st.binary(max_size=40), st.sampled_from(["GET", "POST"]))
def test_headers(
    keys: Keys,
    scope: Scope,
    segments: list[str],
    parameters: dict[str, str],
    headers: dict[str, str],
    body: bytes,
    method: str,
) -> None:
    url = url_of(scope, segments, parameters)
    auth = SigV4Auth(Credentials(keys.key_id, keys.secret, keys.token), scope.service, scope.region)
    request = theirs(AWSRequest(method=method, url=url, headers=headers, data=body), auth, scope)
    ours = signed_headers(method, url, headers, body, keys, scope)
    assert {name.lower(): value for name, value in ours.items()} == {
        name.lower(): value for name, value in request.headers.items()
    }


@given(KEYS, SCOPES, PARAMETERS, HEADERS, st.integers(1, 900))
def test_urls(keys: Keys, scope: Scope, parameters: dict[str, str], headers: dict[str, str], seconds: int) -> None:
    url = url_of(scope, [], parameters)
    auth = SigV4QueryAuth(Credentials(keys.key_id, keys.secret, keys.token), scope.service, scope.region, seconds)
    request = theirs(AWSRequest(method="GET", url=url, headers=headers), auth, scope)
    assert signed_url(url, headers, keys, scope, seconds=seconds) == request.url
