"""``permissions``: the least Role and ClusterRole that ``apply`` or ``run`` needs, printed, or asked of the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from k8s_step.errors import ExitCode, ForbiddenError, InputError, ReportedError
from k8s_step.objects.metadata import MutableObject
from k8s_step.release.jobs import jobs_of
from k8s_step.release.permissions import Permission, bindings, needed, needed_to_run, not_granted, roles
from k8s_step.release.planning.plan import open_release
from k8s_step.release.planning.reading import read_manifests
from k8s_step.release.planning.session import Run
from k8s_step.release.pruning.gate import check_options
from k8s_step.report.layout.yamltext import dump_all


def permissions(run: Run) -> ExitCode:
    """Read the manifests, derive the permissions, and print them or have the server check them."""
    inputs = run.inputs
    account = _service_account(inputs.service_account)
    is_run = inputs.for_command == "run"
    check_options(inputs)
    if is_run and inputs.prune:
        raise InputError("run prunes nothing", where=inputs.sources.get("prune", "--prune"), hint="apply does")
    manifests = read_manifests(run, allow_generate_name=is_run, with_hooks=is_run)
    if is_run:
        manifests = jobs_of(manifests)
    session, plan = open_release(run, manifests)
    wanted = needed_to_run(plan) if is_run else needed(plan, rollback=inputs.rollback_on_failure, logs=inputs.logs)
    if inputs.prune:
        from k8s_step.release.pruning.grants import needed_to_prune

        wanted = list(dict.fromkeys([*wanted, *needed_to_prune(inputs, session, plan)]))
    if not inputs.check:
        made = roles(wanted, inputs.role_name)
        run.journal.document(_text([*made, *(bindings(made, *account) if account else [])], inputs.for_command))
        return ExitCode.SUCCEEDED
    missing = not_granted(session.client, wanted, inputs.concurrency)
    _tell(run, missing)
    run.journal.notice(f"this token has all {len(wanted)} permissions that are needed")
    return ExitCode.SUCCEEDED


def _service_account(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise InputError(f"{text!r} is no service account", where="--service-account", hint="NAMESPACE/NAME")
    return namespace, name


def _text(objects: Sequence[dict[str, Any]], command: str) -> str:
    return dump_all((_comment(obj, command), obj) for obj in objects).removesuffix("\n")


def _comment(obj: MutableObject, command: str) -> str:
    if obj["kind"].endswith("Binding"):
        return "given to the service account of the pipeline"
    where = obj["metadata"].get("namespace")
    scope = f"in namespace {where}" if where else "in all of the cluster"
    by_name = "; create by name is enough for server-side apply, and for that alone"
    return f"what k8s-step {command} needs {scope}{by_name if command == 'apply' else ''}"


def _tell(run: Run, missing: Sequence[Permission]) -> None:
    """Report each rule in a line. Raises :class:`ReportedError` where a permission is missing."""
    for role in roles(missing, run.inputs.role_name):
        namespace = role["metadata"].get("namespace")
        for rule in role["rules"]:
            message = f"this token may not {_in_words(rule)}"
            where = f"namespace {namespace}" if namespace else "cluster"
            run.journal.error(ForbiddenError(message, code=403, where=where))
    if missing:
        run.journal.notice("the same command without --check prints the Role that grants it")
        raise ReportedError(ExitCode.REFUSED)


def _in_words(rule: dict[str, Any]) -> str:
    """``create, patch deployments.apps web and api``."""
    verbs = ", ".join(rule["verbs"])
    if "nonResourceURLs" in rule:
        return f"{verbs} {rule['nonResourceURLs'][0]}"
    group, resource = rule["apiGroups"][0], rule["resources"][0]
    plural, slash, subresource = resource.partition("/")
    names = " and ".join(rule.get("resourceNames", []))
    return f"{verbs} {plural}{f'.{group}' if group else ''}{slash}{subresource}{f' {names}' if names else ''}"
