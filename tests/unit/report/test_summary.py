from __future__ import annotations

import html
import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from k8s_step.errors import ExitCode
from k8s_step.report.difference import Difference
from k8s_step.report.results.result import ObjectResult, Result
from k8s_step.report.summary import LIMIT, prose, to_markdown
from tests.unit import releases
from tests.unit.releases import API, CRASH, PULL, WEB


def shown(text: str) -> str:
    """As a browser would show it."""
    return html.unescape(re.sub("<.*?>", "", text)).replace("\u00a0", " ").strip()


def rows(page: str) -> list[list[str]]:
    """The cells of every table's row."""
    found = [line for line in outside(page).splitlines() if line.startswith("| ")]
    return [[shown(cell) for cell in line.split("|")[1:-1]] for line in found]


def facts(page: str) -> list[str]:
    """The points of every list."""
    return [shown(line) for line in re.findall("(?m)^- (.*)", outside(page))]


def blocks(page: str) -> list[str]:
    """What is within fences, read as CommonMark does: a fence ends at one that is at least as long."""
    found, fence, lines = [], "", []
    for line in page.split("\n"):
        if fence and re.fullmatch(f"`{{{len(fence)},}} *", line):
            found.append("\n".join(lines))
            fence, lines = "", []
        elif fence:
            lines.append(line)
        elif opened := re.match(r"(`{3,})[^`]*$", line):
            fence = opened[1]
    assert not fence, "a fence is left open"
    return found


def outside(page: str) -> str:
    """What is not within fences."""
    for block in blocks(page):
        page = page.replace(f"text\n{block}\n", "", 1)
    return page


GOOD = """\
### ✅ k8s-step apply: succeeded

3 objects (1 unchanged, 1 configured, 1 created) in 12.3 s, on <code>https&#58;//k8s.example:6443</code>, \
context <code>kind</code>, namespace <code>shop</code>

| object | action | status | time |
|---|---|---|---|
| <code>configmap/settings</code> | unchanged | ✅\u00a0current |  |
| <code>deployment.apps/web</code> | configured | ✅\u00a0current | 9.8\u00a0s |
| <code>deployment.apps/api</code> | created | ✅\u00a0current | 4.2\u00a0s |
"""


def test_a_good_release() -> None:
    assert to_markdown(releases.good()) == GOOD


def test_what_nothing_could_be_judged_of_is_named() -> None:
    entry = ObjectResult(releases.SETTINGS, "unchanged", "current", judged=False, note="nothing could be judged")
    page = to_markdown(releases.result(ExitCode.SUCCEEDED, entry))
    assert "configmap/settings does not tell whether it is ready: nothing could be judged" in page
    assert "| nothing could be judged |" in page
    assert "could be judged" not in to_markdown(releases.good())


def test_a_failed_release() -> None:
    page = to_markdown(releases.failed())
    assert page.startswith("### ❌ k8s-step apply: failed\n")
    assert [row[2] for row in rows(page)[1:4]] == ["❌ failed", "⌛ in progress", "✅ current"]
    assert "<details><summary><b>deployment.apps/web</b> failed: <b>ErrImagePull</b></summary>\n\n- <b>" in page
    assert "likely: no such image or tag in the registry" in facts(page)
    assert "pod: web-7c6b9d598d-wpgts on node node-1, and 2 more likewise" in facts(page)
    assert "manifest: k8s/shop.yaml:12" in facts(page)
    assert blocks(page) == ["10:00:03Z pod Failed: Error: ErrImagePull (3 times)", "starting\nFATAL: no database"]
    assert page.count("<details>") == page.count("</details>") == 2


def test_probe_claims_and_what_is_missing() -> None:
    told = {"probe": "liveness: exec `x` <y>, every 10s", "probe_answer": "refused", "check": "is it there?"}
    lists = {"claims": ("data: Pending",), "missing": ("no logs: this token may not",)}
    (blamed,) = releases.failed().objects[1:2]
    page = to_markdown(releases.result(ExitCode.FAILED, blamed, findings=(replace(PULL, **told, **lists),)))
    for fact in (
        "probe: liveness: exec `x` <y>, every 10s",
        "answered: refused",
        "claim: data: Pending",
        "check: is it there?",
    ):
        assert fact in facts(page)
    assert "no logs: this token may not" in page


def test_links_go_to_the_manifests_line() -> None:
    page = to_markdown(releases.failed(), lambda reference: f"https://x/{reference.file}#L{reference.line}")
    assert "[<code>deployment.apps/web</code>](https://x/k8s/shop.yaml#L12)" in page
    assert "[<code>k8s/shop.yaml:12</code>](https://x/k8s/shop.yaml#L12)" in page


def test_a_refused_release_tells_why() -> None:
    page = to_markdown(releases.refused())
    assert page.startswith("### ❌ k8s-step apply: refused\n")
    assert facts(page) == [
        "k8s/shop.yaml:14: deployment/shop/web: spec.replicas belongs to kubectl (--force)",
        "k8s/shop.yaml:15: deployment/shop/web: spec.paused: unknown field",
    ]
    said = "spec.replicas belongs to kubectl; spec.paused: unknown field"
    assert rows(page)[1] == ["deployment.apps/web", "none", said]


def test_a_dry_run_is_told_as_one() -> None:
    page = to_markdown(releases.dry_run())
    assert page.startswith(
        "### ✅ k8s-step apply --dry-run: succeeded\n\n"
        "dry run: nothing was changed; 2 objects (1 unchanged, 1 would be created) in 12.3 s, on "
    )
    assert ["deployment.apps/web", "would be created"] in rows(page)


@pytest.mark.parametrize(
    ("code", "sign"), [(ExitCode.TIMED_OUT, "⌛"), (ExitCode.CANCELLED, "🚫"), (ExitCode.BUG, "❌")]
)
def test_every_end_has_a_sign(code: ExitCode, sign: str) -> None:
    assert to_markdown(releases.result(code)).startswith(f"### {sign} k8s-step apply: ")


def test_a_timeout_does_not_call_it_failed() -> None:
    page = to_markdown(replace(releases.failed(), exit_code=ExitCode.TIMED_OUT))
    assert "<b>deployment.apps/web</b> is not current: " in page


def test_what_was_deleted_is_no_failure() -> None:
    page = to_markdown(releases.result(ExitCode.SUCCEEDED, ObjectResult(WEB, "deleted", "not found")))
    assert rows(page)[1][:3] == ["deployment.apps/web", "deleted", "not found"]


def test_what_was_only_read_is_not_listed() -> None:
    read = [ObjectResult(replace(WEB, name=f"web-{number}")) for number in range(40)]
    page = to_markdown(replace(releases.result(ExitCode.SUCCEEDED, *read), command="get"))
    assert page.startswith("### ✅ k8s-step get: succeeded\n\n40 objects ")
    assert "|" not in page and "<details>" not in page


def test_errors_are_a_list_and_tracebacks_blocks() -> None:
    errors = ("a.yaml:1: wrong\nin two ways", *(f"b.yaml:{line}: <wrong>" for line in range(40)))
    page = to_markdown(releases.result(ExitCode.INVALID, errors=errors))
    assert "- a.yaml:1: wrong<br>in two ways\n" in page
    assert len(facts(page)) == 26 and facts(page)[-1] == "and 16 more"
    trace = "\n".join(["this is a bug", *(f"  File {line}" for line in range(9))])
    assert blocks(to_markdown(releases.result(ExitCode.BUG, errors=(trace,)))) == [trace]


def test_no_address_becomes_a_link() -> None:
    page = to_markdown(releases.result(ExitCode.INVALID, errors=("see https://elsewhere.example",)))
    assert "://" not in page and "see https://elsewhere.example" in facts(page)


def test_differences_are_folded_diffs() -> None:
    lines = ("--- live/apps/v1/Deployment/shop/web", "+++ merged/apps/v1/Deployment/shop/web", "-  a: 1", "+  a: ```")
    found = (Difference(WEB, "configured", lines), Difference(API, "configured", (), "labels"))
    result = replace(releases.result(ExitCode.FAILED, ObjectResult(WEB)), command="diff", differences=found)
    page = to_markdown(result)
    assert page.startswith("### ⚠️ k8s-step diff: different\n\n1 object (2 would change) in 12.3 s")
    assert "<summary>deployment/shop/web (k8s/shop.yaml:12) would be configured</summary>\n\n````diff\n" in page
    assert blocks(page) == ["\n".join(lines)]


def test_namespaces_are_told_apart() -> None:
    other = ObjectResult(replace(WEB, namespace="dev"), "created", "current")
    page = to_markdown(replace(releases.good(), objects=(*releases.good().objects, other)))
    assert [row[:2] for row in rows(page)[:2]] == [["namespace", "object"], ["shop", "configmap/settings"]]


def many(count: int, **more: str) -> Result:
    quiet = [
        ObjectResult(replace(WEB, name=f"w{n}"), "unchanged", "current", "3 of 3 pods ready") for n in range(count)
    ]
    return releases.result(ExitCode.SUCCEEDED, ObjectResult(API, "created", "current"), *quiet)


def test_of_many_objects_those_that_changed_come_first_and_the_rest_is_folded() -> None:
    page = to_markdown(many(30))
    first, _, folded = page.partition("<details><summary>30 objects current and unchanged</summary>")
    assert len(rows(first)) == 2 and len(rows(folded)) == 31


def test_what_is_not_followed_is_told() -> None:
    page = to_markdown(
        releases.result(ExitCode.SUCCEEDED, ObjectResult(WEB, "created", unfollowed="--no-wait-for deploy"))
    )
    assert "not followed: --no-wait-for deploy" in html.unescape(page)
    assert "1 not followed" in html.unescape(page)


def test_what_is_not_begun_is_told() -> None:
    entry = ObjectResult(WEB, unbegun="the release ended in wave 1 of 2")
    page = html.unescape(to_markdown(releases.result(ExitCode.FAILED, entry, ObjectResult(API, "created", "failed"))))
    assert "| not begun: the release ended in wave 1 of 2 |" in page
    assert "1 not begun" in page


def test_a_table_ends_somewhere() -> None:
    page = to_markdown(many(600))
    assert "\nand 100 more\n" in page


def test_warnings_are_folded() -> None:
    page = to_markdown(replace(releases.good(), warnings=("a is deprecated", "b | too")))
    assert "<details><summary>⚠️ Warnings: 2</summary>\n\n- a is deprecated\n- b &#124; too\n" in page


# -- nothing that came from elsewhere is Markdown


EVIL = (
    "</details><script>",
    "| a | b |",
    "`x` **b** [l](u) ![i](u)",
    "a\n# b\n\n- c",
    "@all #1 $x$ ~~y~~ <!--",
    "\x1b[31mred",
)


@pytest.mark.parametrize("evil", EVIL)
def test_text_is_text(evil: str) -> None:
    finding = replace(
        CRASH, reason=evil, message=evil, pod=evil, container=evil, image=evil, node=evil, advice=evil, logs=()
    )
    objects = (ObjectResult(replace(API, name=evil), "created", "failed", evil, 1.0, evil),)
    result = releases.result(ExitCode.FAILED, *objects, findings=(replace(finding, logs_of=evil),))
    page = to_markdown(replace(result, warnings=(evil,), server=evil, context=evil, errors=(evil,)))
    tags = set(re.findall(r"</?(\w+)", page))
    assert tags <= {"details", "summary", "b", "code", "br"}
    assert page.count("</details>") == 2
    assert {len(row) for row in rows(page)} == {5}
    assert not re.search(r"\]\(|\*\*|~~|^#{1,6} (?!❌)", page, re.M)
    assert "\x1b" not in page


@given(st.text())
def test_prose_shows_what_was_said(text: str) -> None:
    said = html.unescape(prose(text, 10_000))
    assert " ".join(said.split()) == said
    assert not set("`*_[]<>|~$@\n") & set(prose(text))


@example(["```"])
@example(["````", "`", "   `````", "</details>"])
@given(st.lists(st.text("`~ \n<a", max_size=12), min_size=1, max_size=6))
def test_no_line_of_a_log_ends_its_block(lines: list[str]) -> None:
    page = to_markdown(releases.result(ExitCode.FAILED, findings=(replace(CRASH, logs=tuple(lines)),)))
    assert blocks(page) == ["\n".join(lines)]


# -- size


def test_what_does_not_fit_is_left_out_and_that_is_said() -> None:
    logs = tuple("é" * 400 for _ in range(50))
    findings = tuple(replace(CRASH, reference=replace(API, name=f"a{n}"), logs=logs) for n in range(60))
    page = to_markdown(releases.result(ExitCode.FAILED, findings=findings))
    assert len(page.encode()) <= LIMIT
    assert len(page.encode()) > LIMIT - 45_000, "as much as fits"
    left_out = int(re.search(r"\*(\d+) more did not fit", page)[1])
    assert page.count("<details>") + left_out == 60


@pytest.mark.parametrize("limit", [-5, 0, 10, 199, 400, 1000, 2000])
def test_any_limit_is_kept(limit: int) -> None:
    page = to_markdown(replace(releases.failed(), findings=(PULL, CRASH)), limit=limit)
    assert len(page.encode()) <= max(limit, 0)
