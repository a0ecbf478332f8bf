"""The table of error answers: the meaning of each, how long the client retries, and the exit code if it lasts.

Pure. ``docs/answers.md`` is written from this table. Messages are matched by the words of each row's source; paths
without a host are of kubernetes/kubernetes (``staging/src`` left out).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from k8s_step.errors import ExitCode
from k8s_step.objects.resource import BUILTIN


class Patience(Enum):
    """How long a request is retried. The 30 and 10 seconds are shared by all requests that meet the same trouble."""

    NONE = "not at all"
    FEW = "five tries, within some two seconds"
    SHORT = "10 s"
    WHILE = "30 s"
    LONG = "until `--timeout`; 30 s where the server has not answered before"


class ErrorAnswer(NamedTuple):
    """An error answer, and the facts of its request that the table needs.

    ``message`` is the Status's, or the first characters of a plain text; ``kind`` is ``details.kind``; ``causes`` are
    the reasons of ``details.causes``. ``is_bound``: the request's body names a resourceVersion or uid to match.
    """

    code: int
    message: str = ""
    reason: str = ""
    kind: str = ""
    causes: tuple[str, ...] = ()
    is_status: bool = True
    method: str = "PATCH"
    path: str = "/api/v1/namespaces/shop/configmaps/web"
    is_apply: bool = True
    is_bound: bool = False


def _always(_: ErrorAnswer) -> bool:
    return True


class Ailment(NamedTuple):
    """One row. ``ends``: exit code where the trouble outlasts the patience; ``late``: where ``--timeout`` ends first.

    ``words``: a regular expression that the message has to match, compiled when it is first searched for.
    ``is_undone``: the server has done nothing, so any request may be sent again. ``is_crowded``: fewer concurrent
    requests would help. ``quiet``: failed tries before the log mentions it. ``over``: the log's words afterwards.
    """

    title: str
    patience: Patience
    ends: ExitCode = ExitCode.UNREACHABLE
    late: ExitCode | None = None
    codes: tuple[int, ...] = ()
    words: str = ""
    when: Callable[[ErrorAnswer], bool] = _always
    is_undone: bool = False
    is_crowded: bool = False
    quiet: int = 1
    hint: str | None = None
    over: str = "{server} answers again"
    source: str = ""
    example: ErrorAnswer | None = None

    @property
    def late_end(self) -> ExitCode:
        """The exit code where ``--timeout`` ends before the patience does."""
        return self.ends if self.late is None else self.late

    def fits(self, answer: ErrorAnswer) -> bool:
        """Whether ``answer`` belongs to this row."""
        return answer.code in self.codes and self._found(answer.message) is not None and self.when(answer)

    def subject(self, message: str) -> str:
        """The failing part of the cluster, such as a webhook's name; empty for the server as a whole."""
        found = self._found(message)
        return str(found.groupdict().get("subject") or "") if found else ""

    def quoted(self, text: str) -> str:
        """The part of a plain text that may be quoted: the API server's own fixed words, never a proxy's text."""
        found = self._found(text)
        return found[0] if found else ""

    def _found(self, text: str) -> re.Match[str] | None:
        return re.search(self.words, text)


def ailment_of(answer: ErrorAnswer) -> Ailment:
    """The first row of the table that fits; ``REFUSED`` where none does."""
    return next((one for one in AILMENTS if one.fits(answer)), REFUSED)


def api_service(path: str) -> str | None:
    """The APIService of a path, such as ``v1beta1.metrics.k8s.io``; ``None`` for groups built into every API server."""
    parts = path.strip("/").split("/")
    if len(parts) < 3 or parts[0] != "apis" or parts[1] in _BUILTIN_GROUPS:
        return None
    return f"{parts[2]}.{parts[1]}"


_BUILTIN_GROUPS = {resource.group for resource in BUILTIN} | {
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "node.k8s.io",
    "resource.k8s.io",
}


# -- conditions on the request


def _is_of_another(answer: ErrorAnswer) -> bool:
    """A conflict about another object, such as a quota. A failed precondition names the Kind, not the resource."""
    is_resource = answer.kind != "" and answer.kind == answer.kind.lower()
    is_own = answer.kind.split("/")[0] in answer.path.split("/")
    return answer.reason == "Conflict" and is_resource and not is_own and not _is_denied(answer)


def _is_race(answer: ErrorAnswer) -> bool:
    """A conflict about the request's own object, though the request sets no precondition."""
    is_precondition = "precondition" in answer.message.lower()
    is_meant = answer.is_bound or bool(answer.causes) or is_precondition or _is_denied(answer)
    return answer.reason == "Conflict" and not is_meant


def _is_denied(answer: ErrorAnswer) -> bool:
    return answer.message.startswith("admission webhook")


def _is_double(answer: ErrorAnswer) -> bool:
    """An apply that lost the race with another creation of the same object."""
    return answer.reason == "AlreadyExists" and answer.method == "PATCH" and answer.is_apply


def _is_foreign(answer: ErrorAnswer) -> bool:
    return not answer.is_status and api_service(answer.path) is not None


def _is_status(answer: ErrorAnswer) -> bool:
    return answer.is_status


def _is_plain(answer: ErrorAnswer) -> bool:
    return not answer.is_status


def _is_server_timeout(answer: ErrorAnswer) -> bool:
    return answer.reason == "ServerTimeout"


def _quota_conflict() -> ErrorAnswer:
    message = 'Operation cannot be fulfilled on resourcequotas "compute": the object has been modified; please apply'
    return ErrorAnswer(409, f"{message} your changes to the latest version and try again", "Conflict", "resourcequotas")


def _own_conflict(*, is_bound: bool) -> ErrorAnswer:
    message = 'Operation cannot be fulfilled on configmaps "web": the object has been modified; please apply'
    rest = "your changes to the latest version and try again"
    return ErrorAnswer(409, f"{message} {rest}", "Conflict", "configmaps", is_bound=is_bound)


# The server answers 500 to an apply body or strategic merge patch that does not fit the schema; a retry cannot help,
# except where a conversion webhook is involved.
_UNFIT = (
    r"(?s)^(?:failed to create typed patch object|failed to convert new object)(?!.*webhook)"
    r"|does not contain declared merge key|doesn't match \$setElementOrder list|unknown patch type: "
    r"|merging lists cannot yet be specified in the patch|expected a \S+(?: \{\})?, but received a "
)
_ERROR = r"^(?:Internal error occurred: )?"  # how NewInternalError of k8s.io/apimachinery begins
# -- no answer at all

CUT = Ailment(
    "no whole answer: connection refused, cut, reset, half an answer; a name that is not known",
    Patience.LONG,
    source="TCP, TLS and HTTP",
)
UNRENEWED = Ailment(
    "no credential: a plugin, a token file or an identity provider that gave one before fails to give the next",
    Patience.LONG,
    is_undone=True,
    over="the credential is renewed",
    source="none: nothing is sent without a credential",
)
STARTING = Ailment(
    "403 within 10 s of an outage: an API server that has started anew may not have read the roles yet",
    Patience.SHORT,
    ends=ExitCode.REFUSED,
    codes=(403,),
    is_undone=True,
    source="k8s.io/apiserver/pkg/server/healthz, plugin/pkg/auth/authorizer/rbac: it reads them from a cache",
)

# -- answers

BUSY = Ailment(
    "429: the server has too much to do, is shutting down, or initializes its storage",
    Patience.LONG,
    late=ExitCode.TIMED_OUT,
    codes=(429,),
    is_undone=True,
    is_crowded=True,
    quiet=3,
    words=r"(?i)Too many requests, please try again later|The apiserver is shutting down, please try again later|",
    source="k8s.io/apiserver/pkg/server/filters: priority-and-fairness.go, with_retry_after.go; storage/cacher",
    example=ErrorAnswer(429, "Too many requests, please try again later.", is_status=False),
)
QUOTA_RACE = Ailment(
    "409 about another object than the request's: a resource quota that many requests count up at once",
    Patience.WHILE,
    late=ExitCode.TIMED_OUT,
    codes=(409,),
    when=_is_of_another,
    is_undone=True,
    is_crowded=True,
    quiet=3,
    over="the conflicts on its quota are over",
    source="k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go",
    example=_quota_conflict(),
)
RACE = Ailment(
    "409 about the object itself, to a request that names neither resourceVersion nor uid",
    Patience.WHILE,
    ends=ExitCode.REFUSED,
    late=ExitCode.TIMED_OUT,
    codes=(409,),
    when=_is_race,
    is_undone=True,
    quiet=3,
    over="the conflicts are over",
    hint="something else writes it all the time: see its managedFields",
    source="k8s.io/apiserver/pkg/storage/errors/storage.go (InterpretUpdateError)",
    example=_own_conflict(is_bound=False),
)
DOUBLE = Ailment(
    "409 AlreadyExists to an apply: somebody else created the object at the same moment",
    Patience.WHILE,
    ends=ExitCode.REFUSED,
    late=ExitCode.TIMED_OUT,
    codes=(409,),
    when=_is_double,
    is_undone=True,
    quiet=3,
    over="the conflicts are over",
    source="k8s.io/apiserver/pkg/storage/errors/storage.go (InterpretCreateError)",
    example=ErrorAnswer(409, 'configmaps "web" already exists', "AlreadyExists", "configmaps"),
)
CONFLICT = Ailment(
    "409 else: another field manager, another resourceVersion or uid than asked for, a name that is taken",
    Patience.NONE,
    ends=ExitCode.REFUSED,
    codes=(409,),
    source="k8s.io/apimachinery/pkg/util/managedfields",
    example=_own_conflict(is_bound=True),
)
NOT_READY = Ailment(
    "403 `not yet ready to handle request`: an API server that has only just started",
    Patience.WHILE,
    codes=(403,),
    words=r"not yet ready to handle request$",
    is_undone=True,
    source="k8s.io/apiserver/pkg/admission/plugin: namespace/lifecycle, webhook/generic, policy/generic",
    example=ErrorAnswer(
        403, 'configmaps "web" is forbidden: not yet ready to handle request', "Forbidden", "configmaps"
    ),
)
QUOTA_UNKNOWN = Ailment(
    "403 `status unknown for quota`: a new resource quota that has not been counted yet",
    Patience.WHILE,
    ends=ExitCode.REFUSED,
    codes=(403,),
    words=r": status unknown for quota: (?P<subject>[^,]+), resources: ",
    is_undone=True,
    over="quota {subject} is counted",
    hint="is the controller manager at work?",
    source="k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go",
    example=ErrorAnswer(
        403, 'pods "web" is forbidden: status unknown for quota: compute, resources: pods', "Forbidden"
    ),
)
ACCOUNT_MISSING = Ailment(
    "403 to a pod: the service account `default`, or its token, which a controller makes in each new namespace",
    Patience.SHORT,
    ends=ExitCode.REFUSED,
    codes=(403,),
    words=(
        r"(?i)error looking up service account (?=\S+/default: )(?:.*)not found"
        r"|no API token found for service account "
    ),
    is_undone=True,
    over="the service account is there",
    hint="is the controller manager at work?",
    source="kubernetes/plugin/pkg/admission/serviceaccount/admission.go",
    example=ErrorAnswer(
        403,
        'pods "web" is forbidden: error looking up service account shop/default: serviceaccount "default" not found',
        "Forbidden",
        "pods",
        path="/api/v1/namespaces/shop/pods/web",
    ),
)
UNFIT = Ailment(
    "500 to a patch or an apply that does not fit the object's schema",
    Patience.NONE,
    ends=ExitCode.REFUSED,
    codes=(500,),
    words=_UNFIT,
    source="k8s.io/apimachinery/pkg/util: managedfields (structuredmerge.go), mergepatch and strategicpatch",
    example=ErrorAnswer(
        500, "failed to create typed patch object (shop/web; /v1, Kind=ConfigMap): .data: expected map"
    ),
)
DENIED = Ailment(
    "500 and more: `admission webhook … denied the request`, which is the webhook's own word",
    Patience.FEW,
    ends=ExitCode.REFUSED,
    codes=(500, 501, 502, 503, 504),
    words=r'^admission webhook "(?P<subject>[^"]*)" denied the request',
    is_undone=True,
    over="the webhook {subject} answers again",
    source="k8s.io/apiserver/pkg/admission/plugin/webhook/errors/statuserror.go",
    example=ErrorAnswer(500, 'admission webhook "policy.example.com" denied the request: no policy could be read'),
)
WEBHOOK = Ailment(
    "500 `failed calling webhook`: an admission webhook that can't be reached, or gives no proper answer",
    Patience.WHILE,
    codes=(500,),
    words=_ERROR + r'failed calling webhook "(?P<subject>[^"]*)"',
    is_undone=True,
    over="the webhook {subject} answers again",
    hint="are the pods behind the webhook's Service ready?",
    source="k8s.io/apiserver/pkg/util/webhook/error.go",
    example=ErrorAnswer(
        500,
        'Internal error occurred: failed calling webhook "check.example.com": failed to call webhook: Post'
        ' "https://check.shop.svc:443/check?timeout=10s": no endpoints available for service "check"',
        "InternalError",
    ),
)
CONVERSION = Ailment(
    "500 `conversion webhook … failed: Post`: the webhook of a CustomResourceDefinition that can't be reached",
    Patience.WHILE,
    codes=(500,),
    words=r"conversion webhook for (?P<subject>\S+, Kind=\w+) failed: Post ",
    over="the conversion webhook for {subject} answers again",
    hint="are the pods behind the conversion webhook's Service ready?",
    source="k8s.io/apiextensions-apiserver/pkg/apiserver/conversion/webhook_converter.go",
    example=ErrorAnswer(
        500,
        'conversion webhook for shop.example/v1, Kind=Widget failed: Post "https://convert.shop.svc:443/convert":'
        " dial tcp 10.0.0.7:443: connect: connection refused",
        path="/apis/shop.example/v1/namespaces/shop/widgets/web",
    ),
)
ETCD_CROWDED = Ailment(
    "500 `etcdserver: too many requests`",
    Patience.LONG,
    codes=(500,),
    words=r"etcdserver: too many requests",
    is_undone=True,
    is_crowded=True,
    source="go.etcd.io/etcd/api/v3rpc/rpctypes/error.go",
    example=ErrorAnswer(500, "etcdserver: too many requests"),
)
ETCD_FULL = Ailment(
    "500 `etcdserver: mvcc: database space exceeded`",
    Patience.FEW,
    codes=(500,),
    words=r"etcdserver: mvcc: database space exceeded",
    is_undone=True,
    hint="the cluster's etcd is full: whoever runs it has to compact and defragment it, and to disarm the alarm",
    source="go.etcd.io/etcd/api/v3rpc/rpctypes/error.go",
    example=ErrorAnswer(500, "etcdserver: mvcc: database space exceeded"),
)
ETCD = Ailment(
    "500 `etcdserver: leader changed`, `no leader`, `request timed out` and the like",
    Patience.LONG,
    codes=(500,),
    words=(
        r"etcdserver: (?:leader changed|no leader|not leader|not capable|server stopped|unhealthy cluster"
        r"|request timed out|request cancell?ed|context deadline exceeded)"
        r"|etcdclient: no available endpoints"
    ),
    source="go.etcd.io/etcd: api/v3rpc/rpctypes/error.go, client/v3/client.go",
    example=ErrorAnswer(500, "etcdserver: leader changed"),
)
STORAGE = Ailment(
    "500 of the way to etcd or to a KMS plugin: `rpc error: code = Unavailable`, `context deadline exceeded`",
    Patience.LONG,
    codes=(500,),
    words=(
        r"rpc error: code = (?:Unavailable|DeadlineExceeded|Canceled|Aborted|ResourceExhausted)\b"
        rf"|{_ERROR}context (?:deadline exceeded|canceled)$"
    ),
    source="google.golang.org/grpc/status, k8s.io/apiserver/pkg/storage/etcd3/store.go",
    example=ErrorAnswer(500, "rpc error: code = Unavailable desc = error reading from server: EOF"),
)
SERVER_TIMEOUT = Ailment(
    "500 with reason ServerTimeout: `could not be completed at this time, please try again`",
    Patience.LONG,
    codes=(500,),
    when=_is_server_timeout,
    source="k8s.io/apiserver/pkg/storage/errors/storage.go (IsUnreachable)",
    example=ErrorAnswer(
        500,
        "The update operation against configmaps could not be completed at this time, please try again.",
        "ServerTimeout",
        "configmaps",
    ),
)
ADMISSION = Ailment(
    "500 `resource quota evaluation timed out`, `allocator not ready`: admission that does not keep up",
    Patience.WHILE,
    codes=(500,),
    words=r"^Internal error occurred: (?:resource quota evaluation timed out|.*: allocator not ready$)",
    is_undone=True,
    source="k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go, pkg/registry/core/service/ipallocator",
    example=ErrorAnswer(500, "Internal error occurred: resource quota evaluation timed out", "InternalError"),
)
FILTER = Ailment(
    "500 in plain text `Internal Server Error`: the authorizer, or another filter before the API, does not answer",
    Patience.WHILE,
    codes=(500,),
    words=r"^Internal Server Error(?=: \")",
    when=_is_plain,
    source="k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go (InternalError)",
    example=ErrorAnswer(
        500, 'Internal Server Error: "/api/v1/namespaces/shop/configmaps/web": no answer', is_status=False
    ),
)
INTERNAL = Ailment(
    "500 else, in Kubernetes' words",
    Patience.FEW,
    ends=ExitCode.REFUSED,
    codes=(500,),
    when=_is_status,
    source="k8s.io/apimachinery/pkg/api/errors (NewInternalError)",
    example=ErrorAnswer(500, "Internal error occurred: something else", "InternalError"),
)
PROXY_INTERNAL = Ailment(
    "500 else, not in Kubernetes' words",
    Patience.FEW,
    codes=(500,),
    source="a proxy in between",
    example=ErrorAnswer(500, "<html>", is_status=False),
)
AGGREGATED = Ailment(
    "503 in plain text to a request for an aggregated API: its APIService is not available",
    Patience.SHORT,
    codes=(503,),
    words=r"^the API (?P<subject>\S+) is not available|",
    when=_is_foreign,
    over="the API {subject} is available again",
    source="k8s.io/kube-aggregator/pkg/apiserver/handler_proxy.go",
    example=ErrorAnswer(503, "service unavailable", is_status=False, path="/apis/metrics.k8s.io/v1beta1/nodes/web"),
)
AWAY = Ailment(
    "502, 503, 504, Kubernetes' own or a load balancer's: a server that restarts, `apiserver is shutting down`,"
    " `request did not complete within requested timeout`",
    Patience.LONG,
    codes=(502, 503, 504),
    source="k8s.io/apiserver/pkg: server/filters (waitgroup.go, timeout.go), endpoints/handlers/finisher",
    example=ErrorAnswer(503, "apiserver is shutting down", "ServiceUnavailable"),
)
UNAUTHORIZED = Ailment(
    "401: sent once more where a token file, a plugin or an identity provider has a new token",
    Patience.NONE,
    ends=ExitCode.REFUSED,
    codes=(401,),
    source="k8s.io/apiserver/pkg/endpoints/filters/authentication.go",
    example=ErrorAnswer(401, "Unauthorized", "Unauthorized"),
)
REDIRECT = Ailment(
    "3xx: not followed with credentials",
    Patience.NONE,
    codes=tuple(range(300, 400)),
    source="a proxy in between",
    example=ErrorAnswer(302, "", is_status=False),
)
REFUSED = Ailment(
    "4xx else: forbidden, not found, not allowed, gone, too large, invalid",
    Patience.NONE,
    ends=ExitCode.REFUSED,
    source="k8s.io/apimachinery/pkg/api/errors",
    example=ErrorAnswer(403, 'configmaps "web" is forbidden: User "ci" cannot patch it', "Forbidden", "configmaps"),
)
AILMENTS = (
    BUSY,
    QUOTA_RACE,
    RACE,
    DOUBLE,
    CONFLICT,
    NOT_READY,
    QUOTA_UNKNOWN,
    ACCOUNT_MISSING,
    UNFIT,
    DENIED,
    WEBHOOK,
    CONVERSION,
    ETCD_CROWDED,
    ETCD_FULL,
    ETCD,
    STORAGE,
    SERVER_TIMEOUT,
    ADMISSION,
    FILTER,
    INTERNAL,
    PROXY_INTERNAL,
    AGGREGATED,
    AWAY,
    UNAUTHORIZED,
    REDIRECT,
    REFUSED,
)
