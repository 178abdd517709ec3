"""The command line. Everything that judges a target is a run of pytest; the rest reads what runs have written."""

from __future__ import annotations

import inspect
import json
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import click
import pytest

from conformance import __version__, errata, isolation, publishing, regression, signing, verification
from conformance import spec as specs
from conformance import targets as registry
from conformance.campaign import Campaign, Limit
from conformance.certificate import CONFORMS, NOTHING, Document, Unusable, opened, recorded
from conformance.explain import explained, signature, specified
from conformance.files import write_all
from conformance.merging import merged
from conformance.page import page
from conformance.replay import Again, replayed
from conformance.target import Target, Unavailable, one_line

_HERE = Path(__file__).parent
_SKELETON = _HERE / "skeleton.txt"

# Exit codes of pytest: something does not conform, and what was asked for is not there.
_NOT = 1
_UNUSABLE = 4

# How many cases of a certificate are put to the target again, where nothing is said.
_SAMPLE = 20

Files = dict[str, str]


class _Refused(click.ClickException):
    """What was asked for is not there, or of no use."""

    exit_code = _UNUSABLE


@contextmanager
def _refusing() -> Iterator[None]:
    """What the rest of the suite refuses is one line for the user."""
    try:
        yield
    except (Unusable, registry.UnknownTarget, Unavailable) as error:
        raise _Refused(one_line(error)) from error
    except OSError as error:
        raise _Refused(f"{error.filename} cannot be written: {error.strerror}") from error


def _layers(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    return [layer for layer in specs.names() if layer.startswith(begun)]


def _targets(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    return [name for name in registry.names() if name.startswith(begun) and " " not in name]


def _existing(name: str, **options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An argument that is a certificate, or the folder of one."""
    return click.argument(name, type=click.Path(path_type=Path), **options)


_SIGN = click.option(
    "--sign", type=click.Path(path_type=Path), metavar="KEY.pem", help="Sign with this ed25519 private key."
)
_TIMEOUT = click.option(
    "--call-timeout",
    default=isolation.TIMEOUT,
    show_default=True,
    help="Seconds that a case may take in another process.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="conformance")
def cli() -> None:
    """Conformance of neural-network layers.

    \b
    See what there is:      conformance targets
                            conformance explain layer_norm
    Test a library:         conformance check torch-cpu
    Certify and compare:    conformance certify torch-cpu --into new
                            conformance diff old new
    Look for rare failures: conformance campaign torch-cpu --hours=8
    Begin with your own:    conformance new-target mylib

    Exit codes are pytest's: 0 all conforms, 1 something does not, 2 interrupted or a command line that cannot be
    understood, 4 what was asked for is not there.
    """


@cli.command()
def targets() -> None:
    """List the targets that are known by name."""
    for name in registry.names():
        click.echo(name)


@cli.command()
@click.argument("layer", nargs=-1, shell_complete=_layers)
def layers(layer: Sequence[str]) -> None:
    """List the layers, each as the function that a target offers; those named with what they compute."""
    for name in layer:
        _require_layer(name)
    for name in layer or specs.names():
        click.echo(signature(name))
        if layer:
            click.echo(f"    {inspect.getdoc(specified(name))}\n".replace("\n", "\n    ").rstrip() + "\n")


@cli.command()
@click.argument("layer", shell_complete=_layers)
def explain(layer: str) -> None:
    """Explain a layer: its formula, where rounding may happen, its known mistakes, and its bound on an example."""
    _require_layer(layer)
    click.echo(explained(layer), nl=False)


def _require_layer(name: str) -> None:
    if name not in specs.names():
        raise click.UsageError(f"unknown layer {name!r}; known: {', '.join(specs.names())}")


@cli.command("errata")
def errata_page() -> None:
    """Print the errata of the document, as Markdown."""
    click.echo(errata.page(), nl=False)


@cli.command("new-target")
@click.argument("name")
def new_target(name: str) -> None:
    """Write a file NAME.py that the suite can test at once.

    Not NAME of the library under test: the file would be imported in its place.
    """
    path = Path(name if name.endswith(".py") else f"{name}.py")
    if path.stem.isidentifier() and not path.exists() and getattr(find_spec(path.stem), "origin", None):
        raise click.UsageError(
            f"{path.stem} is a module that is installed, and the file would be imported in its place; "
            f"choose another name, such as {path.stem}_layers"
        )
    text = _SKELETON.read_text(encoding="utf-8").replace("NAME", path.stem)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise click.UsageError(f"{path} exists already; choose another name, or remove it") from error
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}") from error
    click.echo(f"wrote {path}; run it: pytest --pyargs conformance --target={path}")


_PYTEST = {"ignore_unknown_options": True}


@cli.command(context_settings=_PYTEST)
@click.argument("target", shell_complete=_targets)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def check(target: str, options: Sequence[str]) -> None:
    """Ask a target a few questions of every kind: pytest with the quick profile, and these OPTIONS of pytest."""
    sys.exit(_run(target, "--profile=quick", *options))


@cli.command(context_settings=_PYTEST)
@click.argument("target", shell_complete=_targets)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@click.option("--into", default="certificate", show_default=True, type=click.Path(path_type=Path), metavar="DIR")
@_SIGN
def certify(target: str, options: Sequence[str], into: Path, sign: Path | None) -> None:
    """Run the suite against a target and write a certificate into a folder.

    OPTIONS are pytest's, such as --profile=thorough, --layer=conv2d, -n 4 or --shard=1/4. What certifies nothing,
    since something was left out, is no success.
    """
    code = _run(target, f"--certificate={into}", *options)
    if code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        with _refusing():
            document = _published(opened(into / publishing.NAME), into, sign)
        if document["body"]["verdict"] == NOTHING and document["body"]["report"]["shard"] is None:
            code = _NOT
    sys.exit(code)


@cli.command(context_settings=_PYTEST)
@click.argument("target", shell_complete=_targets)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@click.option("--hours", type=click.FloatRange(min=0.0, min_open=True), help="How long.")
@click.option("--rounds", type=click.IntRange(min=0), help="Or for how many rounds; whichever is over first.")
@click.option("--into", default="campaign", show_default=True, type=click.Path(path_type=Path), metavar="DIR")
def campaign(target: str, options: Sequence[str], hours: float | None, rounds: int | None, into: Path) -> None:
    """Run the suite again and again, each time with another seed, and keep what was found in a folder.

    OPTIONS are pytest's, such as --layer=conv2d, -n 4 or --corpus=redis://HOST/0. With the same folder it goes on where
    it was, also after it was killed; --rounds=0 shows what was found.
    """
    if hours is None and rounds is None:
        raise click.UsageError("say for how long: --hours=8, or --rounds=100")
    for ended in (signal.SIGINT, signal.SIGTERM):  # from a keyboard, or from a scheduler; also where a shell ignores it
        signal.signal(ended, signal.default_int_handler)
    with _refusing():
        found = Campaign(into, target)
        code = found.run(_command(target), options, Limit.of(hours, rounds), click.echo)
        for line in found.summary():
            click.echo(line)
    sys.exit(code)


def _command(target: str, *options: str) -> list[str]:
    """pytest, asked for the specs of this suite."""
    return [sys.executable, "-m", "pytest", "-p", "conformance.plugin", str(_HERE), f"--target={target}", *options]


def _run(target: str, *options: str) -> int:
    """The exit code of pytest, in a process that has not imported the specs yet."""
    process = subprocess.Popen(_command(target, *options))
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:  # pytest hears of it too, and writes what was found until then
            continue
        return code if code >= 0 else int(pytest.ExitCode.INTERNAL_ERROR)


def _published(document: Document, into: Path, sign: Path | None) -> Document:
    """Write what a folder of a certificate holds, and say what it is worth."""
    if sign is not None:
        document = signing.signed(document, sign)
    write_all(into, publishing.published(document))
    body = document["body"]
    click.echo(f"{into / publishing.NAME}: {publishing.message(body)}, sha256 {document['sha256']}")
    for obstacle in body["obstacles"]:
        click.echo(f"  {obstacle}")
    return document


def _opened(path: Path) -> Document:
    """The certificate in a file, or in the folder of one."""
    with _refusing():
        return opened(path / publishing.NAME if path.is_dir() else path)


def _loaded(name: str) -> Target:
    with _refusing():
        return registry.load(name)


@cli.command()
@_existing("file")
@click.option("--sample", default=_SAMPLE, show_default=True, help="How many of its cases to put to the target again.")
@click.option("--seed", type=int, help="Which cases; others each time, where nothing is said.")
@click.option(
    "--public-key", type=click.Path(path_type=Path), metavar="KEY.pem", help="The key that must have signed it."
)
@click.option("--target", help="What to put them to (default: the target of the certificate).", shell_complete=_targets)
@_TIMEOUT
def verify(
    file: Path, sample: int, seed: int | None, public_key: Path | None, target: str | None, call_timeout: float
) -> None:
    """Check a certificate: its schema, hash, conclusions and signature, and a random sample of its cases."""
    document = _opened(file)
    click.echo(f"hash: sha256 {document['sha256']} is that of the body")
    with _refusing():
        verification.require_form(document)
        click.echo("schema: allowed")
    try:
        verification.require_conclusions(document)
        if "signature" in document or public_key is not None:
            click.echo(f"signature: {signing.signer(document, public_key)}")
        else:
            click.echo("signature: none")
    except Unusable as unusable:
        _disproved(str(unusable))
    if other := verification.other_suite(document):
        click.echo(f"suite: {other}; verdicts may differ for that reason")
    report = document["body"]["report"]
    seed = random.randrange(2**32) if seed is None else seed
    with _refusing():
        found = verification.sampled(document, _loaded(target or report["load"]), sample, seed, call_timeout)
    differing = [again for again in found if again.changed]
    for again in differing:
        click.echo(again.line())
    click.echo(f"sample: {len(found)} cases put again (--seed={seed}), {len(differing)} with another outcome")
    click.echo(f"{report['target']}: {publishing.message(document['body'])}")
    for obstacle in document["body"]["obstacles"]:
        click.echo(f"  {obstacle}")
    if differing:
        _disproved("cases have other outcomes than it says")


def _disproved(why: str) -> NoReturn:
    click.echo(f"not as it says: {why}", err=True)
    sys.exit(_NOT)


@cli.command()
@_existing("old")
@_existing("new")
def diff(old: Path, new: Path) -> None:
    """Tell what changed between two certificates; exit code 1 where anything became worse.

    Worse are new failures and crashes, what is judged no more, errors that grew beyond noise, another arithmetic or
    convention, new known deviations, and coverage that was lost. Whether the rest is better is for you to say.
    """
    found = regression.changes(_opened(old), _opened(new))
    for change in found:
        mark = "WORSE " if change.worse else ""
        click.echo(f"{mark}{change.kind}: {change.about}: {change.words}")
        if change.case is not None:
            click.echo(f"    case: {json.dumps(change.case)}")
    worse = sum(change.worse for change in found)
    click.echo(f"{len(found)} changes, {worse} for the worse")
    sys.exit(_NOT if worse else 0)


@cli.command()
@_existing("file")
@click.option("--only-failed", is_flag=True, help="Only cases that failed, not those with the largest errors.")
@click.option("--target", help="What to put them to (default: the target of the certificate).", shell_complete=_targets)
@_TIMEOUT
def replay(file: Path, only_failed: bool, target: str | None, call_timeout: float) -> None:
    """Put the recorded cases of a certificate to a target again; exit code 1 where one does not conform."""
    report = _opened(file)["body"]["report"]
    with _refusing():
        cases = recorded(report, only_failed)
    found: list[Again] = []
    for again in replayed(_loaded(target or report["load"]), cases, call_timeout):
        found.append(again)
        if again.fails or again.changed:
            click.echo(again.line())
    failing, changed = sum(again.fails for again in found), sum(again.changed for again in found)
    click.echo(f"{len(found)} cases, {failing} do not conform, {changed} with another outcome than then")
    sys.exit(_NOT if failing else 0)


@cli.command("page")
@_existing("file")
def certificate_page(file: Path) -> None:
    """Print a certificate as a page of HTML, which loads nothing: page.html, which new ones have beside them."""
    with _refusing():
        click.echo(page(_opened(file)), nl=False)


@cli.command()
@_existing("files", nargs=-1, required=True)
@click.option("--into", default="certificate", show_default=True, type=click.Path(path_type=Path), metavar="DIR")
@_SIGN
def merge(files: Sequence[Path], into: Path, sign: Path | None) -> None:
    """Join the certificates of all shards of a run into one.

    Refused are shards of other versions, targets, machines or seeds, and runs of which one is missing. Exit code 1
    where something does not conform, or nothing is certified.
    """
    with _refusing():
        document = _published(merged({str(path): _opened(path) for path in files}), into, sign)
    sys.exit(0 if document["body"]["verdict"] == CONFORMS else _NOT)


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line asks. Exits with another status than 0 where that cannot be done."""
    try:
        cli(arguments and list(arguments), prog_name="conformance", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("interrupted", err=True)
        sys.exit(pytest.ExitCode.INTERRUPTED)
