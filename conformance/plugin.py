"""The pytest plugin: every spec file is a test file, every layer x format x check an item."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from _pytest._code.code import ExceptionInfo, TerminalRepr

from conformance import checks
from conformance import spec as specs
from conformance.report import failure_text, item_data, note_lines, report_data, summary_lines, time_lines
from conformance.run import PROFILES, Nonconforming, run
from conformance.target import Target, Unavailable
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
    group.addoption("--report", type=Path, metavar="FILE.json", help="write what was found as JSON")


def pytest_configure(config: pytest.Config) -> None:
    known = specs.names()
    for layer in _listed(config, "layer"):
        if layer not in known:
            raise pytest.UsageError(f"unknown layer {layer!r}; known: {', '.join(known)}")
    examples = config.getoption("max_examples")
    if examples is not None and examples < 1:
        raise pytest.UsageError(f"--max-examples must be at least 1, not {examples}")
    report = config.getoption("report")
    if report is not None and not report.parent.is_dir():
        raise pytest.UsageError(f"--report: there is no folder {str(report.parent)!r}")
    config.pluginmanager.register(_Run(config), "conformance-run")


def pytest_sessionstart(session: pytest.Session) -> None:
    # A target that is no use ends the run at once, as a usage error; runs that ask for no spec do not need one.
    if session.config.getoption("target") is not None or any(map(_asks, session.config.args)):
        _target(session.config)


def _asks(argument: str) -> bool:
    path = argument.split("::")[0]
    return path == "conformance" or Path(path).resolve().is_relative_to(_SPECS.parent)


def _listed(config: pytest.Config, option: str) -> list[str]:
    return [name for value in config.getoption(option) or () for name in value.split(",")]


def _target(config: pytest.Config) -> Target:
    if _TARGET not in config.stash:
        config.stash[_TARGET] = _checked(config)
    return config.stash[_TARGET]


def _checked(config: pytest.Config) -> Target:
    try:
        target = load(config.getoption("target") or _DEFAULT_TARGET)
    except (UnknownTarget, Unavailable) as error:
        raise pytest.UsageError(str(error)) from error
    for format in _listed(config, "format"):
        if format not in target.formats:
            known = ", ".join(target.formats)
            raise pytest.UsageError(f"unknown format {format!r}; the target {target.name} has: {known}")
    if not any(target.layer(layer) for layer in specs.names()):
        known = ", ".join(specs.names())
        raise pytest.UsageError(f"the target {target.name} has no layer; name its functions like these: {known}")
    return target


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.parent == _SPECS and file_path.suffix == ".py" and not file_path.name.startswith("_"):
        return SpecFile.from_parent(parent, path=file_path)
    return None


class SpecFile(pytest.File):
    """A spec: one item for every format and check."""

    def collect(self) -> Iterator[pytest.Item]:
        layer = self.path.stem
        wanted = _listed(self.config, "layer")
        if wanted and layer not in wanted:
            return
        target = _target(self.config)
        for format in _listed(self.config, "format") or target.formats:
            for check in checks.names():
                if checks.check(check).applies(layer):
                    yield LayerItem.from_parent(self, name=f"{layer}-{format}-{check}", asked=(layer, format, check))


class LayerItem(pytest.Item):
    """One check of one layer in one format."""

    def __init__(self, *, asked: tuple[str, str, str], **keywords: Any) -> None:
        super().__init__(**keywords)
        self.asked = asked

    def runtest(self) -> None:
        layer, format, check = self.asked
        option = self.config.getoption
        examples = option("max_examples") or PROFILES[option("profile")]
        target = _target(self.config)
        tally = run(target, layer, format, check, examples, random=option("hypothesis_seed", None) is not None)
        self.user_properties.append(("conformance", item_data(layer, format, check, tally)))
        if tally.failure:
            raise tally.failure
        if tally.cases and tally.counts[Status.UNSUPPORTED] == tally.cases:
            pytest.skip("; ".join(tally.reasons))

    def repr_failure(self, excinfo: ExceptionInfo[BaseException], style: Any = None) -> str | TerminalRepr:
        if isinstance(excinfo.value, Nonconforming):
            return failure_text(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name


class _Run:
    """What a run has found. Items report here from xdist's workers too."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.found: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.found.extend(cast("dict[str, Any]", d) for name, d in report.user_properties if name == "conformance")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.found:
            return
        target = _target(self.config)
        terminalreporter.section(f"conformance: {target.name} ({target.description})")
        for line in [*summary_lines(self.found), "", *time_lines(self.found), *note_lines(self.found, target.known)]:
            terminalreporter.write_line(line)

    def pytest_sessionfinish(self) -> None:
        path = self.config.getoption("report")
        if path is None or hasattr(self.config, "workerinput"):
            return
        data = report_data(_target(self.config), self.config.getoption("profile"), self.found)
        path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
