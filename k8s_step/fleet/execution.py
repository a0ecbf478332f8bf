"""One run on several clusters, from the command line's values to the merged result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from k8s_step.cancellation import CANCELLATION
from k8s_step.errors import CancelledError, ExitCode, InputError, StepError, single
from k8s_step.fleet.fleet import Fleet
from k8s_step.fleet.member import Member
from k8s_step.fleet.rehearsal import Verb, rehearse
from k8s_step.fleet.waves import Wave
from k8s_step.inputs import Inputs
from k8s_step.redaction import Redactor
from k8s_step.release.planning.session import Run, open_session
from k8s_step.report.fleet.result import ClusterResult, ClustersResult, unfinished_clusters
from k8s_step.report.formats.shared import SharedLog
from k8s_step.report.journal import Journal
from k8s_step.report.results.problem import Problem
from k8s_step.surroundings import Surroundings


def _connect(run: Run) -> ExitCode:
    """The verb that does nothing but find the cluster."""
    open_session(run)
    return ExitCode.SUCCEEDED


@dataclass(frozen=True)
class Execution:
    """``work`` runs a verb and turns its errors into exit codes. ``may_stop``: none is begun after too many failures.

    ``remarks``: what is to be said of the choice of clusters, of which there may be none. ``shard``: ``3/10``, say.
    ``source``: the cluster on which ``verb`` runs once, to return the verb for the clusters of the waves.
    """

    command: str
    verb: Callable[[Run], Any]
    work: Callable[[Verb, Run], ExitCode]
    inputs: Inputs
    environ: Mapping[str, str]
    redactor: Redactor
    surroundings: Surroundings
    log: SharedLog
    waves: Sequence[Wave]
    remarks: Sequence[str] = ()
    shard: str = ""
    may_stop: bool = False
    source: Member | None = None

    @property
    def unfinished(self) -> ClustersResult:
        """The result that remains if the run is killed."""
        begun = unfinished_clusters(self.command, self._not_begun(), is_dry_run=self.inputs.dry_run)
        return replace(begun, shard=self.shard)

    def run(self, warnings: Sequence[str] = ()) -> ClustersResult:
        """Run the verb on each cluster; ``warnings`` are about the inputs."""
        return replace(self._outcome(warnings), shard=self.shard)

    def _outcome(self, warnings: Sequence[str]) -> ClustersResult:
        self._spare_names()
        self.log.begun(self.unfinished, [[one.name for one in wave] for wave in self.waves])
        for message in self.remarks:
            self.log.notice(message)
        for message in warnings:
            self.log.warning(message)
        try:
            CANCELLATION.started()
            self._rehearse()
        except InputError as error:
            return self._refused(error)
        except CancelledError as error:
            self.log.error(StepError(error.message))
            return replace(self.unfinished, cancelled=error.exit_code, is_finished=True)
        verb: Verb | ClustersResult = self.verb if self.source is None else self._of_source(self.source)
        if isinstance(verb, ClustersResult):
            return verb
        return self._fleet(verb).run(self.waves)

    def _rehearse(self) -> None:
        clusters = [one for wave in self.waves for one in wave]

        def silent(one: Member) -> Run:
            return self._run_of(one, Journal(self.command, (), self.redactor))

        if self.source is not None:
            rehearse(self.verb, [self.source], silent)
        rehearse(self.verb if self.source is None else _connect, clusters, silent)

    def _of_source(self, source: Member) -> Verb | ClustersResult:
        """The verb that the source's run returns; where that fails, the result of the whole run."""
        found: list[Verb] = []

        def read(run: Run) -> ExitCode:
            found.append(self.verb(run))
            return ExitCode.SUCCEEDED

        run = self._begun(source, lambda _: True)
        code = self.work(read, run)
        result = run.journal.finish(code)
        if code is ExitCode.SUCCEEDED:
            return found[0]
        problems = tuple(map(Problem, result.errors))
        return replace(self.unfinished, problems=problems, problem_code=code, is_finished=True)

    def _fleet(self, verb: Verb) -> Fleet:
        return Fleet(
            self.command,
            lambda run: self.work(verb, run),
            self._begun,
            self.log,
            max_parallel=self.inputs.max_parallel,
            max_failures=self.inputs.max_failures if self.may_stop else None,
            is_dry_run=self.inputs.dry_run,
        )

    def finish(self, result: ClustersResult, lost: Callable[[], str]) -> ClustersResult:
        """Print what is left to be printed; ``lost`` tells why not all of the content could be written."""
        self.log.print_contents()
        if why := lost():
            problem = Problem(f"not all of it could be written to stdout: {why}")
            self.log.error(StepError(problem.message))
            result = replace(result, problems=(*result.problems, problem), problem_code=ExitCode.FAILED)
        self.log.finished(result)
        return result

    def _spare_names(self) -> None:
        """A Secret's value that equals a cluster's name is not masked."""
        self.redactor.spare(*(one.name for wave in self.waves for one in wave))

    def _begun(self, one: Member, stays: Callable[[ExitCode], bool]) -> Run:
        inputs, where = self.inputs, self.surroundings
        outputs = [self.log.of(one.name)]
        journal = Journal(self.command, outputs, self.redactor, is_dry_run=inputs.dry_run, surroundings=where)
        return replace(self._run_of(one, journal), stays=stays)

    def _run_of(self, one: Member, journal: Journal) -> Run:
        environ = {name: value for name, value in self.environ.items() if name not in one.hidden}
        return Run(one.inputs, environ, journal, self.redactor, self.surroundings, cluster=one.name)

    def _refused(self, error: InputError) -> ClustersResult:
        problems = []
        for each in map(self.surroundings.explained, single(error)):
            masked = StepError(
                self.redactor.mask(each.message),
                where=self.redactor.mask_place(each.where) if each.where else None,
                hint=self.redactor.mask(each.hint) if each.hint else None,
            )
            self.log.error(masked)
            problems.append(Problem.of(masked))
        return replace(self.unfinished, problems=tuple(problems), is_finished=True)

    def _not_begun(self) -> tuple[ClusterResult, ...]:
        return tuple(ClusterResult(one.name, number) for number, wave in enumerate(self.waves, 1) for one in wave)
