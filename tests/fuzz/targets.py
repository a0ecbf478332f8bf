"""What is fuzzed: each target makes one case of a dice."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.fuzz import corpus, mutation
from tests.fuzz.harness import SECRET, Case, Target
from tests.fuzz.server import Said, Server, Spoil

_THERE = {"K8S_API": "http://SERVER", "K8S_TOKEN": SECRET, "K8S_NAMESPACE": "shop"}
_QUICK = ("--timeout", "1s", "--request-timeout", "1s")
_VARS = (
    "--var",
    "REPLICAS=2",
    "--var",
    "A=a: 'b\"\n--- ",
    "--var",
    "NULL=null",
    "--var",
    "EMPTY=",
    "--var",
    "LINES=a\nb",
)
_RESULTS = ("report", "junit", "dotenv")


def _write(folder: Path, name: str, text: str | bytes) -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return str(path)


def _results(dice: random.Random, folder: Path) -> tuple[str, ...]:
    chosen = [name for name in _RESULTS if dice.random() < 0.3]
    return tuple(word for name in chosen for word in (f"--{name}", str(folder / f"result.{name}")))


def _with_manifest(dice: random.Random, folder: Path, name: str, text: str | bytes) -> Case:
    """Rendered, looked at for permissions, or sent to a server that takes everything."""
    verb = dice.choice(
        ("render", "render", "permissions", "apply", "apply", "create", "diff", "status", "delete", "replace")
    )
    path = _write(folder, name, text)
    variables = _VARS
    if verb in ("render", "permissions"):
        extra = ("-o", "json") if verb == "render" and dice.random() < 0.5 else ()
        return Case((verb, "-f", path, *variables, *extra), secret=False)
    quick = _QUICK if verb != "diff" else _QUICK[:2] + _QUICK[2:]
    options = (*quick, *_results(dice, folder))
    return Case((verb, "-f", path, *variables, *options), _THERE, server=Server(late=dice.random() < 0.3), secret=False)


def manifest_text(dice: random.Random, folder: Path) -> Case:
    """A YAML or JSON manifest, a few signs of it spoilt."""
    shop = corpus.ROOT / "tests/integration/manifests/shop.yaml"
    whole = dice.choice((corpus.RELEASE, corpus.RELEASE, shop.read_text(), json.dumps(corpus.OBJECTS[2], indent=1)))
    spoilt = mutation.text(dice, whole)
    name = dice.choice(("release.yaml", "release.yaml", "release.json", "release.yml"))
    return _with_manifest(dice, folder, name, spoilt)


def manifest_bytes(dice: random.Random, folder: Path) -> Case:
    """A manifest whose bytes are spoilt, or in another encoding."""
    encoding = dice.choice(("utf-8", "utf-8", "utf-16", "utf-32", "latin-1", "utf-8-sig"))
    whole = corpus.RELEASE.encode(encoding)
    return _with_manifest(dice, folder, "release.yaml", mutation.data(dice, whole))


def manifest_tree(dice: random.Random, folder: Path) -> Case:
    """Objects whose values are of other types, in other places, or missing."""
    chosen = dice.sample(corpus.OBJECTS, dice.randint(1, 4))
    spoilt = [mutation.tree(dice, one) for one in chosen]
    name = dice.choice(("release.yaml", "release.json"))
    return _with_manifest(dice, folder, name, _dumped(spoilt, name))


def _dumped(values: list[Any], name: str) -> bytes:
    if name.endswith(".json"):
        return "\n".join(json.dumps(one) for one in values[:1]).encode("utf-8", "surrogatepass")
    return yaml.safe_dump_all(values, allow_unicode=True).encode("utf-8", "surrogatepass")


def templates(dice: random.Random, folder: Path) -> Case:
    """Expressions wherever a value, a key, a comment or a block can be."""
    lines = ["apiVersion: v1", "kind: ConfigMap", "metadata:", "  name: settings", "data:"]
    for number in range(dice.randint(1, 6)):
        made = dice.choice(corpus.EXPRESSIONS)
        made = mutation.text(dice, made) if dice.random() < 0.4 else made
        shapes = (
            f"  k{number}: {made}",
            f'  k{number}: "{made}"',
            f"  k{number}: '{made}'",
            f"  {made}: x",
            f"  # {made}",
        )
        blocks = (
            f"  k{number}: |\n    {made}\n    x",
            f"  k{number}: [{made}, {{a: {made}}}]",
            f"  k{number}: &a{number} {made}",
        )
        lines.append(dice.choice((*shapes, *blocks)))
    path = _write(folder, "release.yaml", "\n".join(lines))
    variables = _VARS if dice.random() < 0.7 else ("--vars-file", _write(folder, "vars.yaml", _vars(dice)))
    return Case(("render", "-f", path, *variables))


def _vars(dice: random.Random) -> str:
    whole = dice.choice(
        ('A: 1\nB: "x"\nREPLICAS: 2\n', "A=1\nB='x y'\n# c\nREPLICAS=2\n", '{"A": 1, "B": null, "REPLICAS": [1]}')
    )
    return mutation.text(dice, whole) if dice.random() < 0.8 else whole


def jinja(dice: random.Random, folder: Path) -> Case:
    """A Jinja template, a few signs of it spoilt."""
    path = _write(folder, "release.yaml.j2", mutation.text(dice, dice.choice(corpus.JINJA)))
    return Case(("render", "-f", path, *_VARS, "--var", "name=n"))


def kubeconfig(dice: random.Random, folder: Path) -> Case:
    """A kubeconfig, spoilt as text, as bytes or as a tree; as a file or in the variable itself."""
    context = dice.choice(("ci", "ci", "ci", "plug", "cert"))
    whole = {**corpus.KUBECONFIG, "current-context": context}
    how = dice.randrange(3)
    text = yaml.safe_dump(mutation.tree(dice, whole) if how == 0 else whole, allow_unicode=True)
    text = mutation.text(dice, text) if how == 1 else text
    data = text.encode("utf-8", "surrogatepass")
    data = mutation.data(dice, data) if how == 2 else data
    if dice.random() < 0.3:
        name = dice.choice(("K8S_KUBECONFIG", "KUBECONFIG"))
        environ = {name: data.decode("utf-8", "replace").replace("\x00", "")}
    else:
        environ = {"KUBECONFIG": _write(folder, "config", data)}
    return Case(("get", "configmaps", "--request-timeout", "1s"), environ, server=Server())


def patch(dice: random.Random, folder: Path) -> Case:
    """A patch of each type, spoilt as text or as a tree."""
    kind = dice.choice(tuple(corpus.PATCHES))
    whole = corpus.PATCHES[kind]
    text = mutation.text(dice, whole) if dice.random() < 0.5 else json.dumps(mutation.tree(dice, json.loads(whole)))
    words = ("patch", "deployment/web", "--type", kind if dice.random() < 0.9 else "strategic", *_QUICK)
    given = ("-p", text) if dice.random() < 0.5 else ("-f", _write(folder, "patch.yaml", text))
    return Case((*words, *given, *_results(dice, folder)), _THERE, server=_with_deployment(dice))


def _with_deployment(dice: random.Random) -> Server:
    server = Server(late=dice.random() < 0.3)
    server.put("/apis/apps/v1/namespaces/shop/deployments/web", corpus.OBJECTS[2])
    return server


def answers(dice: random.Random, folder: Path) -> Case:
    """Good input, and one to three answers spoilt: status, headers, body, its end."""
    spoilt = tuple(sorted(dice.sample(range(1, 12), dice.choice((1, 1, 2, 3)))))
    return _conversation(dice, folder, _spoil_answer(dice), spoilt)


def watches(dice: random.Random, folder: Path) -> Case:
    """The lines of the watches spoilt: cut, of other types, repeated, no JSON at all."""
    return _conversation(dice, folder, _spoil_lines(dice), tuple(range(1, 40)), late=True)


def _conversation(
    dice: random.Random, folder: Path, spoil: Spoil, spoilt: tuple[int, ...], late: bool | None = None
) -> Case:
    path = _write(folder, "release.yaml", corpus.RELEASE)
    job = _write(folder, "job.yaml", yaml.safe_dump(corpus.OBJECTS[6]))
    verbs = {
        "apply": ("-f", path, *_VARS[:2]),
        "diff": ("-f", path, *_VARS[:2]),
        "status": ("deployment/web",),
        "run": ("-f", job),
        "restart": ("deployment/web",),
        "scale": ("deployment/web", "--replicas", "1"),
        "delete": ("deployment/web", "--ignore-not-found"),
        "get": (
            dice.choice(("deployments", "pods", "widgets", "deployment/web")),
            "-o",
            dice.choice(("json", "table", "name", "jsonl")),
        ),
        "permissions": ("-f", path, *_VARS[:2], "--check"),
        "undo": ("deployment/web",),
    }
    verb = dice.choice(("apply", "apply", "apply", *(("status", "restart") if late else verbs)))
    quick = _QUICK if verb not in ("get", "permissions") else _QUICK[2:]
    rollback = ("--rollback-on-failure",) if verb == "apply" and dice.random() < 0.3 else ()
    server = Server(spoil, spoilt, late=dice.random() < 0.5 if late is None else late)
    server.put("/apis/apps/v1/namespaces/shop/deployments/web", corpus.OBJECTS[2])
    return Case((verb, *verbs[verb], *quick, *rollback, *_results(dice, folder)), _THERE, server=server)


_CODES = (
    100,
    199,
    200,
    201,
    202,
    204,
    206,
    301,
    302,
    304,
    307,
    400,
    401,
    403,
    404,
    405,
    406,
    409,
    410,
    413,
    415,
    422,
    429,
    500,
    501,
    502,
    503,
    504,
    599,
    600,
    999,
)
_HEADERS = (
    ("Content-Type", "text/html"), ("Content-Type", ""), ("Content-Type", "application/vnd.kubernetes.protobuf"),
    ("Content-Type", "application/json; charset=utf-99"), ("Retry-After", "0"), ("Retry-After", "-1"),
    ("Retry-After", "é"),
    ("Retry-After", "9" * 30), ("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT"), ("Warning", '299 - "deprecated"'),
    ("Warning", "299"), ("Warning", '299 - "' + "a" * 9000), ("Warning", ',,,299 - "\\'), ("Content-Encoding", "gzip"),
    ("Content-Encoding", "x"), ("Content-Length", "0"), ("Content-Length", "99999"), ("Content-Length", "-1"),
    ("Content-Length", "x"),
    ("Location", "http://127.0.0.1:1/"), ("Location", "file:///etc/passwd"), ("Date", "yesterday"), ("Date", ""),
    ("Transfer-Encoding", "chunked"), ("Set-Cookie", "a=b"), ("X", "y" * 70000),
    ("Connection", "close"), (" bad", "é"),
)  # fmt: skip


def _spoil_answer(dice: random.Random) -> Spoil:
    seed = dice.randrange(2**32)

    def spoil(said: Said) -> None:
        own = random.Random(seed)
        for _ in range(own.choice((1, 1, 2))):
            own.choice((_code, _header, _body, _body, _text, _bytes, _end))(own, said)

    return spoil


def _code(dice: random.Random, said: Said) -> None:
    said.code = dice.choice(_CODES)
    if dice.random() < 0.5:
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "code": said.code,
            "message": "no",
            "reason": "X",
        }
        said.body, said.lines = mutation.tree(dice, status), None


def _header(dice: random.Random, said: Said) -> None:
    name, value = dice.choice(_HEADERS)
    said.headers[name] = value


def _body(dice: random.Random, said: Said) -> None:
    said.body, said.lines = mutation.tree(dice, said.body if said.body is not None else {}), None


def _text(dice: random.Random, said: Said) -> None:
    said.raw = mutation.text(dice, said.data.decode("utf-8", "replace")).encode("utf-8", "surrogatepass")


def _bytes(dice: random.Random, said: Said) -> None:
    said.raw = mutation.data(dice, said.data)


def _end(dice: random.Random, said: Said) -> None:
    said.raw = said.data
    said.cut = dice.randint(0, len(said.raw))


def _spoil_lines(dice: random.Random) -> Spoil:
    seed, chance = dice.randrange(2**32), dice.choice((0.2, 0.6, 1.0))

    def spoil(said: Said) -> None:
        if said.lines is None:
            return
        own = random.Random(seed)
        said.lines = [_line(own, line) if own.random() < chance else line for line in said.lines]
        own.shuffle(said.lines) if own.random() < 0.2 else None

    return spoil


def _line(dice: random.Random, line: bytes) -> bytes:
    return dice.choice(_LINES)(dice, line)


_EXTRA = (
    b"\n", b"null\n", b"[]\n", b"{}\n", b'"a"\n', b"1\n", b'{"type": "ERROR"}\n',
    b'{"type": "ERROR", "object": null}\n',
    b'{"type": "BOOKMARK", "object": {}}\n', b'{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": ""}}}\n',
    b'{"type": "DELETED", "object": {"metadata": {}}}\n', b'{"type": null, "object": {}}\n', b"\xff\xfe\n",
    b"{" * 5000 + b"\n",
    b'{"type": "ERROR", "object": {"kind": "Status", "code": "410", "reason": 7, "message": []}}\n',
    b'{"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}\n',
    b'{"type": "ERROR", "object": {"kind": "Status", "code": 500, "message": "boom"}}\n', b"<html>\n", b"\x00\n",
    b"[" * 100000 + b"\n",
)  # fmt: skip


def _line_tree(dice: random.Random, line: bytes) -> bytes:
    return json.dumps(mutation.tree(dice, json.loads(line))).encode("utf-8", "surrogatepass") + b"\n"


_LINES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _line_tree,
    _line_tree,
    _line_tree,
    lambda dice, line: mutation.data(dice, line),
    lambda dice, line: line[: dice.randint(0, len(line))],
    lambda dice, line: line + line,
    lambda dice, line: dice.choice(_EXTRA) + line,
    lambda dice, line: line + dice.choice(_EXTRA),
)

_NAMES = (
    "TIMEOUT", "REQUEST_TIMEOUT", "CONCURRENCY", "HEADERS", "IMAGE", "VAR", "VARS_FILE", "FAIL_AFTER", "NAMESPACE",
    "API", "TOKEN",
    "CA", "CONTEXT", "AS", "AS_GROUP", "FIELD_MANAGER", "LOG_FORMAT", "REPORT", "JUNIT", "DOTENV", "FILENAME",
    "WAIT", "PREFLIGHT",
    "DRY_RUN", "COMMAND", "RECURSIVE", "TOKEN_FILE", "INSECURE_SKIP_TLS_VERIFY", "KUBECONFIG", "OIDC_AUDIENCE",
)  # fmt: skip
_GIVEN = (
    "1s",
    "5m",
    "1h30m",
    "0",
    "true",
    "a=b",
    "CrashLoopBackOff=5",
    "X-A: b",
    "http://127.0.0.1:1",
    "plain",
    "apply",
)


def options(dice: random.Random, folder: Path) -> Case:
    """Variables with values that are not for them."""
    environ = {**_THERE, "K8S_FILENAME": _write(folder, "release.yaml", corpus.RELEASE), "K8S_VAR": "REPLICAS=1"}
    environ |= {"K8S_TIMEOUT": "1s", "K8S_REQUEST_TIMEOUT": "1s"}
    for name in dice.sample(_NAMES, dice.choice((1, 1, 2, 3))):
        value = dice.choice((*_GIVEN, *(str(one) for one in mutation.VALUES if not _is_huge(one))))
        value = mutation.text(dice, value) if dice.random() < 0.4 else value
        environ[f"K8S_{name}"] = value.replace("\x00", "").encode("utf-8", "replace").decode()
    for name in ("K8S_REPORT", "K8S_JUNIT", "K8S_DOTENV"):
        if name in environ:
            environ[name] = str(folder / "result.") + environ[name].replace("/", "_")[:400]
    return Case((), environ, server=Server())


def _is_huge(value: Any) -> bool:
    return isinstance(value, int | float) and not -(2**65) < value < 2**65


TARGETS: dict[str, Target] = {
    target.__name__: target
    for target in (
        manifest_text,
        manifest_bytes,
        manifest_tree,
        templates,
        jinja,
        kubeconfig,
        patch,
        answers,
        watches,
        options,
    )
}
