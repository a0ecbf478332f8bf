"""The CI system's ID token, which identifies the job: from a file, a variable or GitHub's endpoint."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from k8s_step.clouds.calls import Caller
from k8s_step.connection.identity.idtoken import IdToken
from k8s_step.connection.identity.oidc import REQUEST_TOKEN, URL, claims, github
from k8s_step.errors import InputError, MissingFileError, StepError
from k8s_step.redaction.secretfile import SecretFile, is_there
from k8s_step.surroundings import System

VARIABLE = "K8S_ID_TOKEN"
_LONGEST = 200  # characters shown of a claim


@dataclass(frozen=True)
class Identity:
    """A source of ID tokens: ``token`` returns one; ``origin`` names the source in the log."""

    origin: str
    token: Callable[[], str] = field(repr=False)


def find(caller: Caller, given: str | None, audience: str, file: SecretFile | None) -> Identity | None:
    """The job's ID token: in ``file``, else ``given``, else GitHub's for ``audience``; ``None`` if none."""
    if file:
        return in_file(file, caller)
    if given and given.strip():
        caller.redactor.add(given)
        return Identity("the CI's ID token", given.strip)
    if caller.environ.get(URL, "").strip() and caller.environ.get(REQUEST_TOKEN, "").strip():
        return Identity("GitHub's ID token", _of_github(caller, audience))
    return None


def missing(caller: Caller) -> str:
    """The message for a missing ID token, with the next move."""
    if caller.system is System.GITHUB:
        return (
            "GitHub gives this job no ID token: it needs permissions: id-token: write, a pull request from a fork "
            "gets none, and docker run has to pass ACTIONS_ID_TOKEN_REQUEST_URL and _TOKEN on"
        )
    return f"no ID token: in GitLab name one {VARIABLE} among the job's id_tokens"


def described(token: str) -> str:
    """Issuer, audience and subject of a JWT, which are no secrets, for hints."""
    found = claims(token)
    named = {"issuer": found.get("iss"), "audience": found.get("aud"), "subject": found.get("sub")}
    words = [f"{name} {str(value)[:_LONGEST]}" for name, value in named.items() if value]
    return f"the ID token says {', '.join(words)}" if words else "the ID token is no JWT"


def _of_github(caller: Caller, audience: str) -> Callable[[], str]:
    with _said_of(caller.where):
        source = IdToken(github(audience, caller.environ, caller.system), caller.redactor, end=caller.end)
    caller.close_with(source.close)

    def ask() -> str:
        with _said_of(caller.where):
            credential, _ = source.obtain()
        return (credential.authorization or "").removeprefix("Bearer ")

    return ask


def in_file(file: SecretFile, caller: Caller) -> Identity:
    """The token in ``file``, read anew each time."""
    return Identity(f"the token in {file.name}", lambda: read(file, caller))


def read(file: SecretFile, caller: Caller) -> str:
    """The token in a file. Raises :class:`InputError`."""
    file.check(caller.redactor, caller.where)
    path = str(file.path)
    try:
        token = file.path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        token = ""
    if not is_there(file.path):
        raise MissingFileError(f"the token file {path} is not there", path=path, where=caller.where)
    if not token:
        raise InputError(f"the token file {path} is empty or not to be read", where=caller.where)
    caller.redactor.add(token)
    return token


@contextlib.contextmanager
def _said_of(where: str) -> Iterator[None]:
    """Set the place of errors about GitHub's ID token to ``where``, the option of the cloud's cluster."""
    try:
        yield
    except StepError as error:
        error.where = where
        raise
