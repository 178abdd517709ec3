"""The command ``conformance``: a target is begun, the layers are listed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conformance import checks, spec
from conformance.__main__ import main
from conformance.checking import lenient
from conformance.run import run
from conformance.targets import load
from conformance.verdict import Status

ROOT = Path(__file__).parents[1]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What is said of a command line that asks for what cannot be done."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_a_new_target_passes_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    main(["new-target", "mylib"])
    target = load("mylib.py")
    offered = [layer for layer in spec.names() if target.layer(layer)]
    assert offered == ["linear", "relu"]
    for layer in offered:
        for kind in (kind for kind in checks.names() if checks.check(kind).applies(layer)):
            with lenient():
                tally = run(target, layer, "float32", kind, 10)
            assert tally.failure is None, f"{layer}, {kind}"
            assert kind in ("gradient", "typical") or tally.counts[Status.PASS], f"{layer}, {kind}"


def test_a_new_target_is_clean_code_that_bears_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "my_lib.py"
    main(["new-target", str(path)])
    assert capsys.readouterr().out == f"wrote {path}; run it: pytest --pyargs conformance --target={path}\n"
    assert path.read_text().startswith(
        '"""Layers of my_lib under test. Run them with: pytest --pyargs conformance --target=my_lib.py\n'
    )
    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", "--config", str(ROOT / "pyproject.toml")]
        subprocess.run([*ruff, str(path)], check=True, capture_output=True)


def test_a_new_target_does_not_take_the_place_of_a_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("numpy", "numpy.py"):
        assert "choose another name, such as numpy_layers" in refused(capsys, "new-target", name)
    assert not list(tmp_path.iterdir())


def test_the_backward_that_a_new_target_shows_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    main(["new-target", "mylib"])
    path = tmp_path / "mylib.py"
    before, shown = path.read_text().split("# calls = []\n")
    shown, after = shown.split("\n\n\n", 1)
    code = "\n".join(line.removeprefix("#").removeprefix(" ") for line in shown.splitlines())
    library = """
class mylib:
    sigmoid = staticmethod(lambda x: 1 / (1 + np.exp(-x)))
    sigmoid_backward = staticmethod(lambda above, y: above * y * (1 - y))
"""
    path.write_text(f"{before}calls = []\n\n{code}\n{library}\n\n{after}")
    with lenient(), np.errstate(over="ignore"):
        tally = run(load("mylib.py"), "sigmoid", "float32", "gradient", 10)
    assert tally.counts[Status.PASS], tally.counts


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.py"
    path.write_text("precious")
    assert f"{path} exists already" in refused(capsys, "new-target", str(path))
    assert path.read_text() == "precious"
    assert "cannot be written: No such file or directory" in refused(capsys, "new-target", str(tmp_path / "no" / "x"))


def test_layers_are_listed_as_a_target_offers_them(capsys: pytest.CaptureFixture[str]) -> None:
    main(["layers", "dropout", "max_pool2d", "kaiming_normal"])
    lines = capsys.readouterr().out.splitlines()
    assert "dropout(input, *, p=0.5)" in lines, "the mask is the layer's own"
    pooled = "kernel_size, stride=None, padding=(0, 0), dilation=(1, 1), ceil_mode=False, return_indices=False"
    assert f"max_pool2d(input, *, {pooled})" in lines
    assert "kaiming_normal(tensor, *, a=0.0, mode='fan_in', nonlinearity='leaky_relu')" in lines
    assert "    y = x m / (1 − p); zeros for p = 1." in lines


def test_an_unknown_layer_lists_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert f"unknown layer 'liner'; known: {', '.join(spec.names())}" in refused(capsys, "layers", "liner")


def test_the_module_is_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "conformance", "layers", "relu"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("relu(input)\n    y = ")
