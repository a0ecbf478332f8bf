"""One comment of a pull or merge request, kept up to date: found again by a hidden mark, changed instead of repeated.

Sources: "REST API endpoints for issue comments" of GitHub's documentation, "Notes API" of GitLab's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from k8s_step import __version__
from k8s_step.connection.exchange.faults import Fault
from k8s_step.connection.exchange.proxies import checked_environment_proxy, may_carry_secrets
from k8s_step.connection.exchange.transport import Transport, header_lines, parsed
from k8s_step.connection.settings import Connection
from k8s_step.errors import InputError, StepError
from k8s_step.surroundings import System

_WHERE = "--comment"
_TIMEOUT = 10.0  # seconds of each request
_PAGE, _PAGES = 100, 10  # comments of a page; pages that are searched for the earlier comment
_SAID = 300  # characters of a refusal's message


@dataclass(frozen=True)
class Thread:
    """The comments of one pull or merge request.

    ``comments``: the URL of their collection. ``comment``: the URL of one, with ``{}`` for its number. ``update``: the
    HTTP method that changes one. ``headers``: those that hold the token.
    """

    comments: str
    comment: str
    update: str
    headers: Mapping[str, str] = field(repr=False)


def thread(system: System, environ: Mapping[str, str], token: str | None) -> Thread:
    """The thread of this job's pull or merge request. Raises :class:`StepError` where there is none, or no token."""
    find = {System.GITHUB: _of_github, System.GITLAB: _of_gitlab}.get(system)
    found = find(environ, token or "") if find else None
    if found is None:
        raise StepError("this job is not about a pull request of GitHub or a merge request of GitLab", where=_WHERE)
    if not token:
        hint = "give one as --comment-token, K8S_COMMENT_TOKEN, GITHUB_TOKEN or GITLAB_TOKEN"
        raise StepError("there is no token to write the comment with", where=_WHERE, hint=hint)
    return found


def _of_github(environ: Mapping[str, str], token: str) -> Thread | None:
    number = _pull_request(environ)
    if not number:
        return None
    api = environ.get("GITHUB_API_URL") or "https://api.github.com"
    issues = f"{api}/repos/{environ.get('GITHUB_REPOSITORY', '')}/issues"
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
    return Thread(f"{issues}/{number}/comments", f"{issues}/comments/{{}}", "PATCH", headers)


def _pull_request(environ: Mapping[str, str]) -> int:
    """The number in the event that started the workflow; 0 for an event that is about no pull request."""
    try:
        event = json.loads(Path(environ.get("GITHUB_EVENT_PATH", "")).read_text("utf-8"))
        return int((event.get("pull_request") or {}).get("number") or 0)
    except (OSError, ValueError, AttributeError, TypeError):
        return 0


def _of_gitlab(environ: Mapping[str, str], token: str) -> Thread | None:
    number, project = environ.get("CI_MERGE_REQUEST_IID", ""), environ.get("CI_PROJECT_ID", "")
    if not (number and project):
        return None
    api = environ.get("CI_API_V4_URL") or "https://gitlab.com/api/v4"
    notes = f"{api}/projects/{quote(project, safe='')}/merge_requests/{number}/notes"
    return Thread(notes, f"{notes}/{{}}", "PUT", {"PRIVATE-TOKEN": token})


def mark_of(command: str, server: str, namespace: str) -> str:
    """The hidden first line of a comment, another one for each server and namespace (staging, production)."""
    about = f"{command} {server} {namespace}"
    return f"<!-- k8s-step {hashlib.sha256(about.encode()).hexdigest()[:16]} -->"


def publish(thread: Thread, mark: str, text: str, environ: Mapping[str, str]) -> None:
    """Write ``text`` as the thread's comment with this ``mark``, over the earlier one. Raises :class:`StepError`."""
    requests = _Requests(thread, environ)
    try:
        known = _earlier(requests, thread, mark)
        body = {"body": f"{mark}\n{text}"}
        if known:
            requests.send(thread.update, thread.comment.format(known), body)
        else:
            requests.send("POST", thread.comments, body)
    finally:
        requests.close()


def _earlier(requests: _Requests, thread: Thread, mark: str) -> int:
    """The number of the comment that begins with the mark; 0 where there is none."""
    for page in range(1, _PAGES + 1):
        found = requests.send("GET", f"{thread.comments}?per_page={_PAGE}&page={page}")
        comments = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
        for comment in comments:
            if str(comment.get("body") or "").startswith(mark):
                return int(comment["id"])
        if len(comments) < _PAGE:
            break
    return 0


class _Requests:
    """Requests to the CI system's API; the token goes over TLS only, or to this machine."""

    def __init__(self, thread: Thread, environ: Mapping[str, str]) -> None:
        self._thread = thread
        url = urlsplit(thread.comments)
        server = f"{url.scheme}://{url.netloc}"
        if not may_carry_secrets(url):
            raise StepError(f"{server} is no https URL, and gets no token", where=_WHERE)
        try:
            proxy = checked_environment_proxy(server, environ)
        except InputError as error:
            raise StepError(error.message, where=_WHERE, hint=error.hint) from None
        self._transport = Transport(Connection(server, _WHERE, proxy_url=proxy), None, connections=1)

    def send(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer, parsed. Raises :class:`StepError` for a refusal, with the system's own message."""
        raw = json.dumps(body).encode() if body is not None else None
        parts = urlsplit(url)
        headers = {
            **self._thread.headers,
            "Host": parts.netloc,
            "User-Agent": f"k8s-step/{__version__}",
            "Accept-Encoding": "identity",
            **({"Content-Type": "application/json"} if raw is not None else {}),
        }
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        try:
            reply = self._transport.open(method, target, header_lines(headers.items()), raw, _TIMEOUT)
            content = reply.read()
        except Fault as fault:
            raise StepError(f"the comment could not be written: {fault.reason}", where=_WHERE) from None
        if not 200 <= reply.code < 300:
            raise self._refused(reply.code, content)
        try:
            return json.loads(content)
        except ValueError:
            raise StepError("the answer is no JSON (is a proxy in between?)", where=_WHERE) from None

    def _refused(self, code: int, content: bytes) -> StepError:
        said = (parsed(content) or {}).get("message")
        message = f"the comment was refused with {code}{f': {said}' if isinstance(said, str) and said else ''}"
        return StepError(message[:_SAID], where=_WHERE, hint=_HINTS.get(code))

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


_RIGHTS = (
    "in GitHub the job needs permissions: pull-requests: write, which a pull request from a fork never has; "
    "in GitLab a project access token with the scope api"
)
_HINTS = {401: _RIGHTS, 403: _RIGHTS, 404: _RIGHTS}
