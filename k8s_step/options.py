"""Every option as data: its name, variables, kind and default. The command line and the docs are made from it."""

from __future__ import annotations

from typing import Any, NamedTuple


class Option(NamedTuple):
    """One option.

    ``kind`` is text, texts, list, switch, duration, number (from 1), count (from 0), choice, patience or headers (lists
    both). ``texts`` may be given several times, but a variable holds one, of several lines perhaps.
    A choice ``name=VALUE`` stands for the name with any value.
    ``variables``: environment variables that replace ``K8S_<NAME>`` next to ``INPUT_<NAME>``. ``commas``: a list's
    entries may be separated by commas. ``in_header``: requests carry the value in a header. ``attribute``: the name of
    its attribute of ``Inputs``, where another verb's option of the same name has the usual one.
    """

    name: str
    help: str
    kind: str = "text"
    default: Any = None
    short: str = ""
    metavar: str = ""
    variables: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    commas: bool = False
    negatable: bool = False
    secret: bool = False
    in_header: bool = False
    attribute: str = ""

    @property
    def is_list(self) -> bool:
        """Whether the option may be given several times."""
        return self.kind in ("list", "texts", "patience", "headers")

    @property
    def field(self) -> str:
        """The name of the option's attribute of ``Inputs``."""
        return self.attribute or _FIELDS.get(self.name, self.name.replace("-", "_"))

    @property
    def all_variables(self) -> tuple[str, ...]:
        """The environment variables that set the option; the first non-empty one wins."""
        upper = self.name.upper()
        return (f"INPUT_{upper}", *(self.variables or (f"K8S_{upper.replace('-', '_')}",)))


# Options whose attribute of Inputs has another name, since theirs is a Python keyword or builtin, or unclear in code.
_FIELDS = {
    "context": "contexts",
    "to-context": "to_contexts",
    "kubeconfig": "kubeconfigs",
    "clusters": "clusters_file",
    "as": "impersonate_user",
    "as-group": "impersonate_groups",
    "var": "variables",
    "image": "images",
    "label": "labels",
    "annotation": "annotations",
    "type": "patch_type",
    "for": "for_command",
    "exec": "exec_command",
}
RESULT_FILES = (
    Option("report", "write the result to this file, as JSON", metavar="PATH"),
    Option("junit", "write the result to this file, as JUnit XML", metavar="PATH"),
    Option("dotenv", "write the outcome to this file, for GitLab's dotenv report", metavar="PATH"),
    Option("markdown", "write the outcome to this file, as Markdown that fits a comment", metavar="PATH"),
)
CONNECTION = (
    Option("server", "API server URL; http:// for kubectl proxy", metavar="URL", variables=("K8S_API", "K8S_SERVER")),
    Option("token", "bearer token", metavar="TOKEN", secret=True),
    Option("token-file", "file with the bearer token, read again when it changes", metavar="PATH"),
    Option(
        "oidc-audience",
        "ask GitHub for an ID token for this audience, and use it as the bearer token",
        metavar="AUDIENCE",
    ),
    Option("eks-cluster", "the EKS cluster of this name or ARN; AWS says where it is", metavar="NAME|ARN"),
    Option(
        "aws-region",
        "its region, where the ARN does not say it",
        metavar="REGION",
        variables=("K8S_AWS_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"),
    ),
    Option(
        "aws-role-arn",
        "the IAM role to be, by the CI's ID token or assumed with the keys at hand",
        metavar="ARN",
        variables=("K8S_AWS_ROLE_ARN", "AWS_ROLE_ARN"),
    ),
    Option("gke-cluster", "the GKE cluster projects/P/locations/L/clusters/C", metavar="NAME"),
    Option(
        "gke-endpoint",
        "how to reach it (unset: the first that it has)",
        "choice",
        choices=("public", "dns", "private"),
    ),
    Option(
        "gcp-workload-identity-provider",
        "the provider that trusts the CI, by its full name: projects/NUMBER/locations/global/…",
        metavar="NAME",
    ),
    Option("gcp-service-account", "the service account to act as", metavar="EMAIL"),
    Option("aks-cluster", "the AKS cluster of this resource ID", metavar="ID"),
    Option("aks-admin", "use the AKS cluster's local admin account", "switch", False),
    Option(
        "azure-client-id",
        "the application to be in Microsoft Entra",
        metavar="ID",
        variables=("K8S_AZURE_CLIENT_ID", "AZURE_CLIENT_ID"),
    ),
    Option(
        "azure-tenant-id",
        "its tenant",
        metavar="ID",
        variables=("K8S_AZURE_TENANT_ID", "AZURE_TENANT_ID"),
    ),
    Option("id-token", "the CI's ID token for the cloud: one of GitLab's id_tokens", metavar="TOKEN", secret=True),
    Option("ca", "the cluster's CA: path, PEM text, or base64 of it", metavar="CA"),
    Option("insecure-skip-tls-verify", "do not verify the server's certificate (warned about)", "switch", False),
    Option(
        "kubeconfig",
        "kubeconfig path(s); in K8S_KUBECONFIG also its text or base64; given several times: a cluster each",
        "texts",
        (),
        metavar="PATH",
    ),
    Option(
        "context",
        "the kubeconfig context to use; several: a cluster each (repeatable)",
        "list",
        (),
        metavar="NAME",
        commas=True,
    ),
    Option(
        "namespace", "default: the manifest's, the context's, the service account's, default", short="n", metavar="NAME"
    ),
    Option("as", "impersonate this user", metavar="USER", in_header=True),
    Option(
        "as-group",
        "impersonate this group (repeatable)",
        "list",
        (),
        metavar="GROUP",
        commas=True,
        in_header=True,
    ),
    Option(
        "header",
        "extra request header, X-Pipeline: job-42 (repeatable)",
        "headers",
        (),
        metavar="HEADER",
        variables=("K8S_HEADERS", "K8S_HEADER"),
    ),
    Option("request-timeout", "one request may take this long", "duration", 30.0, metavar="DURATION"),
    Option(
        "concurrency",
        "the most requests in flight: 16 at first, more while the server answers as quickly, half where it says 429 or"
        " slows down",
        "number",
        32,
    ),
    Option("field-manager", "the name changes are made under", default="k8s-step", metavar="NAME"),
    *RESULT_FILES,
    Option(
        "log-format", "how progress is written", "choice", "auto", choices=("auto", "plain", "github", "gitlab", "json")
    ),
)
_MAX_PARALLEL = Option("max-parallel", "so many clusters at a time", "number", 10)
_CLUSTERS_FILE = Option("clusters", "YAML file that lists clusters, each with its connection", metavar="FILE")
_SHARD = Option("shard", "of the clusters, the share K of N alone: 3/10, for parallel jobs", metavar="K/N")
CLUSTERS = (_CLUSTERS_FILE, _SHARD, _MAX_PARALLEL)
ROLLOUT = (
    *CLUSTERS,
    Option(
        "waves",
        "the order of the clusters: 'staging; eu, us'; a wave begins when all of the last one is current",
        metavar="WAVES",
    ),
    Option("max-failures", "so many clusters may fail before no other is begun", "count", 0),
)
_MANIFESTS = (
    Option(
        "filename",
        "manifest file, folder, glob or - for stdin (repeatable)",
        "list",
        (),
        short="f",
        metavar="PATH",
        commas=True,
    ),
    Option("recursive", "look into folders within folders", "switch", False, short="R"),
    Option(
        "kustomize",
        "folder with a kustomization, built by the kustomize or kubectl on PATH (repeatable)",
        "list",
        (),
        short="k",
        metavar="DIR",
    ),
    Option("var", "a value for ${K}; K alone takes the environment's (repeatable)", "list", (), metavar="K=V"),
    Option(
        "vars-file", "file of values: YAML, JSON or K=V lines (repeatable)", "list", (), metavar="PATH", commas=True
    ),
    Option(
        "helm-hooks",
        "take in the Helm hooks of this event, or all; else hooks are left out (repeatable)",
        "list",
        (),
        metavar="EVENT",
        commas=True,
    ),
    Option("no-template", "leave ${…} and *.j2 as they are written", "switch", False),
    Option(
        "no-template-file",
        "the same for the files that match, such as 'dashboards/*.json' (repeatable)",
        "list",
        (),
        metavar="GLOB",
        commas=True,
    ),
    Option(
        "image", "use REF wherever the image NAME is named (repeatable)", "list", (), metavar="NAME=REF", commas=True
    ),
)
_RULES = (
    Option(
        "wait-for",
        "what makes these current besides: 'certificate/web condition=Ready', in kubectl wait's words (repeatable)",
        "list",
        (),
        metavar="'KIND[/NAME] EXPR'",
    ),
    Option(
        "fail-on",
        "what has these failed at once, in the same words: 'shop jsonpath={.status.phase}=Broken' (repeatable)",
        "list",
        (),
        metavar="'KIND[/NAME] EXPR'",
    ),
)
_HEALTH = Option(
    "health",
    "a file of Flux's healthCheckExprs: what makes objects current, failed or in progress, in CEL",
    "health",
    metavar="FILE",
)
_NO_WAIT_FOR = Option(
    "no-wait-for",
    "write these, and do not follow them: a Service on a cluster without load balancers (repeatable)",
    "list",
    (),
    metavar="KIND[/NAME]",
    commas=True,
)
_FOLLOW = (
    Option("wait", "follow the rollout to its end", "switch", True, negatable=True),
    _NO_WAIT_FOR,
    *_RULES,
    _HEALTH,
    Option(
        "paused",
        "what becomes of one that is paused before it is current (unset: ok where its manifest pauses it, or wait)",
        "choice",
        choices=("ok", "wait", "fail"),
    ),
    Option(
        "required",
        "how many available pods of the new template make a workload enough: 90%, or a number (else all)",
        "share",
        metavar="SHARE",
    ),
    Option("timeout", "all objects must be current within this time", "duration", 600.0, metavar="DURATION"),
    Option(
        "fail-fast", "fail as soon as a pod says so, not at the server's own deadline", "switch", True, negatable=True
    ),
    Option(
        "fail-after",
        "how long a problem may last: ErrImagePull=2m, CrashLoopBackOff=5 (restarts), FailedCreate=never (repeatable)",
        "patience",
        metavar="REASON=DURATION",
        commas=True,
    ),
)
_LOGS = Option("logs", "stream what the new pods log while they are followed, each line with its pod", "switch", False)
_FOLLOW_LOGS = (*_FOLLOW, _LOGS)
_GUARDS = (
    Option(
        "allow-namespace",
        "touch nothing outside of these namespaces: shop, 'shop-*' (repeatable)",
        "list",
        (),
        metavar="NAME",
        commas=True,
    ),
    Option(
        "allow-kind",
        "touch these kinds alone: deployment, ingresses, certificate.cert-manager.io, '*' (repeatable)",
        "list",
        (),
        metavar="KIND",
        commas=True,
    ),
    Option("deny-kind", "touch none of these kinds (repeatable)", "list", (), metavar="KIND", commas=True),
)
_MARKS = (
    Option(
        "label",
        "label every object, not its pods: team=shop (repeatable)",
        "list",
        (),
        metavar="K=V",
        commas=True,
    ),
    Option("annotation", "annotate every object, not its pods (repeatable)", "list", (), metavar="K=V"),
)
_SOURCE = Option(
    "source-annotation",
    "name commit and CI run on the objects that change, in the annotation k8s-step/source",
    "switch",
    True,
    negatable=True,
)
_FORCE = Option("force-conflicts", "take over fields that other managers own", "switch", False)
_ADOPT = (
    Option(
        "adopt",
        "take over the fields that MANAGER has set, such as helm (repeatable); kubectl apply's are taken over anyway",
        "list",
        (),
        metavar="MANAGER",
        commas=True,
    ),
    Option("no-adopt", "leave kubectl apply what it has set", "switch", False),
)
_REPLICAS = Option(
    "replicas-from-manifest",
    "apply spec.replicas also where an autoscaler targets the workload; else they are left to it",
    "switch",
    False,
)
_ROLL = Option(
    "roll-on-config", "restart the workloads whose ConfigMaps or Secrets change with this release", "switch", False
)
_ROLLBACK = Option(
    "rollback-on-failure", "where the release fails, take back what this run changed, and only that", "switch", False
)
_PRUNE = (
    Option(
        "prune",
        "once all is current, delete what the set of --applyset holds and the manifests no longer do",
        "switch",
        False,
    ),
    Option(
        "applyset",
        "the parent of the set that this release's objects are in: a Secret, or RESOURCE[.GROUP]/NAME",
        metavar="NAME",
    ),
    Option(
        "applyset-as",
        "keep a set of kubectl's by its rules, so that kubectl apply --prune and this step take turns",
        "choice",
        choices=("kubectl",),
    ),
    Option("applyset-adopt", "take objects of other sets into this one", "switch", False),
    Option(
        "prune-data",
        "delete Namespaces, CRDs, PersistentVolumes and PersistentVolumeClaims of the set as well, with what they hold",
        "switch",
        False,
    ),
    Option("allow-empty", "where no manifest is left, delete all that the set holds", "switch", False),
)
# What a cluster of the clusters file may say of itself; the other connection options are those of the whole run.
_OF_THE_RUN = ("report", "junit", "dotenv", "log-format")
OF_CLUSTERS = (
    *(option for option in CONNECTION if option.name not in _OF_THE_RUN),
    *(option for option in _MANIFESTS if option.name in ("var", "vars-file")),
)
APPLY = (
    *ROLLOUT,
    *_MANIFESTS,
    *_MARKS,
    _SOURCE,
    *_GUARDS,
    _FORCE,
    *_ADOPT,
    _REPLICAS,
    _ROLL,
    Option("dry-run", "let the server check everything and change nothing", "switch", False),
    Option("diff", "show what changes, before anything does", "switch", False),
    Option(
        "preflight", "let the server check all objects before the first one is written", "switch", True, negatable=True
    ),
    *_PRUNE,
    _ROLLBACK,
    *_FOLLOW_LOGS,
)
_ANSWERED = Option("timeout", "the server must have answered within this time", "duration", 600.0, metavar="DURATION")
DIFF = (
    *CLUSTERS,
    *_MANIFESTS,
    *_MARKS,
    *_GUARDS,
    _FORCE,
    *_ADOPT,
    _REPLICAS,
    _ROLL,
    *_PRUNE,
    Option("exit-code", "exit with 1 where there is a difference", "switch", False),
    Option("comment", "keep a comment of the pull or merge request up to date with it", "switch", False),
    Option(
        "comment-token",
        "the token to comment with",
        metavar="TOKEN",
        variables=("K8S_COMMENT_TOKEN", "GITHUB_TOKEN", "GITLAB_TOKEN"),
        secret=True,
    ),
    _ANSWERED,
)
# No default here: action.yml has one ``output`` input, so that a default would set INPUT_OUTPUT for every verb.
_OUTPUT = "format (default: yaml; of get: table; of watch: jsonl)"
RENDER = (*_MANIFESTS, *_MARKS, Option("output", _OUTPUT, "choice", short="o", choices=("yaml", "json")))
PERMISSIONS = (
    *_MANIFESTS,
    Option("for", "the command that is to use them", "choice", "apply", choices=("apply", "run")),
    Option(
        "prune", "what apply --prune needs besides, too: for the kinds of the manifests and of the set", "switch", False
    ),
    *(option for option in _PRUNE if option.name not in ("prune", "applyset-adopt")),
    Option("rollback-on-failure", "what apply --rollback-on-failure needs besides, too", "switch", False),
    Option("logs", "what --logs needs besides, too", "switch", False),
    Option("check", "ask the server whether this token has them, and list what is missing", "switch", False),
    Option("role-name", "name of the Role and the ClusterRole", default="k8s-step", metavar="NAME"),
    Option("service-account", "print bindings for it too", metavar="NAMESPACE/NAME"),
    _ANSWERED,
)
OBJECTS = Option("object", "KIND/NAME, or KIND NAME… (repeatable)", "list", (), metavar="KIND/NAME...")
_SELECTORS = (
    Option("selector", "those of KIND with these labels: app=web,tier!=cache", short="l", metavar="SELECTOR"),
    Option("field-selector", "those of KIND with these fields: status.phase=Failed", metavar="SELECTOR"),
)
STATUS = (*CLUSTERS, *_MANIFESTS, *_SELECTORS, *_FOLLOW_LOGS[1:])
_DRY_RUN = Option("dry-run", "let the server check everything and change nothing", "switch", False)
CREATE = (*_MANIFESTS, *_GUARDS, _DRY_RUN, *_FOLLOW_LOGS)
REPLACE = (
    *_MANIFESTS,
    *_GUARDS,
    Option("retry-conflicts", "where another was faster, read again and retry so many times", "count", 0),
    _DRY_RUN,
    *_FOLLOW_LOGS,
)
RUN = (
    *(option for option in _MANIFESTS if option.name != "helm-hooks"),
    *_GUARDS,
    Option("rm", "delete the Job afterwards, whatever came of it", "switch", False),
    Option(
        "on-cancel",
        "what becomes of an unfinished Job when the step is cancelled",
        "choice",
        "delete",
        choices=("delete", "leave"),
    ),
    _DRY_RUN,
    *_FOLLOW[2:],
)
DELETE = (
    *(option for option in _MANIFESTS if option.name != "image"),
    *_GUARDS,
    *_SELECTORS,
    Option("all", "all of KIND in the namespace", "switch", False),
    Option(
        "cascade",
        "what becomes of the objects it owns: deleted after it, deleted before it, kept",
        "choice",
        "background",
        choices=("background", "foreground", "orphan"),
    ),
    Option("grace-period", "seconds a pod is given to end; default: its own", "count", metavar="SECONDS"),
    Option("ignore-not-found", "what is not there counts as deleted", "switch", False),
    _DRY_RUN,
    Option("wait", "wait until all are gone", "switch", True, negatable=True),
    Option("timeout", "all must be gone within this time", "duration", 600.0, metavar="DURATION"),
)
_SUBRESOURCE = Option(
    "subresource", "read or patch this part of a named object, and do not follow", "choice", choices=("status", "scale")
)
GET = (
    *CLUSTERS,
    *_SELECTORS,
    Option("all-namespaces", "look in all namespaces", "switch", False, short="A"),
    Option("limit", "read so many objects at a time", "number", 500),
    Option(
        "output",
        _OUTPUT,
        "choice",
        short="o",
        choices=(
            *("table", "wide", "json", "yaml", "name", "jsonl", "protobuf"),
            *("jsonpath=TEMPLATE", "custom-columns=HEADER:PATH,…"),
        ),
    ),
    Option("output-file", "where protobuf goes", metavar="PATH"),
    Option("sort-by", "in the order of this field: .metadata.creationTimestamp", metavar="PATH"),
    Option("show-labels", "the labels as a last column of the table", "switch", False),
    Option("no-headers", "tables without their first line", "switch", False),
    _SUBRESOURCE,
    Option(
        "on-expired",
        "a list that grows too old while it is read: continue with the rest as it is then, or restart",
        "choice",
        "continue",
        choices=("continue", "restart"),
    ),
    _ANSWERED,
)
WATCH = (
    *_SELECTORS,
    *(option for option in GET if option.name == "all-namespaces"),
    Option("output", _OUTPUT, "choice", short="o", choices=("jsonl", "table", "wide", "name")),
    Option("only-new", "leave out what is there when the watch begins", "switch", False),
    Option(
        "for",
        "end once each object shows this, as kubectl wait says it: condition=Ready, jsonpath={.status.phase}=Running,"
        " create, delete (repeatable)",
        "list",
        (),
        metavar="EXPECTATION",
        attribute="expectations",
    ),
    Option(
        "until",
        "end once this field of each object has this value: status.phase=Running (repeatable)",
        "list",
        (),
        metavar="PATH=VALUE",
    ),
    Option(
        "exec",
        "a shell command for each event, with the event on its stdin, and EVENT_TYPE, EVENT_OBJECT, EVENT_NAMESPACE and"
        " EVENT_NAME in its environment",
        metavar="COMMAND",
    ),
    Option("exec-concurrency", "so many of --exec at once; the events of one object in order", "number", 4),
    Option(
        "timeout",
        "end after this time (default: never; with --for or --until: 10m)",
        "duration",
        metavar="DURATION",
    ),
)
SYNC = (
    Option(
        "to-context",
        "the kubeconfig context of a cluster to copy to (repeatable)",
        "list",
        (),
        metavar="NAME",
        commas=True,
    ),
    *ROLLOUT,
    *_SELECTORS,
    Option("to-namespace", "the namespace to copy to; default: the same one", metavar="NAME"),
    Option("create-namespace", "make the namespaces that are not there yet", "switch", False),
    *_GUARDS,
    _FORCE,
    _DRY_RUN,
    Option("diff", "show what changes, before anything does", "switch", False),
    *(option for option in GET if option.name == "limit"),
    _ANSWERED,
)
CHECK = (
    Option(
        "component",
        "a component and the labels of its pods, api=component=kube-apiserver (repeatable)",
        "list",
        (),
        metavar="NAME=SELECTOR",
    ),
    Option("min-ready", "so many pods of each component must be ready", "number", 1),
    Option("metrics", "print the pods' phases and restarts in Prometheus' text format", "switch", False),
    *(
        option
        for option in GET
        if option.name in ("clusters", "shard", "max-parallel", "all-namespaces", "limit", "timeout")
    ),
)
REPORTS = Option(
    "reports",
    "result files of other runs; NAME=FILE names the cluster of a run on one (repeatable)",
    "list",
    (),
    metavar="REPORT...",
)
MERGE = tuple(option for option in CONNECTION if option in RESULT_FILES or option.name == "log-format")
_PATCH = (
    Option("filename", "file with the patch, YAML or JSON, or - for stdin", "list", (), short="f", metavar="PATH"),
    Option("patch", "the patch itself, YAML or JSON", short="p", metavar="TEXT"),
    Option(
        "image",
        "give the container CONTAINER the image REF (repeatable)",
        "list",
        (),
        metavar="CONTAINER=REF",
        commas=True,
    ),
    Option(
        "type",
        "strategic (the default), merge, json or apply",
        "choice",
        choices=("strategic", "merge", "json", "apply"),
    ),
    Option("from-manifest", "-f is a manifest: patch what differs from it, as json or merge", "switch", False),
    _SUBRESOURCE,
)
PATCH = (
    *_PATCH,
    *(option for option in _MANIFESTS if option.name in ("var", "vars-file", "no-template")),
    *_GUARDS,
    *(option for option in APPLY if option.name == "force-conflicts"),
    _DRY_RUN,
    *_FOLLOW_LOGS,
)
RESTART = (*_GUARDS, _DRY_RUN, *_FOLLOW_LOGS)
SCALE = (
    Option("replicas", "so many", "count", metavar="N"),
    Option("current-replicas", "only where there are so many now", "count", metavar="N"),
    *_GUARDS,
    _DRY_RUN,
    *_FOLLOW_LOGS,
)
UNDO = (
    Option("to-revision", "the revision to go back to; default: the one before the present", "number", metavar="N"),
    *_GUARDS,
    _DRY_RUN,
    *_FOLLOW_LOGS,
)
