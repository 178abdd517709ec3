"""The commands that read certificates, and those that run pytest."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from conformance import errata
from conformance import spec as specs
from conformance.certificate import Unusable, digest, written
from conformance.cli import cli
from conformance.files import write_all
from conformance.publishing import published
from conformance.signing import signed
from tests.certified import HONEST, WRONG, certify, document

pytest_plugins = "pytester"

ROOT = Path(__file__).parents[1]


def ask(*arguments: object, code: int = 0) -> Result:
    """What a command prints that ends with this code."""
    done = CliRunner().invoke(cli, list(map(str, arguments)))
    assert done.exit_code == code, f"{done.output}{done.exception!r}"
    return done


def command(*arguments: object, code: int) -> str:
    """What ``python -m conformance`` prints, which runs pytest in a process of its own."""
    command = [sys.executable, "-m", "conformance", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def rewritten(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a certificate, hash included."""
    found = json.loads(path.read_text(encoding="utf-8"))
    change(found)
    found["sha256"] = digest(found["body"])
    path.write_text(written(found), encoding="utf-8")


def keys(folder: Path) -> tuple[Path, Path]:
    """The files of a new private key and its public one."""
    private = Ed25519PrivateKey.generate()
    secret, public = folder / "private.pem", folder / "public.pem"
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    secret.write_bytes(private.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    public.write_bytes(private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return secret, public


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_says_what_it_is_for(name: str) -> None:
    assert cli.commands[name].help
    assert "Usage:" in ask(name, "--help").output


def test_errata_are_printed() -> None:
    assert ask("errata").output == errata.page()


@pytest.mark.parametrize("layer", ["layer_norm", "conv2d", "lstm", "dropout", "xavier_uniform", "embedding"])
def test_a_layer_is_explained_with_its_formula_its_mistakes_and_its_source(layer: str) -> None:
    output = ask("explain", layer).output
    assert output.startswith(f"{layer}(")
    assert f"specified in: {specs.spec(layer).source}" in output
    assert f"    def {layer}(" in output
    for mistake in specs.spec(layer).mistakes.values():
        assert mistake.named().split()[-1] in output


def test_a_formula_is_explained_with_what_it_refers_to_in_its_file() -> None:
    output = ask("explain", "gru").output
    assert output.index("    def gru(") < output.index("    def _averaged(") < output.index("        def step(")
    assert output.count("    def gru(") == 1


def test_an_explanation_shows_the_bound_on_an_example() -> None:
    _, _, example = ask("explain", "layer_norm").output.partition("the truth and the error that rounding may cause: ")
    bounds = [float(line.split()[1]) for line in example.splitlines()[2:]]
    assert max(bounds) > 0.0


def test_a_certificate_is_verified_and_what_was_changed_is_found(pytester: pytest.Pytester) -> None:
    certify(pytester, HONEST)
    path = pytester.path / "out" / "certificate.json"
    output = ask("verify", path.parent, "--sample=5", "--seed=1").output
    assert "schema: allowed" in output
    assert "sample: 5 cases put again (--seed=1), 0 with another outcome" in output
    rewritten(path, lambda found: found["body"].update(level="complete"))
    assert "its level is 'complete', but from its report follows 'kernel'" in ask("verify", path, code=1).output
    rewritten(path, lambda found: found["body"].update(grade="A"))
    assert "the schema does not allow body: " in ask("verify", path, code=4).output
    path.write_text(path.read_text()[:1000])
    assert "is no whole JSON document" in ask("verify", path, code=4).output


def test_a_certificate_of_a_target_that_changed_since_is_disproved(pytester: pytest.Pytester) -> None:
    certify(pytester, HONEST)
    pytester.makepyfile(kernels=WRONG)
    output = ask("verify", "out", code=1).output
    assert "not as it says: cases have other outcomes than it says" in output
    assert "FAIL" in output


def test_a_signature_is_verified_and_one_by_another_key_is_refused(pytester: pytest.Pytester, tmp_path: Path) -> None:
    certify(pytester, HONEST)
    secret, public = keys(tmp_path)
    write_all(pytester.path / "signed", published(signed(document(pytester), secret)))
    assert "signature: ed25519 key sha256:" in ask("verify", "signed", f"--public-key={public}", "--sample=1").output
    (tmp_path / "other").mkdir()
    _, other = keys(tmp_path / "other")
    assert "it is signed by ed25519 key" in ask("verify", "signed", f"--public-key={other}", code=1).output
    assert "it has no signature" in ask("verify", "out", f"--public-key={public}", code=1).output
    path = pytester.path / "signed" / "certificate.json"
    zeros = base64.b64encode(bytes(64)).decode()
    rewritten(path, lambda found: found["signature"].update(value=zeros))
    assert "its signature is not one of this body" in ask("verify", path, code=1).output


def test_what_is_no_key_is_refused(pytester: pytest.Pytester) -> None:
    certify(pytester, HONEST)
    with pytest.raises(Unusable, match=r"kernels.py holds no key in PEM that needs no password"):
        signed(document(pytester), Path("kernels.py"))
    secret, _ = keys(pytester.path)
    write_all(pytester.path / "signed", published(signed(document(pytester), secret)))
    output = ask("verify", "signed", "--public-key=kernels.py", code=1).output
    assert "kernels.py holds no key in PEM" in output


QUICK = ("--max-examples=4", "--layer=relu", "-p", "no:cacheprovider")


def test_certify_gives_the_certificate_of_the_same_run_of_pytest(pytester: pytest.Pytester) -> None:
    certify(pytester, HONEST)
    output = command("certify", pytester.path / "kernels.py", "--into=cli", *QUICK, code=0)
    assert "certificate.json: conforms (kernel), sha256 " in output
    assert document(pytester, "cli")["body"] == document(pytester)["body"]


def test_a_run_that_certifies_nothing_is_no_success(pytester: pytest.Pytester) -> None:
    target = pytester.makepyfile(kernels=HONEST)
    output = command("certify", target, "--into=cli", *QUICK, "-k", "forward", code=1)
    assert "questions were not asked: relu-float32-empty, " in output


def test_check_is_a_quick_run(pytester: pytest.Pytester) -> None:
    target = pytester.makepyfile(kernels=WRONG)
    assert "does not conform" in command("check", target, *QUICK, "-k", "forward", code=1)
    assert not (pytester.path / "certificate").exists()


def test_an_unknown_target_is_one_line_and_exit_code_4(pytester: pytest.Pytester) -> None:
    certify(pytester, HONEST)
    output = ask("replay", "out", "--target=nosuch", code=4).output
    assert output.startswith("Error: unknown target 'nosuch'; known: ")


def test_a_difference_is_told_with_an_exit_code_for_ci(pytester: pytest.Pytester) -> None:
    certify(pytester, HONEST, into="old")
    certify(pytester, WRONG, into="new", code=1)
    assert ask("diff", "old", "old").output == "0 changes, 0 for the worse\n"
    output = ask("diff", "old", "new", code=1).output
    assert "WORSE new failure: relu-float32-forward: " in output
    assert "fixed: relu-float32-forward: " in ask("diff", "new", "old").output
    assert "cannot be read: No such file or directory" in ask("diff", "old", "missing", code=4).output


def test_recorded_cases_are_put_to_any_target_again(pytester: pytest.Pytester) -> None:
    certify(pytester, WRONG, code=1)
    failed = len([item for item in document(pytester)["body"]["report"]["items"] if item["failure"]])
    output = ask("replay", "out", "--only-failed", code=1).output
    assert f"{failed} cases, {failed} do not conform, 0 with another outcome than then" in output
    honest = pytester.makepyfile(honest=HONEST)
    output = ask("replay", "out", "--only-failed", f"--target={honest}").output
    assert f"{failed} cases, 0 do not conform, {failed} with another outcome than then" in output
    other = pytester.makepyfile(other=HONEST.replace("float32", "float64"))
    output = ask("replay", "out", "--only-failed", f"--target={other}").output
    assert "relu-float32-forward: UNSUPPORTED" in output


def test_what_ended_the_process_is_replayed_in_another_one(pytester: pytest.Pytester) -> None:
    fatal = HONEST.replace("np.maximum(input, 0)", "__import__('os')._exit(3)").replace("True", "False")
    certify(pytester, fatal, "-k", "forward", code=1)
    output = ask("replay", "out", "--only-failed", code=1).output
    assert "relu-float32-forward: CRASHED inf (then CRASHED inf): the process ended with the status 3" in output


def test_merge_joins_shards_and_refuses_fewer(pytester: pytest.Pytester) -> None:
    certify(pytester, HONEST, into="whole")
    for index in (1, 2):
        certify(pytester, HONEST, f"--shard={index}/2", into=f"part{index}")
    assert "of 2 shards these are missing: 2" in ask("merge", "part1", code=4).output
    assert "conforms (kernel)" in ask("merge", "part1", "part2", "--into=joined").output
    assert document(pytester, "joined")["body"] == document(pytester, "whole")["body"]
    for index in (1, 2):
        certify(pytester, WRONG, f"--shard={index}/2", into=f"part{index}", code=1)
    assert "does not conform" in ask("merge", "part1", "part2", "--into=joined", code=1).output
