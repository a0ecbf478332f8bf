"""The command line: flags and environment in, exit code out; the one place where errors become exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TextIO

import click

from k8s_step import __version__
from k8s_step.cancellation import CANCELLATION, ignore_signals, signals_ignored
from k8s_step.commands import COMMANDS, Command
from k8s_step.errors import BugError, CancelledError, ExitCode, InputError, ReportedError, StepError, single
from k8s_step.inputs import Inputs, idle, resolve, secrets
from k8s_step.options import REPORTS, RESULT_FILES, Option
from k8s_step.redaction import Redactor
from k8s_step.streams import share_stdin
from k8s_step.surroundings import Surroundings, System

if TYPE_CHECKING:
    from k8s_step.fleet.member import Member
    from k8s_step.release.planning.session import Run
    from k8s_step.report.fleet.result import ClustersResult
    from k8s_step.report.formats.resultfiles import ResultFiles
    from k8s_step.report.journal import Journal
    from k8s_step.report.results.result import Result
    from k8s_step.report.sink import MaskedStream


_DEFAULT = "apply"


class _Process(NamedTuple):
    """This process: its environment, the secrets to mask in its output, and the CI system it runs in."""

    environ: Mapping[str, str]
    redactor: Redactor
    surroundings: Surroundings


def main() -> None:
    """Run the command line and exit; ``__main__`` has already set up signals and streams."""
    code = run(sys.argv[1:], os.environ)
    ignore_signals()
    _leave(code)


def _leave(code: int) -> NoReturn:
    """Exit without the interpreter's slow teardown; all files are closed by now."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # the reader of the pipe has left
            stream.flush()
    os._exit(code)


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command in this process and return its exit code."""
    process = _Process(environ, Redactor(), Surroundings.of(environ))
    try:
        arguments = _with_command(list(argv), environ)
        code = _group(process).main(arguments, prog_name="k8s-step", standalone_mode=False)
        return int(code or 0)
    except click.UsageError as error:
        return _refuse(_misused(error, argv), process)
    except click.exceptions.Exit as done:
        return done.exit_code
    except StepError as error:
        return _refuse(error, process)
    except CancelledError as cancelled:
        return cancelled.exit_code
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except SystemExit:  # click exits this way when the reader of its help has closed the pipe, which is no failure
        return ExitCode.SUCCEEDED
    except OSError as error:  # from click's own output, such as --help; the verbs handle their own
        lost = error.strerror or "the stream is closed"
        return _refuse(StepError(f"stdout can't be written: {lost}"), process)
    except Exception:
        return _refuse(BugError(_bug()), process)


def _with_command(argv: list[str], environ: Mapping[str, str]) -> list[str]:
    """``argv``, with a command from the environment (else apply) where a container starts with options alone."""
    if argv and (not argv[0].startswith("-") or argv[0] in ("--help", "-h", "--version")):
        return argv
    named = next((environ[name] for name in ("INPUT_COMMAND", "K8S_COMMAND") if environ.get(name, "").strip()), "")
    return [*(named.split() or [_DEFAULT]), *argv]


# -- click, from the tables in ``commands`` and ``options``


class _Verbs(click.Group):
    """The group of all verbs; a verb's own options are built when they are needed."""

    process: _Process

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*(command.name for command in COMMANDS), "demo"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "demo":
            return click.Command("demo", help="The main job with no cluster at hand.", callback=_demo)
        found = next((command for command in COMMANDS if command.name == cmd_name), None)
        return _click_command(found, self.process) if found else None


def _group(process: _Process) -> click.Group:
    group = _Verbs(
        "k8s-step",
        help="Ship a release to Kubernetes and exit with the truth about it.",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )
    group.process = process
    group.params.append(_version_option())
    return group


def _version_option() -> click.Option:
    def show(context: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            click.echo(f"k8s-step {__version__}")
            context.exit()

    return click.Option(["--version"], is_flag=True, expose_value=False, is_eager=True, callback=show, help="Show it.")


def _click_command(command: Command, process: _Process) -> click.Command:
    def call(**flags: Any) -> int:
        return _execute(command, flags, process)

    params: list[click.Parameter] = [_click_option(option) for option in command.options]
    if command.argument is not None:
        argument = command.argument
        params.insert(0, click.Argument([argument.field], nargs=-1, metavar=argument.metavar))
    return click.Command(command.name, callback=call, params=params, help=command.help)


def _click_option(option: Option) -> click.Option:
    declarations = [option.field, f"--{option.name}/--no-{option.name}" if option.negatable else f"--{option.name}"]
    if option.short:
        declarations.insert(1, f"-{option.short}")
    if option.kind == "switch":
        return click.Option(declarations, is_flag=True, default=None, help=_help(option))
    metavar = option.metavar or ("|".join(option.choices) if option.choices else "N")
    return click.Option(declarations, multiple=option.is_list, metavar=metavar, help=_help(option))


def _help(option: Option) -> str:
    """The option's help text, the environment variables that set it, and its default."""
    variables = ", ".join(option.all_variables[1:])
    default = default_text(option)
    return f"{option.help}  [{variables}{f'; default {default}' if default else ''}]"


def default_text(option: Option) -> str:
    """The default as a user would write it; empty for unset, empty or off."""
    if option.default is None or option.default == () or option.default is False:
        return ""
    if option.kind == "duration":
        seconds = int(option.default)
        return f"{seconds // 60}m" if seconds % 60 == 0 else f"{seconds}s"
    return "on" if option.default is True else str(option.default)


def _demo() -> int:
    demo = import_module("k8s_step.steps.demo").demo
    return int(demo(lambda argv: run(argv, _without_inputs(os.environ)), lambda text: print(text, flush=True)))


def _without_inputs(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` without the step's own inputs: the demo uses its own server, not the shell's cluster."""
    kept = ("K8S_", "INPUT_", "KUBE", "GITHUB_", "GITLAB_")
    return {name: value for name, value in environ.items() if not name.startswith(kept)}


# -- one run


def _execute(command: Command, flags: Mapping[str, Any], process: _Process) -> int:
    process.redactor.add(*secrets(flags, process.environ))
    try:
        inputs = resolve(command.all_options, flags, process.environ)
        files = _result_files(inputs, process)
        files.check()
        if command.merges:
            return _merge(command, inputs, files, process)
        clusters = _clusters(command, inputs, process)
        if clusters is not None:
            return _execute_on(clusters, command, inputs, files, process)
        files.begin(_unfinished(command, inputs))
    except InputError as error:
        return _refuse(error, process, command.name, flags)
    stdout = _masked(sys.stdout, process.redactor)
    journal = _journal(command.name, inputs, process, stdout)
    try:
        journal.begin()
        for message in _idle_inputs(command, process.environ):
            journal.remark(message, warn=True)
        code = _verdict(_begun(command), _run(inputs, journal, process))
        code = _after_writing(command, code, journal, stdout)
    except CancelledError as error:  # cancelled while another error was being reported
        code = error.exit_code
    with signals_ignored():
        is_cancelled = code in (ExitCode.INTERRUPTED, ExitCode.CANCELLED)
        _hand_out(journal.finish(code), files, inputs, process, is_cancelled=is_cancelled)
    return code


def _clusters(command: Command, inputs: Inputs, process: _Process) -> list[Member] | None:
    """The clusters of a run on several; ``None`` for a run on one, which need not import what several need."""
    if command.has_source:
        from k8s_step.fleet.selection import targets_of

        return targets_of(inputs, process.environ)
    is_one = len(inputs.contexts) <= 1 and len(inputs.kubeconfigs) <= 1
    if not command.many or (is_one and not (inputs.clusters_file or inputs.waves or inputs.shard)):
        return None
    from k8s_step.fleet.selection import clusters_of

    return clusters_of(inputs, process.environ)


def _execute_on(clusters: list[Member], command: Command, inputs: Inputs, files: ResultFiles, process: _Process) -> int:
    """The same as :func:`_execute` on several clusters. Raises :class:`InputError` before the run has begun."""
    from k8s_step.fleet.execution import Execution
    from k8s_step.fleet.selection import source_of
    from k8s_step.fleet.shards import Shard
    from k8s_step.fleet.waves import in_waves
    from k8s_step.report.formats.choice import shared_log

    shard = Shard.parse(inputs.shard or "1/1", inputs.sources.get("shard", "--shard"))
    waves = shard.of(in_waves(clusters, inputs.waves, inputs.sources.get("waves", "--waves")))
    share_stdin()
    for one in clusters:  # also those of other shards
        process.redactor.add(one.inputs.token, one.inputs.id_token)
    stdout = _masked(sys.stdout, process.redactor)
    execution = Execution(
        command.name,
        _verb(command),
        _verdict,
        inputs,
        process.environ,
        process.redactor,
        process.surroundings,
        shared_log(inputs.log_format, process.surroundings, process.redactor, inputs.report, stdout),
        waves,
        remarks=[shard.told(len(clusters))] if inputs.shard else [],
        shard=str(shard) if inputs.shard else "",
        may_stop=any(option.name == "max-failures" for option in command.options),
        source=source_of(inputs) if command.has_source and any(waves) else None,
    )
    files.begin(execution.unfinished)
    result = execution.run(_idle_inputs(command, process.environ))
    with signals_ignored():
        result = execution.finish(result, lambda: stdout.lost if command.prints else "")
        _hand_out(result, files, inputs, process, is_cancelled=result.cancelled is not None)
    return result.exit_code


def _merge(command: Command, inputs: Inputs, files: ResultFiles, process: _Process) -> int:
    """The same as :func:`_execute` for a verb that merges results. Raises :class:`InputError`."""
    from k8s_step.report.formats.choice import shared_log

    CANCELLATION.started()
    stdout = _masked(sys.stdout, process.redactor)
    log = shared_log(inputs.log_format, process.surroundings, process.redactor, inputs.report, stdout)
    files.begin(_unfinished(command, inputs))
    result: ClustersResult = _function(command)(inputs)
    for message in _idle_inputs(command, process.environ):
        log.warning(message)
    for problem in result.problems:
        log.error(StepError(problem.message, where=problem.where or None, hint=problem.hint or None))
    with signals_ignored():
        log.finished(result)
        _hand_out(result, files, inputs, process, is_cancelled=False)
    return result.exit_code


def _run(inputs: Inputs, journal: Journal, process: _Process) -> Run:
    from k8s_step.release.planning.session import Run

    return Run(inputs, process.environ, journal, process.redactor, process.surroundings)


def _idle_inputs(command: Command, environ: Mapping[str, str]) -> list[str]:
    """A line for each of the action's inputs that this command ignores."""
    everything = [option for each in COMMANDS for option in each.all_options]
    lines = []
    for name in idle(command.all_options, everything, environ):
        takers = [each.name for each in COMMANDS if any(option.name == name for option in each.all_options)]
        lines.append(f"{command.name} ignores the input {name}, which is for {', '.join(takers)}")
    return lines


def _verb(command: Command) -> Callable[[Run], ExitCode]:
    verb: Callable[[Run], ExitCode] = _function(command)
    return verb


def _function(command: Command) -> Callable[..., Any]:
    module, _, name = command.function.partition(":")
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function


def _begun(command: Command) -> Callable[[Run], ExitCode]:
    """The verb, once cancellations are let through, with connections that are opened while its modules are imported."""

    def begun(run: Run) -> ExitCode:
        CANCELLATION.started()
        if not command.sends:
            return _verb(command)(run)
        from k8s_step.release.planning.preconnection import Preconnection

        preconnection = Preconnection(run.inputs, run.environ, run.surroundings.system)
        try:
            return _verb(command)(replace(run, preconnection=preconnection))
        finally:
            preconnection.close()

    return begun


def _verdict(verb: Callable[[Run], ExitCode], run: Run) -> ExitCode:
    """Run the verb and return its exit code; an error is reported and its exit code returned."""
    journal = run.journal
    try:
        return verb(run)
    except ReportedError as error:
        return error.exit_code
    except StepError as error:
        journal.error(error)
        return error.exit_code
    except CancelledError as cancelled:
        ignore_signals()  # once the cancellation is told, the result file is sure to follow
        journal.error(StepError(cancelled.message))
        return cancelled.exit_code
    except Exception:
        journal.error(BugError(_bug()))
        return ExitCode.BUG


def _after_writing(command: Command, code: ExitCode, journal: Journal, stdout: MaskedStream) -> ExitCode:
    """``code``, or a failure where a command that prints its result could not write stdout (a full disk)."""
    if not stdout.lost:
        return code
    lost = f"not all of it could be written to stdout: {stdout.lost}"
    if not command.prints:
        journal.warning(lost)
        return code
    journal.error(StepError(lost))
    return ExitCode.FAILED if code is ExitCode.SUCCEEDED else code


def _journal(name: str, inputs: Inputs, process: _Process, stdout: MaskedStream) -> Journal:
    from k8s_step.report.formats.choice import outputs
    from k8s_step.report.journal import Journal

    told = outputs(inputs.log_format, process.surroundings, process.redactor, inputs.report, stdout)
    return Journal(
        name,
        told,
        process.redactor,
        is_dry_run=inputs.dry_run,
        surroundings=process.surroundings,
        is_read=lambda: stdout.is_read,
    )


def _unfinished(command: Command, inputs: Inputs) -> Result:
    from k8s_step.report.results.result import unfinished

    return unfinished(command.name, is_dry_run=inputs.dry_run)


def _result_files(inputs: Inputs, process: _Process) -> ResultFiles:
    """The result files asked for; what ``merge-reports`` reads is none of them."""
    from k8s_step.report.formats.resultfiles import ResultFiles

    read: frozenset[str] = frozenset()
    if inputs.reports:
        from k8s_step.report.fleet.merge import found

        read = frozenset(one.real_path for one in found(inputs.reports))
    given = {option.name: getattr(inputs, option.field) for option in RESULT_FILES}
    paths = {name: path for name, path in given.items() if path}
    return ResultFiles(paths, process.surroundings, process.redactor, read)


def _hand_out(
    result: Result | ClustersResult, files: ResultFiles, inputs: Inputs, process: _Process, *, is_cancelled: bool
) -> None:
    """Write the result files and, of a run that was not cancelled, the comment."""
    _write_files(result, files, process)
    if inputs.comment and not is_cancelled:
        _comment(result, files, inputs, process)
    CANCELLATION.starting()  # the verdict is final: a later signal must not replace it


def _write_files(result: Result | ClustersResult, files: ResultFiles, process: _Process) -> None:
    files.write(result, lambda text: _complain(text, process))


def _comment(result: Result | ClustersResult, files: ResultFiles, inputs: Inputs, process: _Process) -> None:
    """Write the review's comment; a comment that can't be written changes no exit code."""
    from k8s_step.report import comments

    try:
        thread = comments.thread(process.surroundings.system, process.environ, inputs.comment_token)
        text = process.redactor.mask_line(files.markdown(result))
        comments.publish(thread, _mark(result, inputs, process), text, process.environ)
    except StepError as error:
        where = "the step's summary" if process.surroundings.summary_file else "the log"
        _complain(f"warning: {error}; the review is in {where}", process)


def _mark(result: Result | ClustersResult, inputs: Inputs, process: _Process) -> str:
    """The comment's mark: that of a run which ended before it knew its server is that of the others with its inputs."""
    from k8s_step.release.planning.login import place
    from k8s_step.report import comments
    from k8s_step.report.fleet.result import ClustersResult

    if isinstance(result, ClustersResult):
        return comments.mark_of(result.command, result.server, result.namespace)
    return comments.mark_of(result.command, *place(inputs, process.environ, process.surroundings.system))


# -- errors


def _refuse(
    error: StepError,
    process: _Process,
    command: str = "",
    flags: Mapping[str, Any] | None = None,
) -> ExitCode:
    """Report an error from before the run, also in those result files that are known by then and can be written."""
    from k8s_step.report.formats.choice import refuse
    from k8s_step.report.results.problem import Problem
    from k8s_step.report.results.result import never_begun

    files = _result_files(resolve((*RESULT_FILES, REPORTS), flags or {}, process.environ), process).writable()
    problems = tuple(map(Problem.of, single(error)))
    result = never_begun(command, error.exit_code, process.redactor.mask_all(problems))
    refuse(result, process.surroundings, process.redactor, files.paths.get("report"))
    _write_files(result, files, process)
    return error.exit_code


def _complain(text: str, process: _Process) -> None:
    from k8s_step.report.layout.text import without_commands

    told = process.redactor.mask(text)
    is_obeyed = process.surroundings.system is System.GITHUB  # its runner looks for commands in all that it reads
    _masked(sys.stderr, process.redactor).line(without_commands(told) if is_obeyed else told)


def _masked(stream: TextIO, redactor: Redactor) -> MaskedStream:
    from k8s_step.report.sink import MaskedStream

    return MaskedStream(stream, redactor)


def _misused(error: click.UsageError, argv: Sequence[str]) -> InputError:
    """The error for a wrong command line, with a hint where it uses kubectl's words."""
    from k8s_step.vocabulary import advice

    command = error.ctx.command if error.ctx else None
    flags = [flag for param in (command.params if command else ()) for flag in (*param.opts, *param.secondary_opts)]
    known = [flag for flag in flags if flag.startswith("-")]
    names = command.list_commands(error.ctx) if error.ctx and isinstance(command, click.Group) else ()
    if not error.ctx:  # click's parser does not say which command the option was given to
        known = [f"--no-{option.name}" for each in COMMANDS for option in each.all_options if option.negatable]
    path = error.ctx.command_path if error.ctx else "k8s-step"
    message, move = advice(error.message, argv, names, known)
    return InputError(message, hint="; ".join(part for part in (move, f"see {path} --help") if part))


def _bug() -> str:
    return f"this is a bug of k8s-step {__version__}, please report it:\n{traceback.format_exc()}"
