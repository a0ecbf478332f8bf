"""A rollout that lasts longer than a cloud's tokens: new ones are obtained, each with an ID token asked for anew."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import parse_qs

from tests.clouds.logins import Login, World, allow
from tests.conftest import Kubectl, Running, Step, poll
from tests.faults.proxy import Proxy, end_watch, on, status
from tests.integration.objects import config_map, service, write
from tests.integration.outcomes import statuses

AGES = 3570  # seconds: all of an hour's keys and tokens are due by then, and none has ended
ENDS = 3700  # seconds: by then they have
ADDRESS = '{"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}'


def used(proxy: Proxy, *, watches: bool = False) -> list[str]:
    """The tokens of the requests so far."""
    asked = [request for request in proxy.requests if request.watch or not watches]
    return [request.headers["Authorization"].removeprefix("Bearer ") for request in asked]


def following(
    step: Step, kubectl: Kubectl, namespace: str, folder: Path, login: Login, world: World, proxy: Proxy
) -> Running:
    """A run that waits for the address of a Service, with a date of its own."""
    path = write(folder / "release.yaml", service("web", "LoadBalancer", no_address="true"))
    allow(step, kubectl, namespace, path, login, "services/web")
    environ = world.in_github(login, K8S_SERVER=proxy.url, K8S_NAMESPACE=namespace)
    run = step.start("apply", "-f", path, env=environ, report=True, date_stands=True)
    poll(lambda: used(proxy, watches=True) or run.process.poll() is not None, "the first watch")
    return run


def test_tokens_that_end_before_the_rollout_does(
    step: Step,
    kubectl: Kubectl,
    namespace: str,
    tmp_path: Path,
    login: Login,
    world: World,
    proxy: Proxy,
) -> None:
    """The Service gets its address only once tokens were renewed: the watch that sees it began with a later one."""
    ending = proxy.rule(on("GET", watch=True), end_watch(), times=None)
    run = following(step, kubectl, namespace, tmp_path, login, world, proxy)
    first, asked = used(proxy)[0], len(world.job.given)
    run.tokens_age(AGES)
    poll(lambda: used(proxy)[-1] != first or run.process.poll() is not None, "a watch with the next token")
    ending.times = 0
    kubectl("-n", namespace, "patch", "service/web", "--subresource=status", "--type=merge", "-p", ADDRESS)
    outcome = run.wait()
    step.knows(*world.secrets)
    assert (outcome.code, statuses(outcome)) == (0, {"Service/web": "current"}), outcome.text
    assert used(proxy, watches=True)[-1] != first and set(used(proxy)) <= set(login.given())
    assert len(world.job.given) == len(set(world.job.given)) > asked, "each login with an ID token of its own"


def test_a_token_that_is_refused_once_is_obtained_again(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path, login: Login, world: World, proxy: Proxy
) -> None:
    path = write(tmp_path / "release.yaml", config_map(a="b"))
    allow(step, kubectl, namespace, path, login)
    proxy.rule(on("PATCH"), status(401, "Unauthorized", "Unauthorized"), times=1)
    outcome = step("apply", "-f", path, "-n", namespace, env=world.in_github(login, K8S_SERVER=proxy.url), report=True)
    step.knows(*world.secrets)
    assert outcome.code == 0, outcome.text
    assert len(world.job.given) == 2 and len(set(used(proxy))) == 2


def test_a_renewal_that_fails_leaves_the_token_in_use(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path, login: Login, world: World, proxy: Proxy
) -> None:
    """As long as it lasts: a cloud that refuses for a moment ends no rollout."""
    ending = proxy.rule(on("GET", watch=True), end_watch(), times=None)
    run = following(step, kubectl, namespace, tmp_path, login, world, proxy)
    first, asked = used(proxy)[0], len(world.job.given)
    world.trust_nobody()
    run.tokens_age(AGES)
    poll(lambda: len(world.job.given) > asked or run.process.poll() is not None, "the renewal to be tried")
    before = len(proxy.requests)
    poll(lambda: len(proxy.requests) > before or run.process.poll() is not None, "another watch")
    ending.times = 0
    kubectl("-n", namespace, "patch", "service/web", "--subresource=status", "--type=merge", "-p", ADDRESS)
    outcome = run.wait()
    assert outcome.code == 0 and {_granted(token) for token in used(proxy)} == {_granted(first)}, outcome.text


def _granted(token: str) -> str:
    """What the cloud gave of it: EKS's token is signed here, with keys that the cloud gave."""
    prefix, dot, url = token.partition("k8s-aws-v1.")
    return (
        prefix
        if not dot
        else parse_qs(base64.urlsafe_b64decode(f"{url}===").decode())["X-Amz-Credential"][0].partition("/")[0]
    )


def test_an_identity_that_is_taken_away_ends_the_run_with_the_clouds_words(
    step: Step, kubectl: Kubectl, namespace: str, tmp_path: Path, login: Login, world: World, proxy: Proxy
) -> None:
    proxy.rule(on("GET", watch=True), end_watch(), times=None)
    run = following(step, kubectl, namespace, tmp_path, login, world, proxy)
    world.trust_nobody()
    run.tokens_age(ENDS)
    outcome = run.wait()
    step.knows(*world.secrets)
    assert outcome.code == 4, outcome.text
    assert any(words in outcome.text for words in ("AccessDenied: ", "unauthorized_client: ", "AADSTS700213"))
