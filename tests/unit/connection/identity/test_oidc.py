"""Where a GitHub job gets its ID tokens, and what a token says of itself."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest

from k8s_step.connection.identity.oidc import claims, expiry, github, why_refused
from k8s_step.connection.settings import TokenEndpoint
from k8s_step.errors import InputError
from k8s_step.surroundings import Surroundings

URL = "https://pipelines.example.com/abc//idtoken?api-version=2.0"
SECRET = "s3cr3t-request-token"
JOB = {"GITHUB_ACTIONS": "true", "ACTIONS_ID_TOKEN_REQUEST_URL": URL, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": SECRET}
NOW = 1_000_000.0


def jwt(said: Any) -> str:
    """Signed by nobody."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return f"eyJ.{base64.urlsafe_b64encode(body).decode().rstrip('=')}.sig"


def test_the_audience_is_added_to_the_url() -> None:
    found = github("https://k8s.example.com/?a=b&c", JOB)
    assert found.url == f"{URL}&audience=https%3A%2F%2Fk8s.example.com%2F%3Fa%3Db%26c"
    assert found.request_token == SECRET and SECRET not in repr(found) and URL not in repr(found)
    plain = {**JOB, "ACTIONS_ID_TOKEN_REQUEST_URL": "https://example.com/token"}
    assert github("k8s", plain).url == "https://example.com/token?audience=k8s"


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"HTTP_PROXY": "http://proxy:3128"}, None),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".example.com"}, None),
    ],
)
def test_the_environments_proxy_counts(environ: dict[str, str], proxy: str | None) -> None:
    assert github("k8s", {**JOB, **environ}) == TokenEndpoint(f"{URL}&audience=k8s", SECRET, proxy)


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({}, ["no GitHub Actions job", "ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN", "id_tokens"]),
        ({"GITHUB_ACTIONS": "true"}, ["gives this job no ID tokens", "permissions: id-token: write"]),
        ({**JOB, "ACTIONS_ID_TOKEN_REQUEST_URL": " "}, [": ACTIONS_ID_TOKEN_REQUEST_URL not set", "id-token: write"]),
        ({**JOB, "ACTIONS_ID_TOKEN_REQUEST_URL": "http://example.com/"}, ["is no https URL"]),
        ({**JOB, "HTTPS_PROXY": "ftp://x"}, ["no proxy URL"]),
    ],
)
def test_what_is_missing_is_said(environ: dict[str, str], told: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        github("k8s", environ, Surroundings.of(environ).system)
    assert all(words in str(caught.value) for words in told), str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "token", ["", "abc", "a.b", "a.!.c", "a.b.c.d", jwt(b"\xff"), jwt(b"{"), jwt(["list"]), jwt("text"), "a.ü.c"]
)
def test_what_is_no_jwt_says_nothing(token: str) -> None:
    assert claims(token) == {}
    assert expiry(token) == math.inf
    assert why_refused(token, NOW) is None


@pytest.mark.parametrize(
    ("exp", "end"),
    [(5, 5.0), (5.5, 5.5), ("5", math.inf), (None, math.inf), (-1, math.inf), (10**400, math.inf), (1e300, math.inf)],
)
def test_the_end_of_a_token(exp: Any, end: float) -> None:
    assert expiry(jwt({"exp": exp})) == end


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            {"iss": "https://gitlab.example.com", "aud": "k8s"},
            "of issuer https://gitlab.example.com for audience k8s: does this server trust",
        ),
        ({"iss": "https://a", "aud": ["x", "y"], "exp": NOW + 1}, "for audience x, y: does this server trust"),
        ({"iss": "https://a"}, "for audience (none)"),
        ({"iss": "https://a", "aud": "x", "exp": NOW - 1}, "for audience x, and ended at 1970-01-12T13:46:39Z"),
        ({"iss": "https://a", "aud": "x", "kubernetes.io": {}}, "is it of this cluster"),
    ],
)
def test_why_a_server_may_not_know_it(said: dict[str, Any], told: str) -> None:
    assert told in str(why_refused(jwt(said), NOW))
