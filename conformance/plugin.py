"""The pytest plugin: every spec file is a test file, every layer x format x check an item."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from _pytest._code.code import ExceptionInfo, TerminalRepr

from conformance import checks, isolation
from conformance import spec as specs
from conformance.causes import Cause, causes, item_name
from conformance.checking import lenient
from conformance.report import (
    cause_lines,
    failure_text,
    item_data,
    lacking_lines,
    note_lines,
    report_data,
    summary_lines,
    time_lines,
)
from conformance.run import KERNEL, PROFILES, Nonconforming, Tally, run
from conformance.target import Target, Unavailable, one_line, said
from conformance.targets import UnknownTarget, load
from conformance.verdict import Status

_SPECS = Path(__file__).parent / "specs"
_TARGET = pytest.StashKey[Target]()
_DEFAULT_TARGET = "torch-cpu"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance", "conformance of neural-network layers")
    group.addoption("--target", help=f"what to test: a name, a module or a file (default: {_DEFAULT_TARGET})")
    group.addoption("--layer", action="append", metavar="NAME[,NAME]", help="only these layers")
    group.addoption("--format", action="append", metavar="NAME[,NAME]", help="only these formats")
    group.addoption(
        "--profile", choices=tuple(PROFILES), default="default", help="how many examples (default: default)"
    )
    group.addoption("--max-examples", type=int, metavar="N", help="examples per layer, format and check")
    isolated = "make the target's calls in another process, which may die or hang (default: all but torch-cpu, oracle)"
    group.addoption("--isolate", action="store_true", default=None, help=isolated)
    group.addoption("--no-isolate", action="store_false", dest="isolate", help="make them in the process of the run")
    group.addoption(
        "--call-timeout",
        type=float,
        default=isolation.TIMEOUT,
        metavar="SECONDS",
        help=f"what a call, or judging its answer, may take in another process (default: {isolation.TIMEOUT:g})",
    )
    group.addoption("--report", type=Path, metavar="FILE.json", help="write what was found as JSON")


def pytest_configure(config: pytest.Config) -> None:
    known = specs.names()
    for layer in _listed(config, "layer"):
        if layer not in known:
            raise pytest.UsageError(f"unknown layer {layer!r}; known: {', '.join(known)}")
    examples = config.getoption("max_examples")
    if examples is not None and examples < 1:
        raise pytest.UsageError(f"--max-examples must be at least 1, not {examples}")
    timeout = config.getoption("call_timeout")
    if not timeout > 0:
        raise pytest.UsageError(f"--call-timeout must be more than 0 seconds, not {timeout:g}")
    report = config.getoption("report")
    if report is not None:
        _check_writable(report)
    _share_cores(config)
    config.pluginmanager.register(_Run(config), "conformance-run")


def _share_cores(config: pytest.Config) -> None:
    """Leave the cores of xdist's other workers to them, unless the environment says otherwise."""
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    if workers > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // workers, 1)))


def _check_writable(report: Path) -> None:
    if report.is_dir():
        raise pytest.UsageError(f"--report: {str(report)!r} is a folder, expected the name of a file")
    if not report.parent.is_dir():
        raise pytest.UsageError(f"--report: there is no folder {str(report.parent)!r}")
    if not os.access(report if report.exists() else report.parent, os.W_OK):
        raise pytest.UsageError(f"--report: {str(report)!r} cannot be written")


def pytest_sessionstart(session: pytest.Session) -> None:
    # A target that is no use ends the run at once, as a usage error; runs that ask for no spec do not need one.
    config = session.config
    given = config.getoption("target") is not None or config.getoption("report") is not None
    if given or any(_asks(config, argument) for argument in config.args):
        _target(config)


def _asks(config: pytest.Config, argument: str) -> bool:
    name = argument.split("::")[0]
    if config.getoption("pyargs") and name.split(".")[0] == __package__:
        return True
    path = Path(name).resolve()
    return path.is_relative_to(_SPECS.parent) or path == _SPECS.parents[1]


def _listed(config: pytest.Config, option: str) -> list[str]:
    return [name for value in config.getoption(option) or () for name in value.split(",")]


def _wanted(config: pytest.Config) -> Sequence[str]:
    """The layers that are asked for."""
    return _listed(config, "layer") or specs.names()


def _lacking(config: pytest.Config) -> list[str]:
    """Those of them that the target does not have."""
    return [layer for layer in _wanted(config) if _target(config).layer(layer) is None]


def _given(config: pytest.Config) -> str:
    """The target's name, as it stands on the command line."""
    name = config.getoption("target")
    return _DEFAULT_TARGET if name is None else str(name)


def _target(config: pytest.Config) -> Target:
    if _TARGET not in config.stash:
        try:
            with lenient():
                config.stash[_TARGET] = _loaded(config)
        except (UnknownTarget, Unavailable) as error:
            raise pytest.UsageError(one_line(error)) from error
    return config.stash[_TARGET]


def _loaded(config: pytest.Config) -> Target:
    target = load(_given(config))
    for format in _listed(config, "format"):
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
    wanted = _listed(config, "layer")
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
        layer, target = self.path.stem, _target(self.config)
        if layer not in _wanted(self.config) or target.layer(layer) is None:
            return
        for format in _listed(self.config, "format") or target.formats:
            for check in checks.asked(layer):
                yield LayerItem.from_parent(self, name=f"{layer}-{format}-{check}", asked=(layer, format, check))


class LayerItem(pytest.Item):
    """One check of one layer in one format."""

    def __init__(self, *, asked: tuple[str, str, str], **keywords: Any) -> None:
        super().__init__(**keywords)
        self.asked = asked

    def runtest(self) -> None:
        option = self.config.getoption
        examples = option("max_examples") or PROFILES[option("profile")]
        tally = Tally()
        try:
            self._run(examples, tally, option("profile") == KERNEL)
        finally:  # an interrupted item has its tally too
            self.user_properties.append(("conformance", item_data(*self.asked, tally)))
        if tally.failure:
            raise tally.failure
        if tally.cases and tally.counts[Status.UNSUPPORTED] == tally.cases:
            pytest.skip("; ".join(tally.reasons))

    def _run(self, examples: int, tally: Tally, kernel: bool) -> None:
        target, isolate = _target(self.config), self.config.getoption("isolate")
        if not target.trusted if isolate is None else isolate:
            worker = isolation.worker(_given(self.config), self.config.getoption("call_timeout"))
            worker.run(*self.asked, examples, tally, kernel)
        else:
            with lenient():
                run(target, *self.asked, examples, tally, kernel)

    def repr_failure(self, excinfo: ExceptionInfo[BaseException], style: Any = None) -> str | TerminalRepr:
        if isinstance(excinfo.value, Nonconforming):
            layer, format, check = self.asked
            return failure_text(excinfo.value, f"{layer} in {format} ({check})", f"load({_given(self.config)!r})")
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

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if hasattr(self.config, "workerinput"):
            return
        interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
        self.complete = not (interrupted or session.shouldfail or session.shouldstop)
        if self.found and exitstatus == pytest.ExitCode.OK and not self._judged():
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
        if self.config.get_verbosity() <= 0:
            self._tell_once()
        path = self.config.getoption("report")
        if path is not None:
            profile = self.config.getoption("profile")
            target, lacking = _target(self.config), _lacking(self.config)
            data = report_data(target, _given(self.config), profile, self.found, lacking, self.complete)
            path.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")

    def _tell_once(self) -> None:
        """Let pytest print at full length, of every cause, the representative alone."""
        for cause in self._causes():
            for item in cause.items:
                report = self.failed.get(item_name(item))
                if report and item is not cause.representative:
                    report.longrepr = f"like {item_name(cause.representative)}: {cause.words} (-v prints it in full)"

    def _causes(self) -> list[Cause]:
        return causes(self.found, _target(self.config).formats) if self.found else []

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.found:
            return
        target = _target(self.config)
        about = f" ({target.description})" if target.description else ""
        terminalreporter.section(f"conformance: {target.name}{about}")
        why = cause_lines(self._causes())
        lines = [*summary_lines(self.found), "", *(["causes:", *why, ""] if why else [])]
        for line in [*lines, *time_lines(self.found), *note_lines(self.found, target.known)]:
            terminalreporter.write_line(line)
        for line in lacking_lines(target.name, _lacking(self.config)):
            terminalreporter.write_line(line)
        if not self._judged():
            terminalreporter.write_line("nothing was judged: the target supports nothing of what was asked")
        if not self.complete:
            terminalreporter.write_line("interrupted: this is what was found so far")

    def _judged(self) -> bool:
        return any(count for item in self.found for status, count in item["counts"].items() if status != "UNSUPPORTED")
