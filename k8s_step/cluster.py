"""The Python API: one cluster, with the operations that the verbs of the command line are made of.

>>> from k8s_step import Cluster
>>> with Cluster.from_environment(context="prod") as cluster:  # doctest: +SKIP
...     cluster.get("deployment", "web", namespace="shop")["status"]["readyReplicas"]
3

Objects are plain dicts, as the server sends them. Nothing here prints, exits, sets a signal handler or, except for
:meth:`Cluster.from_environment`, reads the environment. Notices and warnings go to the logger ``k8s_step``.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Unpack

from k8s_step.api.client import Client, ignore
from k8s_step.api.discovery import Discovery
from k8s_step.api.watch import Scope, Watch
from k8s_step.errors import (
    ApiError,
    ApiErrors,
    ExitCode,
    InputError,
    NotFoundError,
    StepError,
    StoppedError,
    TimedOutError,
)
from k8s_step.inputs import secrets
from k8s_step.keywords import (
    EnvironmentSettings,
    ReleaseOptions,
    Seconds,
    Settings,
    Several,
    check_single,
    connection_inputs,
    flags_of,
    follow_inputs,
    in_python,
    release_inputs,
    seconds,
)
from k8s_step.manifests.manifest import Manifest
from k8s_step.manifests.patchfile import Patch, check
from k8s_step.objects.address import Address
from k8s_step.objects.body import PatchType
from k8s_step.objects.metadata import MutableObject, Object
from k8s_step.objects.reference import Reference
from k8s_step.objects.selection import Group, selectors
from k8s_step.operations import patch as patches
from k8s_step.operations.apply import write
from k8s_step.operations.delete import Deleted, DeleteOptions, delete, delete_read
from k8s_step.operations.get import Form, Reader
from k8s_step.operations.look import look
from k8s_step.operations.plan import ApplyOptions, PlannedPatch, Written
from k8s_step.redaction import Redactor
from k8s_step.release.apply import apply as apply_all
from k8s_step.release.batch import exit_code_of
from k8s_step.release.following.follow import target_read, to_the_verdict
from k8s_step.release.planning.arguments import named, parse
from k8s_step.release.planning.login import open_client
from k8s_step.release.planning.plan import planned
from k8s_step.release.planning.session import Run, Session
from k8s_step.report.journal import Journal
from k8s_step.report.output import Output
from k8s_step.report.results.document import Failure, ObjectResult, Result
from k8s_step.report.results.result import to_json
from k8s_step.rollout.follower import Limits
from k8s_step.rollout.rollout import Rollout
from k8s_step.rollout.termination import Termination, held
from k8s_step.surroundings import Surroundings, System
from k8s_step.verdict.judgement import Judgement
from k8s_step.verdict.states import State
from k8s_step.verdict.target import Target
from k8s_step.verdict.terms.patience import USUAL
from k8s_step.watching.changes import Change, Changes
from k8s_step.watching.feeds import Feed, Feeds

_LOG = logging.getLogger("k8s_step")
_LOG.addHandler(logging.NullHandler())  # else Python itself would print warnings where nobody has set up logging
_WHOLE = Form(with_managers=True)
_WAKES = 3600.0  # seconds that a thread waits for a change at a time: Python knows no endless wait with an end


@dataclass(frozen=True)
class Applied:
    """What a write did, or in a dry run would have done: ``created``, ``configured`` or ``unchanged`` (``action``).

    ``object`` is as the server returned it, ``warnings`` are the server's. The object is left out of the ``repr``.
    """

    action: str
    object: MutableObject = field(repr=False)
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, written: Written) -> Applied:
        """As an operation returns it."""
        return cls(written.action, dict(written.object), written.warnings)


@dataclass(frozen=True)
class Progress:
    """A new state of an object that is followed, ``seconds`` after following began.

    ``object`` is ``apps/v1/Deployment/shop/web``; ``reason`` is Kubernetes' own word, empty where it has none.
    """

    object: str
    state: State
    reason: str
    message: str
    seconds: float


@dataclass(frozen=True)
class Verdict:
    """What came of the objects that were followed.

    ``state``: ``CURRENT`` where all are; ``FAILED`` where one has failed (``NOT_FOUND``: it is gone); ``IN_PROGRESS``
    where the time was up. ``objects``: each with its status; ``failures``: why it is so, with the evidence.
    """

    state: State
    objects: tuple[ObjectResult, ...]
    failures: tuple[Failure, ...] = ()

    @property
    def is_current(self) -> bool:
        """Whether all are current."""
        return self.state is State.CURRENT

    @classmethod
    def of(cls, code: ExitCode, result: Result) -> Verdict:
        """By the exit code that the command line would end with."""
        lost = {one.status for one in result.objects} & {State.FAILED, State.NOT_FOUND}
        state = State.NOT_FOUND if lost == {State.NOT_FOUND} else _STATES[code]
        return cls(state, result.objects, result.failures)


class Cluster:
    """One Kubernetes cluster, for any number of threads; a context manager that closes its connections.

    Each method asks the server itself, retries where that is safe, and raises the :class:`~k8s_step.StepError` family:

    - :class:`~k8s_step.ApiError` (``NotFoundError``, ``ConflictError``, ``ForbiddenError``, ``InvalidError``, …) where
      the server refuses, with its Status: ``status``, ``code``, ``reason``, ``details``, ``causes``;
    - :class:`~k8s_step.UnreachableError` where no answer came (``AnswerLostError``: the write may have been done;
      ``TimedOutError``: the time that was given is up);
    - :class:`~k8s_step.InputError` for an argument, a kubeconfig or an object that can't be right.

    A kind is spelt as kubectl takes it: ``pod``, ``pods``, ``po``, ``deployments.apps``, ``v1/pods``, any custom
    resource. ``namespace`` defaults to that of the connection, and is left out for cluster-wide kinds.

    >>> cluster = Cluster("https://10.0.0.1:6443", token="…", ca="ca.pem")  # doctest: +SKIP
    """

    def __init__(self, server: str, **settings: Unpack[Settings]) -> None:
        """The cluster at ``server``, an ``https://`` URL (``http://`` for ``kubectl proxy``).

        Sends nothing yet. Raises :class:`InputError` for settings that can't be right or contradict each other.
        """
        self._open({"server": server, **settings}, {})

    @classmethod
    def from_kubeconfig(cls, path: str | Path, *, context: str | None = None, **settings: Unpack[Settings]) -> Cluster:
        """The cluster of a kubeconfig's context, else of its ``current-context``.

        ``path`` is a file, several joined by ``:`` and merged as kubectl does, or the kubeconfig's text. A credential
        plugin that it names runs as a child of this process, with the process's environment.
        """
        made = cls.__new__(cls)
        made._open({"kubeconfig": path, "context": context, **settings}, {})
        return made

    @classmethod
    def from_environment(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        context: str | None = None,
        **settings: Unpack[EnvironmentSettings],
    ) -> Cluster:
        """The cluster that the command line would find: ``settings``, then ``INPUT_*`` and ``K8S_*`` variables, then
        ``KUBECONFIG``, then the mounted service account, then ``~/.kube/config``.

        ``environ`` is read in place of ``os.environ``, also for proxies and by credential plugins. Where the settings
        or variables name a cloud's cluster, that cloud is asked where it is.
        """
        made = cls.__new__(cls)
        made._open({"context": context, **settings}, os.environ if environ is None else environ)
        return made

    def _open(self, settings: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self._redactor = Redactor()
        with self._in_python():
            self._redactor.add(*secrets(flags_of(settings), environ))
            self._inputs = connection_inputs(settings, environ)
            system = Surroundings.of(environ).system if environ else System.OTHER
            self._client = open_client(self._inputs, environ, self._redactor, system=system, notice=_LOG.info)
            self._discovery = Discovery(self._client)
        for warning in self._client.connection.warnings:
            _LOG.warning(warning)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connections, from any thread: what is under way there raises :class:`StoppedError`."""
        self._client.close()

    def __repr__(self) -> str:
        return f"Cluster({self.server!r}, namespace={self.namespace!r})"

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self._client.connection.server

    @property
    def context(self) -> str | None:
        """The kubeconfig's context; ``None`` without a kubeconfig."""
        return self._client.connection.context

    @property
    def namespace(self) -> str:
        """The namespace where objects are that name none."""
        return self._client.connection.namespace or "default"

    # -- reading

    def get(self, kind: str, name: str, *, namespace: str | None = None) -> MutableObject:
        """The object as the server has it. Raises :class:`NotFoundError` where it is not there.

        >>> cluster.get("configmap", "web", namespace="shop")["data"]  # doctest: +SKIP
        {'key': 'value'}
        """
        with self._in_python():
            wanted = self._address(kind, name, namespace)
            (page,) = Reader(self._client, _WHOLE, 1, ignore).pages(wanted)
            return dict(page.items[0])

    def list(
        self,
        kind: str,
        *,
        namespace: str | None = None,
        all_namespaces: bool = False,
        selector: str = "",
        fields: str = "",
        limit: int = 500,
    ) -> Iterator[MutableObject]:
        """The objects of a kind, each once, ``limit`` to a request, as they arrive.

        ``selector`` chooses by labels (``app=web,tier in (front, back)``), ``fields`` by fields
        (``status.phase=Failed``). Where the list grows too old for the server on the way (410), the rest is read as it
        is by then; what has been yielded may be gone. Errors of the server come while it is iterated over.

        >>> [pod["metadata"]["name"] for pod in cluster.list("pods", selector="app=web")]  # doctest: +SKIP
        ['web-7c6b9d598d-wpgts']
        """
        with self._in_python():
            group = self._group(kind, None if all_namespaces else self._one(namespace), selector, fields)
        return self._listed(group, limit)

    def _listed(self, group: Group, limit: int) -> Iterator[MutableObject]:
        with self._in_python():
            for page in Reader(self._client, _WHOLE, limit, _LOG.info).final(group):
                yield from map(dict, page.items)

    def watch(
        self,
        kind: str,
        name: str = "",
        *,
        namespace: str | None = None,
        all_namespaces: bool = False,
        selector: str = "",
        fields: str = "",
        only_new: bool = False,
        timeout: Seconds | None = None,
    ) -> Iterator[Change]:
        """Each change of the objects of a kind, or of one of them, once: its ``type`` is ADDED, MODIFIED or DELETED.

        Those that are there come first, as ADDED with ``is_initial``, unless ``only_new``; all of them, however short
        ``timeout`` is. It goes on until then, or until the caller leaves the loop: after a cut, a restart of the server
        or an expired version (410) it is resumed, by a list if need be, whose differences are told as changes. A
        deletion that only such a list shows has an ``object`` without spec and status. A token that may list but not
        watch makes it a list every two seconds. Raises the :class:`ApiError` family, and :class:`UnreachableError`
        where the first list fails.

        >>> for change in cluster.watch("pods", selector="app=web", timeout="10m"):  # doctest: +SKIP
        ...     print(change.type, change.object["metadata"]["name"])
        ADDED web-7c6b9d598d-wpgts
        """
        with self._in_python():
            group = self._group(kind, None if all_namespaces else self._one(namespace), selector, fields)
            if name:
                self._address(kind, name, namespace)
            lasts = math.inf if timeout is None else seconds(timeout, "timeout=")
        scope = Scope(group.resource, group.namespace or None, name or None, group.label_selector, group.field_selector)
        return self._changes(scope, lasts, only_new)

    def _changes(self, scope: Scope, lasts: float, only_new: bool) -> Iterator[Change]:
        watch = Watch(self._client, scope, None, _LOG.info, in_pages=True, first=self._client)
        feeds, ends = Feeds([Feed(watch, Changes(scope.resource))]), time.monotonic() + lasts
        feeds.start()
        try:
            with self._in_python():
                while not feeds.are_settled or time.monotonic() < ends:
                    news = feeds.next(min(ends - time.monotonic(), _WAKES) if feeds.are_settled else _WAKES)
                    if news is not None and news.error is not None:
                        raise news.error
                    if news is not None and news.change is not None:
                        feeds.told()
                        if not (only_new and news.change.is_initial):
                            yield news.change
        finally:
            feeds.stop()

    # -- writing

    def apply(
        self, obj: Object, *, namespace: str | None = None, force: bool = False, dry_run: bool = False
    ) -> Applied:
        """Server-side apply: create the object, or set the fields that it names and drop those that it no longer names.

        ``force`` takes over fields that others own, which else is a :class:`ConflictError` whose ``causes`` name field
        and manager. What ``kubectl apply`` had set is taken over without it. What would not change is not sent.

        >>> cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}})  # doctest: +SKIP
        Applied(action='created', warnings=())
        """
        with self._in_python():
            session = Session(self._client, self._discovery, self._one(namespace))
            (one,) = planned([Manifest.of(obj)], session, self._inputs._replace(namespace=namespace))
            options = ApplyOptions(self._inputs.field_manager, force, dry_run, from_kubectl=True)
            return Applied.of(write(self._client, look(self._client, one, options), options))

    def patch(
        self,
        kind: str,
        name: str,
        body: Any,
        *,
        type: PatchType = PatchType.STRATEGIC,
        namespace: str | None = None,
        subresource: str = "",
        force: bool = False,
        dry_run: bool = False,
    ) -> Applied:
        """One patch: ``body`` is a dict, or a list of operations for ``PatchType.JSON``.

        Custom resources take no strategic patch (:class:`UnsupportedMediaTypeError`). A patch whose answer is lost is
        not sent twice unless that does no harm. ``subresource``: ``status`` or ``scale``. ``force``: as for
        :meth:`apply`, for ``PatchType.APPLY``.

        >>> cluster.patch("deployment", "web", {"spec": {"replicas": 3}}).action  # doctest: +SKIP
        'configured'
        """
        with self._in_python():
            patch = Patch(type, body)
            check(patch)
            address = self._address(kind, name, namespace)
            change = PlannedPatch.of(address._replace(subresource=subresource), patch)
            options = ApplyOptions(self._inputs.field_manager, force, dry_run)
            return Applied.of(patches.patch(self._client, change, options))

    def delete(
        self,
        kind: str,
        name: str,
        *,
        namespace: str | None = None,
        wait: bool = True,
        timeout: Seconds = 600.0,
        cascade: Literal["background", "foreground", "orphan"] = "background",
        grace_period: int | None = None,
        ignore_not_found: bool = False,
        uid: str = "",
        dry_run: bool = False,
    ) -> None:
        """Delete the object, and ``wait`` until it is gone; never another one that has taken its name.

        ``grace_period`` in seconds; ``None``: the object's own. ``uid``: only the object of this ``metadata.uid``,
        which counts as deleted where it is not there any more. Raises :class:`NotFoundError` where it is not there,
        unless ``ignore_not_found``, and :class:`TimedOutError`, with the finalizers that hold it, where it is still
        there after ``timeout``.
        """
        limit = seconds(timeout, "timeout=")
        with self._in_python():
            address = self._address(kind, name, namespace)
            client = self._client.until(time.monotonic() + limit)
            try:
                done = _deleted(client, address, DeleteOptions(cascade, grace_period, dry_run), uid)
            except NotFoundError:
                if ignore_not_found:
                    return
                raise
            if wait and not (done.is_gone or dry_run):
                self._await_gone(done.target, client.time_left)

    def _await_gone(self, target: Target, seconds: float) -> None:
        left = Termination(self._client, [target], self._journal("delete"), Limits(seconds)).follow()
        for one in left:
            raise TimedOutError(f"it is deleted, but not gone: {held(one.object)}", where=str(one.reference))

    # -- many at once

    def follow(
        self,
        *objects: str,
        namespace: str | None = None,
        timeout: Seconds = 600.0,
        fail_fast: bool = True,
        fail_after: Mapping[str, Seconds] | None = None,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> Verdict:
        """Follow objects (``"deployment/web"``) until all are current, one has failed, or ``timeout`` is over.

        What counts as current and as failed is told in docs/verdict.md. ``fail_fast=False`` waits for the server's own
        verdict. ``fail_after``: how long a problem may last, ``{"ErrImagePull": "2m", "CrashLoopBackOff": 5}``.
        ``on_progress`` is called in this thread whenever the state or the message of an object changes.

        An object that fails is no exception, but a :class:`Verdict` with the evidence. Raises :class:`NotFoundError`
        for one that is not there from the first.

        >>> verdict = cluster.follow("deployment/web", timeout="5m")  # doctest: +SKIP
        >>> [(failure.reason, failure.container) for failure in verdict.failures]  # doctest: +SKIP
        [('ErrImagePull', 'app')]
        """
        with self._in_python():
            inputs = follow_inputs(timeout=timeout, fail_fast=fail_fast, fail_after=fail_after)
            found = parse(objects, self._discovery, self._one(namespace))
            targets = [target_read(self._client, one) for one in found]
            journal = self._journal("status", on_progress)
            journal.loaded([one.reference for one in found])
            limits = Limits(inputs.timeout, inputs.fail_fast, patience=inputs.fail_after or USUAL)
            manager = self._inputs.field_manager
            rollout = Rollout(self._client, targets, journal, limits, field_manager=manager)
            code = to_the_verdict(rollout, self._client, targets, journal)
            return Verdict.of(code, Result.of(to_json(journal.result(code))))

    def release(
        self,
        paths: Several,
        *,
        environ: Mapping[str, str] | None = None,
        on_progress: Callable[[Progress], object] | None = None,
        **options: Unpack[ReleaseOptions],
    ) -> Result:
        """What ``k8s-step apply -f PATH…`` does, with the result file as data in place of an exit code.

        ``paths``: files, folders and globs. ``environ``: where ``${NAME}`` in manifests is looked up besides
        ``variables``, and where kustomize is found (``PATH``); by default nowhere. ``on_progress``: as for
        :meth:`follow`. The texts of errors are those of the command line.

        A release that fails, is refused or never begins for a mistake in a manifest is no exception: its ``result``
        says so, ``errors`` and ``failures`` say why. Raises :class:`InputError` for an option that can't be right.

        >>> result = cluster.release("k8s/", variables={"TAG": "1.5.0"}, timeout="10m")  # doctest: +SKIP
        >>> result.succeeded, [one.action for one in result.objects]  # doctest: +SKIP
        (True, ['unchanged', 'configured'])
        """
        with self._in_python():
            inputs = release_inputs(self._inputs, paths, options)
            redactor = self._redactor.for_one_run()
            journal = Journal("apply", [_Told(on_progress)], redactor, is_dry_run=inputs.dry_run)
            run = Run(inputs, environ or {}, journal, redactor, client=self._client)
            code = exit_code_of(partial(apply_all, run), journal)
            return Result.of(to_json(journal.finish(code)))

    # -- all of them

    def _journal(self, command: str, on_progress: Callable[[Progress], object] | None = None) -> Journal:
        return Journal(command, [_Told(on_progress)], self._redactor.for_one_run())

    def _address(self, kind: str, name: str, namespace: str | None) -> Address:
        return named(kind, name, self._discovery, self._one(namespace))

    def _one(self, namespace: str | None) -> str:
        """The namespace that a call is about. Raises :class:`InputError` for several."""
        check_single((namespace or "").split(","), "namespace=", "a call")
        return namespace or self.namespace

    def _group(self, kind: str, namespace: str | None, selector: str, fields: str) -> Group:
        """The objects of a kind in a namespace, ``None`` for all, that the selectors choose."""
        resource = self._discovery.find(kind)
        chosen = selectors(selector, fields, ("selector=", "fields="))
        return Group(resource, (namespace or "") if resource.namespaced else "", *chosen)

    @contextmanager
    def _in_python(self) -> Iterator[None]:
        """Errors in Python's words, without a secret, and several refusals of one object as one."""
        try:
            yield
        except ApiErrors as several:
            raise self._worded(_joined(several)) from None
        except StepError as error:
            self._worded(error)
            raise

    def _worded(self, error: StepError) -> StepError:
        message = in_python(error.message) if isinstance(error, InputError) else error.message
        message = "the Cluster is closed" if isinstance(error, StoppedError) else message
        error.message = self._redactor.mask(message)
        error.hint = self._redactor.mask(in_python(error.hint)) if error.hint else None
        error.where = self._redactor.mask_place(in_python(error.where)) if error.where else None
        error.args = (error.message,)
        return error


def _deleted(client: Client, address: Address, options: DeleteOptions, uid: str) -> Deleted:
    if not uid:
        return delete(client, address, options)
    known = {"metadata": {"name": address.reference.name, "uid": uid}}
    return delete_read(client, Target(address.reference, address.resource, known), options)


def _joined(several: ApiErrors) -> ApiError:
    first = several.errors[0]
    message = "; ".join(error.message for error in several.errors)
    return type(first)(message, code=first.code, status=first.status, where=first.where, hint=first.hint)


class _Told(Output):
    """Passes states on to a callback, and lines to the logger."""

    def __init__(self, on_progress: Callable[[Progress], object] | None) -> None:
        self._on_progress = on_progress

    def progress(self, reference: Reference, judgement: Judgement, seconds: float) -> None:
        """To the callback, if there is one."""
        if self._on_progress is not None:
            told = Progress(reference.path, judgement.state, judgement.reason, judgement.message, seconds)
            self._on_progress(told)

    def notice(self, message: str) -> None:
        """To the logger."""
        _LOG.info(message)

    def warning(self, message: str, where: str) -> None:
        """To the logger, with its place."""
        _LOG.warning(f"{where}: {message}" if where else message)


_STATES = {ExitCode.SUCCEEDED: State.CURRENT, ExitCode.FAILED: State.FAILED, ExitCode.TIMED_OUT: State.IN_PROGRESS}


def release(
    paths: Several,
    cluster: Cluster,
    *,
    environ: Mapping[str, str] | None = None,
    on_progress: Callable[[Progress], object] | None = None,
    **options: Unpack[ReleaseOptions],
) -> Result:
    """What ``k8s-step apply -f PATH…`` does, and its result file as data: :meth:`Cluster.release`."""
    return cluster.release(paths, environ=environ, on_progress=on_progress, **options)
