"""The verbs: the options and the function of each. ``cli`` and the documentation's tests read this table."""

from __future__ import annotations

from typing import NamedTuple

from k8s_step.options import (
    APPLY,
    CHECK,
    CONNECTION,
    CREATE,
    DELETE,
    DIFF,
    GET,
    MERGE,
    OBJECTS,
    PATCH,
    PERMISSIONS,
    RENDER,
    REPLACE,
    REPORTS,
    RESTART,
    RUN,
    SCALE,
    STATUS,
    SYNC,
    UNDO,
    WATCH,
    Option,
)


class Command(NamedTuple):
    """A verb. ``function``: ``module:name``, imported only when the verb runs. ``argument``: for words without a flag.

    ``prints``: the verb's purpose is its output on stdout. ``many``: it may run on several clusters at once.
    ``has_source``: the function runs once, on the connection options' cluster, and returns what is done on others.
    ``merges``: the function is given the inputs alone, and returns a result of several clusters; it needs no server.
    ``sends``: unless its inputs are wrong it sends requests, so that connections may be opened ahead of them.
    """

    name: str
    help: str
    options: tuple[Option, ...]
    function: str
    argument: Option | None = None
    prints: bool = False
    many: bool = False
    has_source: bool = False
    merges: bool = False
    sends: bool = True

    @property
    def all_options(self) -> tuple[Option, ...]:
        """The options and the argument, which variables can set like any option."""
        return self.options if self.argument is None else (self.argument, *self.options)


COMMANDS = (
    Command(
        "apply",
        "Apply manifests with server-side apply and follow the rollout to its verdict.",
        (*APPLY, *CONNECTION),
        "k8s_step.steps.apply:apply",
        many=True,
    ),
    Command(
        "diff",
        "Show what apply would change: the server's dry run against the live objects, Secrets masked.",
        (*DIFF, *CONNECTION),
        "k8s_step.steps.diff:diff",
        many=True,
        prints=True,
    ),
    Command(
        "render",
        "Print the manifests as they would be sent; needs no server. Secrets are masked.",
        (*RENDER, *CONNECTION),
        "k8s_step.steps.render:render",
        prints=True,
        sends=False,
    ),
    Command(
        "permissions",
        "Print the least Role and ClusterRole that apply (or run) and its verdict need for these manifests.",
        (*PERMISSIONS, *CONNECTION),
        "k8s_step.steps.permissions:permissions",
        prints=True,
        sends=False,
    ),
    Command(
        "status",
        "Follow objects to their verdict and write nothing.",
        (*STATUS, *CONNECTION),
        "k8s_step.steps.status:status",
        many=True,
        argument=OBJECTS,
    ),
    Command(
        "run",
        "Create a Job, stream its logs, and exit with its verdict.",
        (*RUN, *CONNECTION),
        "k8s_step.steps.run:run",
    ),
    Command(
        "create",
        "Create objects, never twice, and follow the rollout to its verdict.",
        (*CREATE, *CONNECTION),
        "k8s_step.steps.create:create",
    ),
    Command(
        "replace",
        "Replace objects unless they changed meanwhile, and follow the rollout to its verdict.",
        (*REPLACE, *CONNECTION),
        "k8s_step.steps.replace:replace",
    ),
    Command(
        "delete",
        "Delete objects by name, by manifest or by selector, and wait until they are gone.",
        (*DELETE, *CONNECTION),
        "k8s_step.steps.delete:delete",
        argument=OBJECTS,
    ),
    Command(
        "sync",
        "Copy objects to other clusters by server-side apply, with a result for each.",
        (*SYNC, *CONNECTION),
        "k8s_step.steps.sync:sync",
        argument=OBJECTS,
        many=True,
        has_source=True,
    ),
    Command(
        "get",
        "Print objects by name, by kind or by selector.",
        (*GET, *CONNECTION),
        "k8s_step.steps.get:get",
        many=True,
        argument=OBJECTS,
        prints=True,
    ),
    Command(
        "watch",
        "Print the events of objects as they come, through cuts and restarts of the server.",
        (*WATCH, *CONNECTION),
        "k8s_step.steps.watch:watch",
        argument=OBJECTS,
        prints=True,
    ),
    Command(
        "check",
        "Tell whether named components have enough ready pods; print pod metrics.",
        (*CHECK, *CONNECTION),
        "k8s_step.steps.check:check",
        many=True,
        prints=True,
    ),
    Command(
        "patch",
        "Patch one object and follow the rollout to its verdict.",
        (*PATCH, *CONNECTION),
        "k8s_step.steps.patch:patch",
        argument=OBJECTS,
    ),
    Command(
        "restart",
        "Replace the pods of workloads and follow the rollout to its verdict.",
        (*RESTART, *CONNECTION),
        "k8s_step.steps.restart:restart",
        argument=OBJECTS,
    ),
    Command(
        "scale",
        "Set the number of replicas and follow to the verdict.",
        (*SCALE, *CONNECTION),
        "k8s_step.steps.scale:scale",
        argument=OBJECTS,
    ),
    Command(
        "undo",
        "Take workloads back to an earlier revision and follow the rollout to its verdict.",
        (*UNDO, *CONNECTION),
        "k8s_step.steps.undo:undo",
        argument=OBJECTS,
    ),
    Command(
        "merge-reports",
        "Make one result of the result files of many runs; needs no server.",
        MERGE,
        "k8s_step.steps.merge_reports:merge_reports",
        argument=REPORTS,
        merges=True,
    ),
)
