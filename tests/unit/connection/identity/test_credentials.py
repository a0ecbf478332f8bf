"""Credentials that live: token files that rotate, plugins that expire, fail and hang."""

from __future__ import annotations

import base64
import json
import os
import stat
import sys
import threading
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from k8s_step.connection.identity.credentials import Certificate, CertificateFiles, Credential, Plugin, credentials_of
from k8s_step.connection.settings import Connection, ExecPlugin, User
from k8s_step.errors import InputError
from k8s_step.redaction import Redactor
from tests.conftest import poll
from tests.controlplane.pki import Authority, Pair

V1 = "client.authentication.k8s.io/v1"
V1BETA1 = "client.authentication.k8s.io/v1beta1"
SECRET = "s3cr3t-plugin-value"


def connection(user: User, **settings: Any) -> Connection:
    return Connection("https://one:6443", "test", user=user, **settings)


def of(user: User, redactor: Redactor | None = None) -> Credential:
    return credentials_of(connection(user), redactor or Redactor()).current()


LONG = f"eyJhbGciOiJSUzI1NiJ9.{'eyJpc3MiOiJr' * 30}.{'c2lnbmF0dXJl' * 4}"


class TestStatic:
    def test_nobody(self) -> None:
        assert of(User()) == Credential()

    def test_a_token(self) -> None:
        redactor = Redactor()
        assert of(User(token="abcdef"), redactor).authorization == "Bearer abcdef"
        assert redactor.mask("abcdef") == "***"

    def test_a_password(self) -> None:
        redactor = Redactor()
        encoded = base64.b64encode(b"me:secret").decode()
        assert of(User(username="me", password="secret"), redactor).authorization == f"Basic {encoded}"
        assert redactor.mask(f"secret {encoded}") == "*** ***"

    def test_a_certificate(self) -> None:
        user = User(client_certificate=b"chain", client_key=b"the key")
        assert of(user) == Credential(None, Certificate(b"chain", b"the key"))

    def test_nothing_newer_after_a_401(self) -> None:
        static = credentials_of(connection(User(token="abcdef")), Redactor())
        assert not static.refresh(static.current())

    @pytest.mark.parametrize("token", ["two words", "line\nbreak", "ünï"])
    def test_a_token_no_header_can_carry(self, token: str) -> None:
        with pytest.raises(InputError) as caught:
            of(User(token=token))
        assert token not in str(caught.value)

    def test_no_secret_in_a_repr(self) -> None:
        credential = Credential(f"Bearer {SECRET}", Certificate(SECRET.encode(), SECRET.encode()))
        assert SECRET not in repr(credential) + repr(credential.certificate)


class TestTokenFile:
    def test_is_read_again_when_it_changes(self, tmp_path: Path) -> None:
        path = tmp_path / "token"
        path.write_text("first-token\n")
        redactor = Redactor()
        live = credentials_of(connection(User(token_file=str(path))), redactor)
        first = live.current()
        assert first.authorization == "Bearer first-token"
        assert live.current() is first
        # The kubelet swaps a symlink: another file, even where time and size are the same.
        (tmp_path / "next").write_text("other-token\n")
        (tmp_path / "next").replace(path)
        assert live.current().authorization == "Bearer other-token"
        assert redactor.mask("first-token other-token") == "*** ***"

    def test_the_last_token_outlives_its_file(self, tmp_path: Path) -> None:
        path = tmp_path / "token"
        path.write_text("first-token")
        live = credentials_of(connection(User(token_file=str(path))), Redactor())
        first = live.current()
        path.write_text("")
        assert live.current() is first
        path.unlink()
        assert live.current() is first

    def test_after_a_401(self, tmp_path: Path) -> None:
        path = tmp_path / "token"
        path.write_text("first-token")
        live = credentials_of(connection(User(token_file=str(path))), Redactor())
        first = live.current()
        assert not live.refresh(first)
        path.write_text("second-token")
        assert live.refresh(first)
        assert live.current().authorization == "Bearer second-token"

    def test_missing_or_empty(self, tmp_path: Path) -> None:
        live = credentials_of(connection(User(token_file=str(tmp_path / "no"))), Redactor())
        with pytest.raises(InputError, match="not there"):
            live.current()
        (tmp_path / "no").write_text(" \n")
        with pytest.raises(InputError, match="empty"):
            live.current()

    def test_a_path_that_no_file_can_have(self) -> None:
        with pytest.raises(InputError, match="not there"):
            of(User(token_file="to\0ken"))

    def test_the_token_itself_in_place_of_its_path_is_not_repeated(self) -> None:
        redactor = Redactor()
        user = User(token_file=LONG, token_file_origin="K8S_TOKEN_FILE")
        with pytest.raises(InputError, match=r"^K8S_TOKEN_FILE names no file") as caught:
            credentials_of(connection(user), redactor).current()
        assert LONG[:20] not in str(caught.value) + repr(user) and redactor.mask(LONG) == "***"

    @pytest.mark.parametrize("text", ["x" * 300, "a\0b"])
    def test_no_file_can_be_called_that(self, text: str) -> None:
        with pytest.raises(InputError, match="not there"):
            credentials_of(connection(User(token_file=text)), Redactor()).current()

    def test_the_kubeconfigs_own_token_stands_in(self, tmp_path: Path) -> None:
        live = credentials_of(connection(User(token="abcdef", token_file=str(tmp_path / "no"))), Redactor())
        assert live.current().authorization == "Bearer abcdef"


class TestCertificateFiles:
    @staticmethod
    def files(folder: Path) -> tuple[Pair, CertificateFiles, Redactor]:
        pair = Authority().sign("first")
        files = pair.write(folder, "me")
        redactor = Redactor()
        user = User(
            client_certificate=pair.certificate,
            client_key=pair.key,
            certificate_files=(str(files[0]), str(files[1])),
        )
        live = credentials_of(connection(user), redactor)
        assert isinstance(live, CertificateFiles)
        return pair, live, redactor

    def test_are_read_again_when_both_have_changed(self, tmp_path: Path) -> None:
        pair, live, redactor = self.files(tmp_path)
        first = live.current()
        assert first.certificate == Certificate(pair.certificate, pair.key)
        assert live.current() is first and not live.refresh(first)
        other = Authority().sign("second")
        (tmp_path / "me.crt").write_bytes(other.certificate)
        assert live.current() is first, "the key is still the first one's"
        (tmp_path / "me.key").write_bytes(other.key)
        assert live.refresh(first)
        assert live.current().certificate == Certificate(other.certificate, other.key)
        assert redactor.mask(other.key.decode().splitlines()[1]) == "***"

    @pytest.mark.parametrize("key", [b"", b"-----BEGIN PRIVATE KEY-----", None])
    def test_a_broken_or_missing_file_leaves_the_last_good_pair(self, tmp_path: Path, key: bytes | None) -> None:
        _, live, _ = self.files(tmp_path)
        first = live.current()
        if key is None:
            (tmp_path / "me.key").unlink()
        else:
            (tmp_path / "me.key").write_bytes(key)
        assert live.current() is first

    def test_a_password_goes_along(self, tmp_path: Path) -> None:
        files = tuple(map(str, Authority().sign("me").write(tmp_path, "me")))
        user = User(username="me", password="secret", certificate_files=(files[0], files[1]))
        found = of(user)
        assert found.authorization and found.certificate


class Scene:
    """A plugin script that does as told and counts its runs; a clock that stands still."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1_000_000.0
        self.redactor = Redactor()
        self.script = folder / "plugin"

    def plugin(self, body: str, *, patience: float = 30.0, to: Connection | None = None, **settings: Any) -> Plugin:
        """``body`` is Python that runs in the plugin, with ``answer(**status)`` at hand."""
        self.script.write_text(
            f"#!{sys.executable}\n"
            "import json, os, signal, subprocess, sys, time\n"
            f"open({str(self.folder / 'runs')!r}, 'a').write('x')\n"
            f"def answer(version={V1!r}, **status):\n"
            "    print(json.dumps({'apiVersion': version, 'kind': 'ExecCredential', 'status': status}))\n" + body
        )
        self.script.chmod(stat.S_IRWXU)
        settings = {"api_version": V1, "command": str(self.script), "where": "kubeconfig x: user one", **settings}
        environ = {"PATH": os.environ["PATH"]}
        return Plugin(
            ExecPlugin(**settings),
            to or connection(User()),
            self.redactor,
            environ=environ,
            clock=lambda: self.now,
            patience=patience,
        )

    @property
    def runs(self) -> int:
        return len((self.folder / "runs").read_text())

    def time(self, seconds: float) -> str:
        return datetime.fromtimestamp(self.now + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


class TestPlugin:
    @pytest.mark.parametrize("version", [V1, V1BETA1])
    def test_a_token(self, scene: Scene, version: str) -> None:
        plugin = scene.plugin(f"answer({version!r}, token={SECRET!r})", api_version=version)
        assert plugin.current().authorization == f"Bearer {SECRET}"
        assert plugin.current() is plugin.current()
        assert scene.runs == 1
        assert scene.redactor.mask(SECRET) == "***"

    def test_a_certificate(self, scene: Scene) -> None:
        plugin = scene.plugin("answer(clientCertificateData='chain', clientKeyData='the key')")
        assert plugin.current() == Credential(None, Certificate(b"chain", b"the key"))

    def test_what_it_is_told(self, scene: Scene) -> None:
        to = connection(User(), ca=b"PEM", tls_server_name="api")
        plugin = scene.plugin(
            "info = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
            "told = open(os.path.dirname(sys.argv[0]) + '/told', 'w')\n"
            "json.dump([sys.argv[1:], os.environ['A'], info, sys.stdin.read()], told)\n"
            "answer(token='abcdef')",
            to=to,
            args=("get", "token"),
            env=(("A", "1"),),
            provide_cluster_info=True,
            cluster_config={"audience": "x"},
        )
        plugin.current()
        args, variable, info, stdin = json.loads((scene.folder / "told").read_text())
        assert (args, variable, stdin) == (["get", "token"], "1", "")
        cluster = {
            "server": "https://one:6443",
            "tls-server-name": "api",
            "certificate-authority-data": base64.b64encode(b"PEM").decode(),
            "config": {"audience": "x"},
        }
        spec = {"interactive": False, "cluster": cluster}
        assert info == {"apiVersion": V1, "kind": "ExecCredential", "spec": spec}

    def test_the_cluster_is_told_only_where_asked_for(self, scene: Scene) -> None:
        plugin = scene.plugin("answer(token=str('cluster' in json.loads(os.environ['KUBERNETES_EXEC_INFO'])['spec']))")
        assert plugin.current().authorization == "Bearer False"

    def test_is_run_again_before_its_end(self, scene: Scene) -> None:
        plugin = scene.plugin(f"answer(token='abcdef', expirationTimestamp={scene.time(3600)!r})")
        plugin.current()
        scene.now += 3600 - 61
        plugin.current()
        assert scene.runs == 1
        scene.now += 2
        plugin.current()
        assert scene.runs == 2

    def test_a_short_life_is_used(self, scene: Scene) -> None:
        plugin = scene.plugin(f"answer(token='abcdef', expirationTimestamp={scene.time(10)!r})")
        plugin.current()
        scene.now += 7
        plugin.current()
        assert scene.runs == 1

    def test_clocks_that_differ_do_not_run_it_at_each_request(self, scene: Scene) -> None:
        plugin = scene.plugin(f"answer(token='abcdef', expirationTimestamp={scene.time(-5)!r})")
        plugin.current()
        assert plugin.current().authorization == "Bearer abcdef"
        assert scene.runs == 1

    def test_a_failing_renewal_keeps_what_still_lasts(self, scene: Scene) -> None:
        body = f"if os.path.exists({str(scene.folder / 'broken')!r}): sys.exit(1)\n"
        plugin = scene.plugin(body + f"answer(token='abcdef', expirationTimestamp={scene.time(600)!r})")
        first = plugin.current()
        (scene.folder / "broken").touch()
        scene.now += 570
        assert plugin.current() is first
        assert scene.runs == 2
        scene.now += 60
        for _ in range(5):  # as many requests ask for it, and each tries again
            with pytest.raises(InputError, match="exit code 1"):
                plugin.current()
        assert scene.runs == 3
        (scene.folder / "broken").unlink()
        scene.now += 2
        assert plugin.current() is not first

    def test_a_refused_token_is_not_renewed_in_a_loop(self, scene: Scene) -> None:
        body = f"if os.path.exists({str(scene.folder / 'broken')!r}): sys.exit(1)\n"
        plugin = scene.plugin(body + "answer(token=f'token-{os.getpid()}')")
        first = plugin.current()
        (scene.folder / "broken").touch()
        for _ in range(5):
            with pytest.raises(InputError, match="exit code 1"):
                plugin.refresh(first)
        assert scene.runs == 2
        (scene.folder / "broken").unlink()
        scene.now += 2
        assert plugin.refresh(first)

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"env": (("A=B", "1"),)}, "cannot be run: illegal environment variable name"),
            ({"env": (("A", "one\0two"),)}, "cannot be run: embedded null byte"),
            ({"args": ("one\0two",)}, "cannot be run: embedded null byte"),
            ({"args": ("\udc80\ud800",)}, "cannot be run: "),
            ({"command": "plu\0gin"}, "was not found"),
        ],
    )
    def test_what_no_process_can_be_given(self, scene: Scene, settings: dict[str, Any], words: str) -> None:
        with pytest.raises(InputError, match=words):
            scene.plugin("answer(token='abcdef')", **settings).current()

    def test_cluster_information_that_yaml_knows_and_json_does_not(self, scene: Scene) -> None:
        body = "info = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\nanswer(token=info['spec']['cluster']['config'])"
        dated = scene.plugin(body, provide_cluster_info=True, cluster_config=date(2024, 1, 1))
        assert dated.current().authorization == "Bearer 2024-01-01"
        loop: list[Any] = []
        loop.append(loop)
        for config in (loop, {b"bytes": 1}):
            with pytest.raises(InputError, match="exec extension holds what JSON can't"):
                scene.plugin(body, provide_cluster_info=True, cluster_config=config)

    def test_a_certificate_that_is_no_text(self, scene: Scene) -> None:
        plugin = scene.plugin("answer(clientCertificateData='\\ud800', clientKeyData='\\ud800')")
        assert plugin.current() == Credential(None, Certificate(b"?", b"?"))

    def test_after_a_401_it_is_run_once_for_all_threads(self, scene: Scene) -> None:
        plugin = scene.plugin("answer(token=f'token-{os.getpid()}')")
        refused = plugin.current()
        answers: list[bool] = []
        threads = [threading.Thread(target=lambda: answers.append(plugin.refresh(refused))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (answers, scene.runs) == ([True] * 8, 2)

    def test_the_same_token_again_is_no_news(self, scene: Scene) -> None:
        plugin = scene.plugin("answer(token='abcdef')")
        assert not plugin.refresh(plugin.current())

    def test_one_that_hangs_is_stopped_with_its_children(self, scene: Scene) -> None:
        body = (
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
            "open(os.path.dirname(sys.argv[0]) + '/pids', 'w').write(f'{os.getpid()} {child.pid}')\n"
            "time.sleep(600)"
        )
        plugin = scene.plugin(body, patience=5)
        with pytest.raises(InputError, match=r"did not answer within 5s"):
            plugin.current()
        for pid in (scene.folder / "pids").read_text().split():
            poll(lambda pid=pid: not _runs(int(pid)), "the process killed is gone")

    def test_one_that_leaves_a_child_with_its_output(self, scene: Scene) -> None:
        plugin = scene.plugin(
            "answer(token='abcdef')\nsys.stdout.flush()\n"
            "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])",
            patience=1.5,
        )
        with pytest.raises(InputError, match="did not answer"):
            plugin.current()

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ("print('not json', " + repr(SECRET) + ")", "JSON"),
            ("print('[]')", "JSON"),
            ("answer('v2', token='abcdef')", "another one"),
            (f"answer({V1BETA1!r}, token='abcdef')", V1BETA1),
            ("answer()", "neither"),
            ("answer(token=5)", "no usable status"),
            ("answer(clientCertificateData='x')", "without its key"),
            ("answer(clientKeyData='x')", "without its certificate"),
            ("answer(token='abcdef', expirationTimestamp='tomorrow')", "RFC 3339"),
            ("sys.exit(3)", "exit code 3"),
        ],
    )
    def test_a_bad_answer(self, scene: Scene, body: str, words: str) -> None:
        with pytest.raises(InputError, match=words) as caught:
            scene.plugin(body).current()
        assert "kubeconfig x: user one" in str(caught.value)
        assert SECRET not in str(caught.value)

    def test_its_complaint_is_shown_without_secrets(self, scene: Scene) -> None:
        body = f"sys.stderr.write('no such profile {SECRET}'); print({SECRET!r}); sys.exit(1)"
        with pytest.raises(InputError) as caught:
            scene.plugin(body, env=(("CLIENT_SECRET", SECRET),)).current()
        assert "no such profile ***" in str(caught.value)

    @pytest.mark.parametrize("args", [("--client-secret", SECRET), (f"--token={SECRET}",)])
    def test_secrets_in_arguments_are_masked(self, scene: Scene, args: tuple[str, ...]) -> None:
        scene.plugin("", args=args)
        assert scene.redactor.mask(SECRET) == "***"

    def test_a_missing_one_says_how_to_get_it(self, scene: Scene) -> None:
        plugin = scene.plugin("", command="no-such-plugin", install_hint="brew install it")
        with pytest.raises(InputError, match="not found") as caught:
            plugin.current()
        assert "brew install it" in str(caught.value)

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"api_version": "client.authentication.k8s.io/v1alpha1"}, "v1alpha1"),
            ({"api_version": ""}, "missing"),
            ({"interactive_mode": "Always"}, "nobody to ask"),
        ],
    )
    def test_what_cannot_work_is_said_before_it_runs(self, scene: Scene, settings: dict[str, str], words: str) -> None:
        with pytest.raises(InputError, match=words):
            scene.plugin("", **settings)
        assert not (scene.folder / "runs").exists()

    def test_a_token_in_the_kubeconfig_keeps_it_from_running(self) -> None:
        plugin = ExecPlugin(V1, "no-such-plugin")
        assert of(User(token="abcdef", exec_plugin=plugin)).authorization == "Bearer abcdef"


def _runs(pid: int) -> bool:
    """Whether this process still runs; one that only waits to be collected does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
