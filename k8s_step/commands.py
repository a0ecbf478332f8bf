"""The verbs: what each is called with and which function does it. ``cli`` and the documentation read this table."""

from __future__ import annotations

from dataclasses import dataclass

from k8s_step.inputs import APPLY, CONNECTION, CREATE, DELETE, OBJECTS, REPLACE, STATUS, Option


@dataclass(frozen=True)
class Command:
    """A verb. ``function`` is ``module:name``, imported only when it is called; ``argument`` takes what has no flag."""

    name: str
    help: str
    options: tuple[Option, ...]
    function: str
    argument: Option | None = None

    @property
    def all_options(self) -> tuple[Option, ...]:
        """The argument too: it can be set by a variable like any option."""
        return self.options if self.argument is None else (self.argument, *self.options)


COMMANDS = (
    Command(
        "apply",
        "Apply manifests with server-side apply and follow the rollout to its verdict.",
        (*APPLY, *CONNECTION),
        "k8s_step.steps.apply:apply",
    ),
    Command(
        "status",
        "Follow objects to their verdict and write nothing.",
        (*STATUS, *CONNECTION),
        "k8s_step.steps.status:status",
        argument=OBJECTS,
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
)
