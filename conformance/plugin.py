"""The pytest plugin: every spec file is a test file, every layer x format x check an item."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from _pytest._code.code import ExceptionInfo, TerminalRepr
from hypothesis import core

from conformance import isolation, options
from conformance import spec as specs
from conformance.causes import Cause, causes, item_name
from conformance.certificate import Unusable, certificate, costs, opened
from conformance.checking import lenient
from conformance.corpus import Corpus, record, summed
from conformance.environment import NAME
from conformance.files import write, write_all
from conformance.kept import Kept
from conformance.places import Unreachable, place
from conformance.publishing import published
from conformance.report import (
    cause_lines,
    failures_text,
    item_data,
    lacking_lines,
    note_lines,
    program,
    report_data,
    summary_lines,
    time_lines,
)
from conformance.reproducer import reproducer
from conformance.run import KERNEL, run
from conformance.scope import Costs, Question, Scope, measured, shared
from conformance.tally import Nonconforming, Tally
from conformance.target import Target, Unavailable, one_line, said
from conformance.targets import UnknownTarget, load
from conformance.verdict import Status

_SPECS = Path(__file__).parent / "specs"
_TARGET = pytest.StashKey[Target]()
_CORPUS = pytest.StashKey[Corpus | None]()
_SHARE = pytest.StashKey[list[Question]]()
_BEGUN = pytest.StashKey[float]()


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    options.require_sound(config)
    config.stash[_CORPUS] = _corpus(config)
    _share_cores(config)
    config.pluginmanager.register(_Run(config), "conformance-run")


def _corpus(config: pytest.Config) -> Corpus | None:
    given = config.getoption("corpus")
    try:
        return None if given is None else Corpus(place(given))
    except Unreachable as unreachable:
        raise pytest.UsageError(f"--corpus: {unreachable}") from unreachable


def _share_cores(config: pytest.Config) -> None:
    """Leave the cores of xdist's other workers to them, unless the environment says otherwise.

    Sums depend on the number of threads: who starts the workers has as many as they, and says so in the report.
    """
    started = len(getattr(config.option, "tx", None) or ())
    workers = getattr(config, "workerinput", {}).get("workercount", started)
    if workers > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // workers, 1)))


def pytest_sessionstart(session: pytest.Session) -> None:
    # A target or a share of no use ends the run at once, as a usage error; runs that ask for no spec need none.
    config = session.config
    config.stash[_BEGUN] = time.time()
    given = options.speaks_of_a_target(config)
    if given or any(_asks(config, argument) for argument in config.args):
        _share(config)


def _asks(config: pytest.Config, argument: str) -> bool:
    name = argument.split("::")[0]
    if config.getoption("pyargs") and name.split(".")[0] == __package__:
        return True
    path = Path(name).resolve()
    return path.is_relative_to(_SPECS.parent) or path == _SPECS.parents[1]


def _wanted(config: pytest.Config) -> Sequence[str]:
    """The layers that are asked for."""
    return options.listed(config, "layer") or specs.names()


def _scope(config: pytest.Config) -> Scope:
    """What the run is asked for."""
    return Scope(
        options.target(config),
        _wanted(config),
        options.listed(config, "format") or _target(config).formats,
        config.getoption("profile"),
        options.examples(config),
        core.global_force_seed,
        options.shard(config),
    )


def _share(config: pytest.Config) -> list[Question]:
    """The questions of this run: all of its scope, or its shard."""
    if _SHARE not in config.stash:
        scope = _scope(config)
        questions, shard = scope.questions(_target(config)), scope.shard
        config.stash[_SHARE] = shared(questions, shard[1], _costs(config))[shard[0] - 1] if shard else questions
    return config.stash[_SHARE]


def _costs(config: pytest.Config) -> Costs:
    path = config.getoption("costs")
    try:
        return measured() if path is None else costs(opened(path))
    except Unusable as unusable:
        raise pytest.UsageError(f"--costs: {unusable}") from unusable


def _volatile(config: pytest.Config) -> dict[str, Any]:
    """When and where the run was."""
    begun = datetime.fromtimestamp(config.stash[_BEGUN], UTC)
    return {
        "host": platform.node(),
        "begun": begun.isoformat(timespec="seconds"),
        "elapsed": time.time() - begun.timestamp(),
    }


def _target(config: pytest.Config) -> Target:
    if _TARGET not in config.stash:
        try:
            with lenient():
                config.stash[_TARGET] = _loaded(config)
        except (UnknownTarget, Unavailable) as error:
            raise pytest.UsageError(one_line(error)) from error
    return config.stash[_TARGET]


def _loaded(config: pytest.Config) -> Target:
    target = load(options.target(config))
    for format in options.listed(config, "format"):
        if format not in target.formats:
            known = ", ".join(target.formats)
            raise pytest.UsageError(f"unknown format {format!r}; the target {target.name} has: {known}")
    try:
        offered = [layer for layer in specs.names() if target.layer(layer)]
    except Exception as error:
        raise Unavailable(f"target {target.name!r} cannot say which layers it has: {said(error)}") from error
    if not offered:
        known = ", ".join(specs.names())
        raise pytest.UsageError(f"the target {target.name} has no layer; name its functions like these: {known}")
    wanted = options.listed(config, "layer")
    if wanted and not set(wanted) & set(offered):
        raise pytest.UsageError(f"the target {target.name} has no {', '.join(wanted)}; it has: {', '.join(offered)}")
    return target


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.parent == _SPECS and file_path.suffix == ".py" and not file_path.name.startswith("_"):
        return SpecFile.from_parent(parent, path=file_path)
    return None


class SpecFile(pytest.File):
    """A spec: one item for every format and check."""

    def collect(self) -> Iterator[pytest.Item]:
        for question in _share(self.config):
            if question[0] == self.path.stem:
                yield LayerItem.from_parent(self, name="-".join(question), asked=question)


class LayerItem(pytest.Item):
    """One check of one layer in one format."""

    def __init__(self, *, asked: Question, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.asked = asked
        self._failures: list[Nonconforming] = []

    def runtest(self) -> None:
        tally = Tally()
        recalled, unread = self._recalled()
        try:
            self._run(options.examples(self.config), tally, self.config.getoption("profile") == KERNEL, recalled)
        finally:  # an interrupted item has its tally too
            for failure in tally.failures:
                failure.script = self._script(failure) if failure.case else ""
            self._failures = tally.failures
            data = item_data(*self.asked, tally)
            if recalled or unread:
                data["corpus"] = record(recalled, unread, tally.recalled)
            self.user_properties.append(("conformance", data))
            self._keep(tally)
        if tally.failures:
            raise tally.failures[0]
        if tally.cases and tally.counts[Status.UNSUPPORTED] == tally.cases:
            pytest.skip("; ".join(tally.reasons))

    def _recalled(self) -> tuple[list[Kept], list[str]]:
        """The cases of the corpus, if there is one, and what cannot be read of it."""
        corpus = self.config.stash[_CORPUS]
        if corpus is not None:
            with self._noting():
                return corpus.of(self.asked)
        return [], []

    def _keep(self, tally: Tally) -> None:
        corpus = self.config.stash[_CORPUS]
        if corpus is not None:
            with self._noting():
                corpus.keep(self.asked, tally)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """A corpus that is lost takes nothing away from the rest of the run, which says so at its end."""
        try:
            yield
        except Unreachable as unreachable:
            self.user_properties.append(("unwritten", f"--corpus: {unreachable}"))

    def _run(self, examples: int, tally: Tally, kernel: bool, recalled: Sequence[Kept]) -> None:
        target, isolate = _target(self.config), self.config.getoption("isolate")
        if not target.trusted if isolate is None else isolate:
            worker = isolation.worker(options.target(self.config), self.config.getoption("call_timeout"))
            worker.run(*self.asked, examples, tally, kernel, recalled)
        else:
            with lenient():
                run(target, *self.asked, examples, tally, kernel, recalled)

    def _script(self, failure: Nonconforming) -> str:
        """A program that shows the failure, in the target's own interface where that can be."""
        alone = reproducer(_target(self.config), failure)
        return alone or f"# needs the suite itself: pip install {NAME}\n{program(failure, self._loading)}\n"

    @property
    def _loading(self) -> str:
        """Python that makes the target."""
        return f"load({options.target(self.config)!r})"

    def repr_failure(self, excinfo: ExceptionInfo[BaseException], style: Any = None) -> str | TerminalRepr:
        if isinstance(excinfo.value, Nonconforming):
            layer, format, check = self.asked
            return failures_text(self._failures, f"{layer} in {format} ({check})", self._loading)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name


class _Run:
    """What a run has found. Items report here from xdist's workers too."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.found: list[dict[str, Any]] = []
        self.failed: dict[str, pytest.TestReport] = {}
        self.complete = True
        self.unwritten: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self._take(report.user_properties)
            if report.failed:
                self.failed[report.nodeid.rpartition("::")[2]] = report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        try:
            return (yield)
        except KeyboardInterrupt:  # of the item at hand there will be no report
            self._take(item.user_properties)
            raise

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str) -> None:
        """One of xdist's workers has died of an item."""
        layer, _, rest = crashitem.rpartition("::")[2].partition("-")
        if layer in specs.names():
            format, check = rest.split("-")
            tally = Tally()
            tally.crash(check, ChildProcessError("the process ended"))
            self.found.append(item_data(layer, format, check, tally))

    def _take(self, properties: Iterable[tuple[str, object]]) -> None:
        self.found.extend(cast("dict[str, Any]", data) for name, data in properties if name == "conformance")
        told = [str(message) for name, message in properties if name == "unwritten"]
        self.unwritten.extend(message for message in told if message not in self.unwritten)

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if hasattr(self.config, "workerinput"):
            return
        interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
        self.complete = not (interrupted or session.shouldfail or session.shouldstop)
        if self.found and exitstatus == pytest.ExitCode.OK and not self._judged():
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
        if self.config.get_verbosity() <= 0:
            self._tell_once()
        self._write()
        if self.unwritten:
            session.exitstatus = max(int(session.exitstatus), pytest.ExitCode.INTERNAL_ERROR)

    def _write(self) -> None:
        """Write what was asked for; what cannot be written takes nothing away from the rest."""
        path, folder = self.config.getoption("report"), self.config.getoption("certificate")
        if path is None and folder is None:
            return
        data = report_data(_target(self.config), _scope(self.config), _share(self.config), self.found, self.complete)
        if self.config.stash[_CORPUS] is not None:
            data["corpus"] = summed(self.found)
        if path is not None:
            with self._noting("--report", path):
                write(path, json.dumps(data, indent=1, allow_nan=False) + "\n")
        if folder is not None:
            with self._noting("--certificate", folder):
                write_all(folder, published(certificate(data, _volatile(self.config))))

    @contextmanager
    def _noting(self, option: str, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.unwritten.append(f"{option}: {path} cannot be written: {error.strerror}; what was found stands above")

    def _tell_once(self) -> None:
        """Let pytest print at full length, of every cause, the representative alone."""
        found = self._causes()
        representatives = {item_name(cause.representative) for cause in found}
        for cause in found:
            for item in cause.items:
                report = self.failed.get(item_name(item))
                if report and item_name(item) not in representatives:
                    report.longrepr = f"like {item_name(cause.representative)}: {cause.words} (-v prints it in full)"

    def _causes(self) -> list[Cause]:
        return causes(self.found, _target(self.config).formats) if self.found else []

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.found:
            self._say_what_to_run(terminalreporter)
            return
        target = _target(self.config)
        about = f" ({target.description})" if target.description else ""
        terminalreporter.section(f"conformance: {target.name}{about}")
        why = cause_lines(self._causes())
        lines = [*summary_lines(self.found), "", *(["causes:", *why, ""] if why else [])]
        for line in [*lines, *time_lines(self.found), *note_lines(self.found, target.known)]:
            terminalreporter.write_line(line)
        if self.config.stash[_CORPUS] is not None:
            terminalreporter.write_line("{cases} cases of the corpus were put first".format(**summed(self.found)))
        for line in lacking_lines(target.name, _scope(self.config).lacking(target)):
            terminalreporter.write_line(line)
        if not self._judged():
            terminalreporter.write_line("nothing was judged: the target supports nothing of what was asked")
        if not self.complete:
            terminalreporter.write_line("interrupted: this is what was found so far")
        for line in self.unwritten:
            terminalreporter.write_line(line)

    def _say_what_to_run(self, terminalreporter: pytest.TerminalReporter) -> None:
        """A target was named, and pytest was pointed at nothing of the suite."""
        config = self.config
        if config.getoption("target") is None or any(_asks(config, argument) for argument in config.args):
            return
        terminalreporter.write_line(
            f"the target {options.target(config)} was not asked anything: outside a checkout of the suite, say: "
            f"pytest --pyargs {__package__} --target={options.target(config)}"
        )

    def _judged(self) -> bool:
        return any(count for item in self.found for status, count in item["counts"].items() if status != "UNSUPPORTED")
