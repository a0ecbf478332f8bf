"""Comments, written to a server on loopback that keeps them as GitHub's and GitLab's do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from k8s_step.errors import StepError
from k8s_step.report import comments
from k8s_step.surroundings import System
from tests.unit.loopback import Exchange, Loopback

TOKEN = "token-of-the-job"


class Forge:
    """Keeps the comments of one thread; ``refusal`` is a code and a message for whoever writes."""

    def __init__(self, *bodies: str) -> None:
        self.comments = [{"id": number, "body": body} for number, body in enumerate(bodies, 1)]
        self.refusal: tuple[int, str] | None = None
        self.http = Loopback(self._answer)

    @property
    def bodies(self) -> list[str]:
        return [str(one["body"]) for one in self.comments]

    def _answer(self, exchange: Exchange) -> None:
        url = urlsplit(exchange.target)
        if TOKEN not in (exchange.header("Authorization") or exchange.header("PRIVATE-TOKEN") or ""):
            exchange.reply(401, {"message": "Bad credentials"})
        elif exchange.method == "GET":
            query = parse_qs(url.query)
            size, page = int(query["per_page"][0]), int(query["page"][0])
            exchange.reply(200, json.dumps(self.comments[(page - 1) * size : page * size]).encode())
        elif self.refusal:
            exchange.reply(self.refusal[0], {"message": self.refusal[1]})
        else:
            self._write(exchange, url.path)

    def _write(self, exchange: Exchange, path: str) -> None:
        body = json.loads(exchange.body)["body"]
        if exchange.method == "POST":
            self.comments.append({"id": len(self.comments) + 1, "body": body})
        else:
            number = int(path.rpartition("/")[2])
            next(one for one in self.comments if one["id"] == number)["body"] = body
        exchange.reply(201, {"id": 1})


@pytest.fixture
def forge() -> Iterator[Forge]:
    made = Forge("a reviewer's words", "other words")
    with made.http:
        yield made


def github(forge: Forge, tmp_path: Path, event: Any) -> dict[str, str]:
    path = tmp_path / "event.json"
    path.write_text(json.dumps(event))
    return {"GITHUB_API_URL": forge.http.url, "GITHUB_REPOSITORY": "shop/web", "GITHUB_EVENT_PATH": str(path)}


def gitlab(forge: Forge) -> dict[str, str]:
    return {"CI_API_V4_URL": f"{forge.http.url}/api/v4", "CI_PROJECT_ID": "12", "CI_MERGE_REQUEST_IID": "7"}


def mark(namespace: str = "shop") -> str:
    return comments.mark_of("apply", "https://127.0.0.1:6443", namespace)


@pytest.mark.parametrize("system", [System.GITHUB, System.GITLAB])
def test_one_comment_is_kept_up_to_date(system: System, forge: Forge, tmp_path: Path) -> None:
    event = {"pull_request": {"number": 7}}
    environ = github(forge, tmp_path, event) if system is System.GITHUB else gitlab(forge)
    thread = comments.thread(system, environ, TOKEN)
    comments.publish(thread, mark(), "first", environ)
    comments.publish(thread, mark("staging"), "of staging", environ)
    comments.publish(thread, mark(), "second", environ)
    assert forge.bodies == ["a reviewer's words", "other words", f"{mark()}\nsecond", f"{mark('staging')}\nof staging"]
    assert TOKEN not in repr(thread)
    paths = {urlsplit(each.target).path for each in forge.http.exchanges}
    expected = {
        System.GITHUB: {"/repos/shop/web/issues/7/comments", "/repos/shop/web/issues/comments/3"},
        System.GITLAB: {
            "/api/v4/projects/12/merge_requests/7/notes",
            "/api/v4/projects/12/merge_requests/7/notes/3",
        },
    }
    assert paths == expected[system]


def test_the_earlier_comment_is_found_on_a_later_page(forge: Forge, tmp_path: Path) -> None:
    forge.comments = [{"id": number, "body": "words"} for number in range(1, 251)]
    forge.comments[220]["body"] = f"{mark()}\nold"
    environ = gitlab(forge)
    comments.publish(comments.thread(System.GITLAB, environ, TOKEN), mark(), "new", environ)
    assert len(forge.comments) == 250
    assert forge.comments[220]["body"] == f"{mark()}\nnew"


def test_a_pull_request_from_a_fork_is_told_what_it_lacks(forge: Forge, tmp_path: Path) -> None:
    forge.refusal = (403, "Resource not accessible by integration")
    environ = github(forge, tmp_path, {"pull_request": {"number": 7}})
    with pytest.raises(StepError, match="refused with 403: Resource not accessible") as caught:
        comments.publish(comments.thread(System.GITHUB, environ, TOKEN), mark(), "text", environ)
    assert "pull-requests: write" in (caught.value.hint or "")


@pytest.mark.parametrize("event", [{}, {"pull_request": None}, [], "text", {"pull_request": {"number": "x"}}])
def test_a_job_without_a_pull_request(event: Any, forge: Forge, tmp_path: Path) -> None:
    with pytest.raises(StepError, match="not about a pull request"):
        comments.thread(System.GITHUB, github(forge, tmp_path, event), TOKEN)


@pytest.mark.parametrize("system", [System.GITHUB, System.GITLAB, System.OTHER])
def test_no_system_or_no_request(system: System) -> None:
    with pytest.raises(StepError, match="not about a pull request"):
        comments.thread(system, {}, TOKEN)


def test_no_token(forge: Forge) -> None:
    with pytest.raises(StepError, match="no token to write the comment with") as caught:
        comments.thread(System.GITLAB, gitlab(forge), None)
    assert "--comment-token" in (caught.value.hint or "")


def test_the_token_goes_nowhere_without_tls() -> None:
    environ = {"CI_API_V4_URL": "http://gitlab.example/api/v4", "CI_PROJECT_ID": "1", "CI_MERGE_REQUEST_IID": "2"}
    with pytest.raises(StepError, match="no https URL, and gets no token"):
        comments.publish(comments.thread(System.GITLAB, environ, TOKEN), mark(), "text", environ)


def test_a_forge_that_is_away() -> None:
    with Loopback(lambda exchange: exchange.close()) as server:
        environ = {"CI_API_V4_URL": server.url, "CI_PROJECT_ID": "1", "CI_MERGE_REQUEST_IID": "2"}
        with pytest.raises(StepError, match="the comment could not be written"):
            comments.publish(comments.thread(System.GITLAB, environ, TOKEN), mark(), "text", environ)


def test_the_mark_tells_server_namespace_and_command_apart() -> None:
    one = ("apply", "https://one", "shop")
    others = [("apply", "https://one", "x"), ("apply", "https://other", "shop"), ("diff", "https://one", "shop")]
    assert len({comments.mark_of(*each) for each in (one, *others)}) == 4
