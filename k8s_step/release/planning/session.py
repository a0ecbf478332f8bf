"""One run's access to one cluster: connection, client, discovery, and the journal of the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from k8s_step.errors import ExitCode, InputError
from k8s_step.inputs import Inputs
from k8s_step.redaction import Redactor
from k8s_step.report.journal import Journal
from k8s_step.surroundings import Surroundings

if TYPE_CHECKING:
    from k8s_step.api.client import Client
    from k8s_step.api.discovery import Discovery
    from k8s_step.release.planning.preconnection import Preconnection


class RehearsalEndedError(Exception):
    """A rehearsal has come to where the first request would be sent: no local mistake is left."""


def _stays(_: ExitCode) -> bool:
    """What a run on one cluster has written stays where its release is good."""
    return True


@dataclass(frozen=True)
class Run:
    """The arguments of every verb: the inputs, the environment, the journal to tell, and where the process runs.

    ``client``: a client that is open already, which then serves this run; ``None`` to open one by the inputs.
    ``preconnection``: what the inputs say of the cluster, found ahead, and the connections that are being opened to it.
    ``cluster``: the cluster's name, where the run is one of several; empty otherwise. ``stays`` is told the exit code
    of a release and answers, perhaps after a wait for other clusters, whether what a good one has written may stay.
    ``is_rehearsal``: nothing is sent; :func:`open_session` raises :class:`RehearsalEndedError`.
    """

    inputs: Inputs
    environ: Mapping[str, str]
    journal: Journal
    redactor: Redactor
    surroundings: Surroundings = field(default_factory=Surroundings)
    started: float = field(default_factory=time.monotonic)
    client: Client | None = None
    preconnection: Preconnection | None = None
    cluster: str = ""
    stays: Callable[[ExitCode], bool] = _stays
    is_rehearsal: bool = False

    @property
    def deadline(self) -> float:
        """The end of the run's time (``time.monotonic``); a rollback has as much time again."""
        return self.started + self.inputs.timeout


class Session(NamedTuple):
    """Open access to a server. ``namespace``: for objects that name none.

    The requests of ``client`` end at the run's deadline.
    """

    client: Client
    discovery: Discovery
    namespace: str

    @property
    def open_ended(self) -> Client:
        """The client without the run's deadline, for work with limits of its own: rollouts, logs, evidence."""
        return self.client.until(None)

    @property
    def namespaces(self) -> list[str]:
        """The namespaces of ``-n a,b``, each once, for verbs that read in several."""
        return list(dict.fromkeys(name.strip() for name in self.namespace.split(",") if name.strip()))


def open_session(run: Run, *, many_namespaces: bool = False) -> Session:
    """Find the cluster and report which one it is. Raises :class:`StepError`.

    No request goes to the cluster yet; a cloud is asked for its cluster's address. ``many_namespaces``: ``-n`` may name
    several.
    """
    from k8s_step.api.discovery import Discovery  # imported here: the connection is opened before they are imported
    from k8s_step.release.planning.login import check, open_client

    _check_namespace(run.inputs, many_namespaces=many_namespaces)
    _check_one(run.inputs)
    if run.is_rehearsal:
        check(run.inputs, run.environ, run.surroundings.system)
        raise RehearsalEndedError
    client = run.client or open_client(
        run.inputs,
        run.environ,
        run.redactor,
        system=run.surroundings.system,
        deadline=run.deadline,
        notice=run.journal.notice,
        preconnection=run.preconnection,
    )
    connection = client.connection
    namespace = run.inputs.namespace or connection.namespace or "default"
    run.journal.connected(connection.server, connection.origin, namespace, connection.context)
    for warning in connection.warnings:
        run.journal.warning(warning)
    client = client.until(run.deadline)
    return Session(client, Discovery(client), namespace)


def _check_namespace(inputs: Inputs, *, many_namespaces: bool) -> None:
    if "," in (inputs.namespace or "") and not many_namespaces:
        where = inputs.sources.get("namespace", "--namespace")
        raise InputError("this command works in one namespace", where=where, hint="get, watch and check take several")


def _check_one(inputs: Inputs) -> None:
    for name, given in (("context", inputs.contexts), ("kubeconfig", inputs.kubeconfigs)):
        if len(given) > 1:
            where = inputs.sources.get(f"{name}s", f"--{name}")
            hint = "apply, diff, status, get and check take several"
            raise InputError("this command works on one cluster", where=where, hint=hint)
