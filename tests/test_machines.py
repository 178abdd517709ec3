"""The examples for schedulers: which shard each puts, and that they end in the certificate of the undivided run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from conformance.certificate import canonical
from tests.certified import HONEST, certify, document

pytest_plugins = "pytester"

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "conformance" / "examples"


@pytest.fixture
def bin(tmp_path: Path) -> Path:
    """A folder that is first on the path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def conformance(bin: Path, script: str) -> None:
    """Put a program of this name there."""
    path = bin / "conformance"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def put(bin: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{bin}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(command, env=environment, cwd=bin.parent, capture_output=True, text=True, check=False)


def container(name: str) -> tuple[str, dict[str, str]]:
    """The script of a Job's only container, and its variables."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    script = re.search(r"args:\n +- \|\n(.*?)\n +volumeMounts", text, re.DOTALL)
    assert script
    return textwrap.dedent(script[1]), dict(re.findall(r"\{name: (\w+), value: \"?([^\"}]*)\"?\}", text))


SAYS = 'echo "$@"'


@pytest.mark.parametrize(("first", "task", "shard"), [("1", "1", "1/4"), ("1", "4", "4/4"), ("0", "0", "1/4")])
def test_a_task_of_slurm_is_a_shard_wherever_the_array_begins(bin: Path, first: str, task: str, shard: str) -> None:
    conformance(bin, SAYS)
    array = {"SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_MIN": first, "SLURM_ARRAY_TASK_COUNT": "4"}
    script = str(EXAMPLES / "slurm.sh")
    done = put(bin, "sh", script, "mine", "parts", "--layer=relu", **array, SLURM_CPUS_PER_TASK="2")
    number = shard.partition("/")[0]
    assert done.stdout == f"certify mine --shard={shard} --into parts/{number} -n 2 --layer=relu\n"


@pytest.mark.parametrize(("index", "shard"), [("0", "1"), ("15", "16")])
def test_a_completion_of_kubernetes_is_the_next_shard(bin: Path, index: str, shard: str) -> None:
    conformance(bin, SAYS)
    script, variables = container("kubernetes-shards.yaml")
    done = put(bin, "sh", "-c", script, **variables, JOB_COMPLETION_INDEX=index)
    assert done.stdout == f"certify torch-cpu --shard={shard}/16 --into /conformance/parts/{shard}\n"
    text = (EXAMPLES / "kubernetes-shards.yaml").read_text(encoding="utf-8")
    assert re.findall(r"(?:completions|parallelism): (\d+)", text) == [variables["SHARDS"]] * 2


def test_the_job_that_merges_takes_the_parts_that_the_other_has_left(bin: Path, tmp_path: Path) -> None:
    conformance(bin, SAYS)
    script, variables = container("kubernetes-merge.yaml")
    assert variables["PARTS"] == container("kubernetes-shards.yaml")[1]["PARTS"]
    parts = tmp_path / "parts"
    for number in "12":
        (parts / number).mkdir(parents=True)
    done = put(bin, "sh", "-c", script, PARTS=str(parts))
    assert done.stdout == f"merge {parts}/1 {parts}/2 --into {parts}/../certificate\n"


@pytest.mark.parametrize(("code", "end"), [(0, 0), (1, 0), (4, 1)])
def test_a_shard_fails_a_job_only_where_it_has_no_result(bin: Path, code: int, end: int) -> None:
    conformance(bin, f"exit {code}")
    script, variables = container("kubernetes-shards.yaml")
    array = {"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "1"}
    slurm = put(bin, "sh", str(EXAMPLES / "slurm.sh"), "mine", "parts", **array, SLURM_CPUS_PER_TASK="1")
    kubernetes = put(bin, "sh", "-c", script, **variables, JOB_COMPLETION_INDEX="0")
    assert (slurm.returncode, kubernetes.returncode) == (end, end)
    assert bool(put(bin, "sh", str(EXAMPLES / "local.sh"), "mine", "2").returncode) == bool(code)


def test_processes_of_one_machine_end_in_the_certificate_of_the_undivided_run(
    pytester: pytest.Pytester, bin: Path, tmp_path: Path
) -> None:
    conformance(bin, f'exec {sys.executable} -m conformance "$@"')
    certify(pytester, HONEST)
    target = str(pytester.path / "kernels.py")
    done = put(bin, "sh", str(EXAMPLES / "local.sh"), target, "2", "--layer=relu", "--max-examples=4")
    assert done.returncode == 0, done.stdout + done.stderr
    whole = document(pytester)
    joined = pytester.path / "joined"
    joined.symlink_to(tmp_path / "certificate")
    assert canonical(document(pytester, "joined")["body"]) == canonical(whole["body"])
