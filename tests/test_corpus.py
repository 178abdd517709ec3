"""A corpus: what runs keep, what later runs put first, and what is told where neither can be done."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis.strategies import SearchStrategy

from conformance import checks
from conformance.case import Case
from conformance.certificate import Unusable, canonical
from conformance.corpus import Corpus
from conformance.drawing import listed
from conformance.environment import sources
from conformance.isolation import Worker
from conformance.kept import Kept
from conformance.merging import merged
from conformance.places import Folder, place
from conformance.regression import changes
from conformance.report import item_data
from conformance.run import run
from conformance.tally import Nonconforming, Tally
from conformance.target import Target
from conformance.targets import load, offering
from conformance.values import Values
from conformance.verdict import Status, Verdict
from tests.certified import HONEST, WRONG, certify, document
from tests.test_certificate import conforms_to_schema

pytest_plugins = "pytester"

RELU = ("relu", "float32", "forward")


def kept(size: int, status: Status = Status.PASS, ratio: float = 0.5, made_by: str = "", **changes: Any) -> Kept:
    case = Case("relu", "float32", {"input": Values((size,))})
    return Kept("forward", replace(case, **changes), status, ratio, made_by or sources())


def found(*cases: Kept) -> Tally:
    """What a run has found in which these cases were drawn."""
    tally = Tally()
    for each in cases:
        verdict = Verdict(Status(each.status), each.ratio)
        tally.add(each.case, verdict)
        if each.failed:
            tally.failures.append(Nonconforming("forward", each.case, verdict))
    return tally


def mine(relu: Callable[[Any], Any]) -> Target:
    return offering("mine", {"relu": relu, "formats": ("float32",)})


def honest(input: Any) -> Any:
    return np.maximum(input, 0)


def wrong_beyond(size: int) -> Callable[[Any], Any]:
    return lambda input: np.maximum(input, 0) + (input.size > size)


# What is kept


def test_failures_and_largest_errors_are_kept_and_read_again(tmp_path: Path) -> None:
    corpus = Corpus(Folder(tmp_path))
    corpus.keep(RELU, found(kept(3), kept(4, ratio=0.7), kept(2, Status.FAIL, float("inf"))))
    assert corpus.of(RELU) == ([kept(2, Status.FAIL, float("inf")), kept(4, ratio=0.7)], [])
    assert corpus.of(("relu", "float32", "large")) == ([], [])
    names = {path.name.partition("-")[0] for path in (tmp_path / "relu-float32-forward").iterdir()}
    assert names == {"failed", "largest"}


def test_where_nothing_was_rounded_there_is_no_largest_error(tmp_path: Path) -> None:
    corpus = Corpus(Folder(tmp_path))
    corpus.keep(RELU, found(kept(3, ratio=0.0)))
    assert corpus.of(RELU) == ([], [])


def test_as_many_are_kept_as_the_shortest_run_asks_whatever_their_order(tmp_path: Path) -> None:
    cases = [kept(size, ratio=size / 10) for size in range(1, 6)]
    cases += [kept(size, Status.FAIL, 2.0) for size in range(21, 33)]
    wanted = [kept(size, Status.FAIL, 2.0) for size in range(21, 30)]
    wanted += [kept(size, ratio=size / 10) for size in (5, 4, 3)]
    assert len(wanted) == 12
    for number, order in enumerate((cases, cases[::-1], cases[::2] + cases[1::2])):
        corpus = Corpus(Folder(tmp_path / str(number)))
        for each in order:
            corpus.keep(RELU, found(each))
        assert corpus.of(RELU) == (wanted, [])


def test_corpora_are_joined_by_copying_and_the_next_run_keeps_the_best(tmp_path: Path) -> None:
    for first in (1, 4):
        corpus = Corpus(Folder(tmp_path / str(first)))
        for size in range(first, first + 3):
            corpus.keep(RELU, found(kept(size, ratio=size / 10)))
    shutil.copytree(tmp_path / "1", tmp_path / "4", dirs_exist_ok=True)
    best = [kept(size, ratio=size / 10) for size in (6, 5, 4)]
    assert corpus.of(RELU) == (best, [])
    corpus.keep(RELU, found(kept(3, ratio=0.3)))
    assert len(list((tmp_path / "4").rglob("*.json"))) == 3
    assert corpus.of(RELU) == (best, [])


def test_a_case_that_fails_now_is_no_longer_a_largest_error(tmp_path: Path) -> None:
    corpus = Corpus(Folder(tmp_path))
    for each in (kept(3), kept(3, Status.FAIL, 2.0), kept(3)):
        corpus.keep(RELU, found(each))
    assert corpus.of(RELU) == ([kept(3, Status.FAIL, 2.0)], [])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"kept": 1, "case"', "JSONDecodeError: "),
        ("[]", "TypeError: "),
        (json.dumps({**kept(3).to_json(), "kept": 2}), "ValueError: it has the form 2; this suite reads form 1"),
        (json.dumps({**kept(3).to_json(), "check": "large"}), "ValueError: it is a case of relu-float32-large"),
        (json.dumps({**kept(3).to_json(), "status": "SPLENDID"}), "ValueError: 'SPLENDID' is not a valid Status"),
        (json.dumps(kept(3, made_by="old", parameters={"dim": 1}).to_json()), "ValueError: relu has no dim"),
        (json.dumps(kept(3, made_by="old", tensors={}).to_json()), "ValueError: relu needs input"),
        (json.dumps(kept(3, made_by="old", tensors={"input": Values((3,), "moody")}).to_json()), "KeyError: "),
    ],
)
def test_what_cannot_be_read_is_told_and_stays_where_it_is(tmp_path: Path, text: str, why: str) -> None:
    corpus = Corpus(Folder(tmp_path))
    corpus.keep(RELU, found(kept(3)))
    damaged = tmp_path / "relu-float32-forward" / "largest-0.json"
    damaged.write_text(text)
    cases, (unread,) = corpus.of(RELU)
    assert cases == [kept(3)]
    assert unread.startswith(f"largest-0 of relu-float32-forward cannot be read: {why}")
    for size in range(4, 9):
        corpus.keep(RELU, found(kept(size, ratio=0.9)))
    assert damaged.read_text() == text


@pytest.mark.parametrize("layer", ["linear", "dropout", "kaiming_uniform", "default_initialisation", "embedding"])
def test_no_case_is_refused_because_another_version_has_kept_it(tmp_path: Path, layer: str) -> None:
    target = load("torch-cpu")
    corpus = Corpus(Folder(tmp_path))
    for check in checks.asked(layer):
        source = checks.check(check).cases(layer, "float32", target, 5)
        cases = listed(source, 5, check) if isinstance(source, SearchStrategy) else source[:5]
        old = {each.name: each for each in (Kept(check, case, Status.FAIL, 2.0, "old") for case in cases)}
        folder = tmp_path / f"{layer}-float32-{check}"
        folder.mkdir()
        for name, each in old.items():
            (folder / f"{name}.json").write_text(json.dumps(each.to_json(), allow_nan=False))
        read, unread = corpus.of((layer, "float32", check))
        assert not unread
        assert {each.name: repr(each) for each in read} == {name: repr(each) for name, each in old.items()}


# What is put first


def test_where_a_case_fails_as_it_did_nothing_is_drawn() -> None:
    recalled = [kept(9, Status.FAIL, 2.0), kept(3)]
    tally = run(mine(wrong_beyond(5)), *RELU, 10, recalled=recalled)
    assert tally.failure
    assert tally.failure.case == recalled[0].case
    assert (tally.cases, tally.recalled, tally.ratios) == (2, {"FAIL": 1, "PASS": 1}, [])


def test_a_largest_error_that_fails_now_gives_way_to_a_plainer_case() -> None:
    tally = run(mine(wrong_beyond(5)), *RELU, 30, recalled=[kept(40)])
    assert tally.failure
    assert tally.failure.case
    assert tally.failure.case.elements == 6
    assert tally.recalled == {"FAIL": 1}
    assert len(tally.ratios) > 1


def test_a_largest_error_that_fails_now_is_the_failure_where_no_other_is_drawn() -> None:
    tally = run(mine(lambda input: honest(input) + (input.shape == (40,))), *RELU, 5, recalled=[kept(40)])
    assert tally.failure
    assert tally.failure.case == kept(40).case
    assert len(tally.ratios) == 5


def test_what_is_computed_of_chance_leaves_a_corpus_out() -> None:
    target = load("torch-cpu")
    recalled = [kept(3, layer="sigmoid"), kept(4, Status.FAIL, 2.0, layer="sigmoid")]
    plain, led = (run(target, "sigmoid", "float32", "forward", 5, recalled=those) for those in ((), recalled))
    one, other = (item_data("sigmoid", "float32", "forward", tally) for tally in (plain, led))
    assert [name for name in one if one[name] != other[name] and name != "seconds"] == ["counts"]
    assert led.cases == plain.cases + 2
    assert led.recalled == {"PASS": 2}


def test_a_case_of_another_version_that_the_suite_cannot_put_is_told_and_excuses_nothing_else() -> None:
    def raises(array: Any) -> tuple[Any, str]:
        if array.ndim == 1:
            raise LookupError("what is that")
        return array.astype(float), str(array.dtype)

    target = offering("mine", {"relu": honest, "formats": ("float32",), "read": raises})
    tally = run(target, *RELU, 3, recalled=[kept(3, made_by="old")])
    assert tally.recalled == {"UNSUPPORTED": 1}
    (reason,) = tally.reasons
    assert reason.startswith("kept by another version of the suite, and of no use to this one: LookupError: what is")
    assert tally.failure, "the same error fails a case that was drawn"
    assert run(target, *RELU, 3, recalled=[kept(3)]).recalled == {"CRASHED": 1}


def test_cases_that_a_target_has_no_layout_for_are_unsupported() -> None:
    target = offering("mine", {"relu": honest, "formats": ("float32",), "layouts": ("contiguous",)})
    tally = run(target, *RELU, 3, recalled=[kept(3, layouts={"input": "offset"})])
    assert tally.reasons == {"mine has no layout offset": 1}
    assert tally.failure is None


FATAL = """
import os
import numpy as np

formats = ("float32",)

def relu(input):
    if input.shape == (40,):
        os._exit(7)
    return np.maximum(input, 0) + (input.size > 5)
"""


def test_a_corpus_gives_the_same_in_another_process_which_may_die_of_it(tmp_path: Path) -> None:
    path = tmp_path / "kernels.py"
    path.write_text(FATAL)
    worker = Worker(str(path))
    for recalled in ([kept(3), kept(9)], [kept(9, Status.FAIL, 2.0)]):
        here, there = run(load(str(path)), *RELU, 10, recalled=recalled), Tally()
        worker.run(*RELU, 10, there, recalled=recalled)
        one, other = (json.loads(json.dumps(item_data(*RELU, tally) | {"seconds": 0})) for tally in (here, there))
        assert one == other
        assert there.recalled == here.recalled
    died = Tally()
    worker.run(*RELU, 10, died, recalled=[kept(3), kept(40)])
    worker.stop()
    assert died.failure
    assert (died.failure.case, died.recalled) == (kept(40).case, {"PASS": 1})


# Runs


def test_a_run_puts_first_what_others_have_kept_and_its_certificate_says_so(pytester: pytest.Pytester) -> None:
    wrong = WRONG.replace("np.exp(-input.astype(np.float64))", "np.exp(-input)")  # rounds too often, but little
    arguments = ["--corpus=corpus", "--layer=sigmoid", "-k", "forward"]
    done = certify(pytester, wrong, *arguments, code=1)
    done.stdout.fnmatch_lines(["0 cases of the corpus were put first"])
    assert document(pytester)["body"]["report"]["corpus"]["cases"] == 0
    cases = sorted(path.relative_to(pytester.path) for path in (pytester.path / "corpus").rglob("*.json"))
    assert len(cases) == 2
    shutil.copytree(pytester.path / "corpus", pytester.path / "copy")
    done = certify(pytester, HONEST, *arguments, into="new")
    done.stdout.fnmatch_lines(["2 cases of the corpus were put first"])
    assert {*cases} <= {path.relative_to(pytester.path) for path in (pytester.path / "corpus").rglob("*.json")}
    new = document(pytester, "new")
    conforms_to_schema(new)
    relu, _ = (item for item in new["body"]["report"]["items"])
    assert relu["corpus"].items() >= {"cases": 1, "counts": {"PASS": 1}, "unread": []}.items()
    assert (sum(relu["counts"].values()), len(relu["ratios"])) == (5, 4)

    certify(pytester, HONEST, *arguments, "--corpus=copy", into="again")
    again = document(pytester, "again")
    assert canonical(again["body"]) == canonical(new["body"]), "an equal corpus gives equal bytes"
    certify(pytester, HONEST, "--layer=sigmoid", "-k", "forward", into="without")
    without = document(pytester, "without")
    assert "corpus" not in without["body"]["report"]
    assert not any("corpus" in item for item in without["body"]["report"]["items"])
    for pair in ((without, new), (new, without)):
        assert not changes(*pair), "a corpus is no change of the target"


def test_shards_with_a_corpus_are_the_run_to_the_byte(pytester: pytest.Pytester) -> None:
    certify(pytester, WRONG, "--corpus=corpus", into="before", code=1)
    shutil.copytree(pytester.path / "corpus", pytester.path / "copy")
    certify(pytester, WRONG, "--corpus=copy", into="whole", code=1)
    parts = {}
    for index in ("1", "2"):
        certify(pytester, WRONG, "--corpus=corpus", f"--shard={index}/2", into=index, code=1)
        parts[index] = document(pytester, index)
    whole = document(pytester, "whole")
    assert whole["body"]["report"]["corpus"]["cases"] > 2
    assert canonical(merged(parts)["body"]) == canonical(whole["body"])
    certify(pytester, WRONG, "--shard=2/2", into="2", code=1)
    parts["2"] = document(pytester, "2")
    with pytest.raises(Unusable, match="2 is not of the run of 1: one was made with --corpus, the other without"):
        merged(parts)


def test_workers_of_a_run_share_its_corpus(tmp_path: Path) -> None:
    (tmp_path / "kernels.py").write_text(WRONG)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--target={tmp_path / 'kernels.py'}"]
    command += [
        "--layer=relu",
        "--max-examples=3",
        f"--corpus={tmp_path / 'corpus'}",
        "-n",
        "2",
        "-k",
        "forward or special",
    ]
    root = Path(__file__).parents[1]
    done = [subprocess.run(command, cwd=root, capture_output=True, text=True, check=False) for _ in range(2)]
    assert [each.returncode for each in done] == [1, 1], done[0].stdout
    assert [f"{count} cases of the corpus were put first" in done[count // 2].stdout for count in (0, 2)] == [True] * 2


def test_what_cannot_be_read_is_told_at_the_end_of_a_run(pytester: pytest.Pytester) -> None:
    folder = pytester.mkdir("corpus") / "relu-float32-forward"
    folder.mkdir()
    (folder / "failed-0.json").write_text('{"kept": 1, "ca')
    done = certify(pytester, HONEST, "--corpus=corpus", "-k", "forward")
    done.stdout.fnmatch_lines(["left out of the corpus: failed-0 of relu-float32-forward cannot be read:"])
    conforms_to_schema(document(pytester))


def test_a_full_disk_is_told_once_and_takes_nothing_away_from_the_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    source = pytester.makepyfile(kernels=WRONG)
    specs = str(Path(__file__).parents[1] / "conformance")
    given = ["-p", "no:cacheprovider", specs, f"--target={source}", "--layer=relu", "--max-examples=4", "--corpus=full"]
    done = pytester.runpytest_inprocess(*given)
    assert done.ret == pytest.ExitCode.INTERNAL_ERROR
    done.stdout.fnmatch_lines(["relu *", "--corpus: the folder 'full' cannot be written: No space left on device"])
    assert done.stdout.str().count("No space left") == 1
    assert not [path for path in (pytester.path / "full").rglob("*") if path.is_file()]


def usage(pytester: pytest.Pytester, given: str) -> str:
    return certify(pytester, HONEST, f"--corpus={given}", code=4).stderr.str()


def test_a_place_of_no_use_is_refused_before_the_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pytester.path / "file").write_text("")
    assert "--corpus: the folder 'file' cannot be made: File exists" in usage(pytester, "file")
    expected = "is no place for a corpus; expected a folder, or redis://HOST[:PORT]/DB"
    assert f"'s3://bucket/0' {expected}" in usage(pytester, "s3://bucket/0")
    assert f"'redis://host' {expected}" in usage(pytester, "redis://me:secret@host")
    monkeypatch.setitem(sys.modules, "redis", None)
    assert "the module redis: pip install 'layer-conformance[redis]'" in usage(pytester, "redis://localhost/0")


# Redis


class Fake:
    """A server that holds hashes, until it is lost."""

    class RedisError(Exception):
        pass

    def __init__(self) -> None:
        self.hashes: dict[str, dict[str, str]] = {}
        self.lost = False
        self.Redis = SimpleNamespace(from_url=lambda url, **options: self)

    def _hash(self, name: str) -> dict[str, str]:
        if self.lost:
            raise self.RedisError("Connection refused.")
        return self.hashes.setdefault(name, {})

    def ping(self) -> None:
        self._hash("")

    def hgetall(self, name: str) -> dict[str, str]:
        return self._hash(name)

    def hset(self, name: str, key: str, value: str) -> None:
        self._hash(name)[key] = value

    def hdel(self, name: str, key: str) -> None:
        self._hash(name).pop(key, None)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    server = Fake()
    monkeypatch.setitem(sys.modules, "redis", server)  # type: ignore[arg-type]
    return server


def test_a_corpus_in_redis_is_that_of_a_folder(fake: Fake, tmp_path: Path) -> None:
    places = place("redis://localhost/0"), place(str(tmp_path))
    for size in range(3, 9):
        for each in places:
            Corpus(each).keep(RELU, found(kept(size), kept(size + 10, Status.FAIL, 2.0)))
    one, other = (Corpus(each).of(RELU) for each in places)
    assert one == other
    assert set(fake.hashes) == {"", "conformance:relu-float32-forward"}


def test_a_server_that_does_not_answer_is_refused_without_its_password(fake: Fake, pytester: pytest.Pytester) -> None:
    fake.lost = True
    told = usage(pytester, "redis://me:secret@localhost:7777/3")
    assert "--corpus: redis://localhost:7777/3 does not answer: Connection refused.; is a Redis server there?" in told
    assert "secret" not in told


def test_a_server_that_is_lost_during_a_run_is_told_once(fake: Fake, pytester: pytest.Pytester) -> None:
    source = HONEST + "\n\nimport sys\nsys.modules['redis'].lost = True\n"
    done = certify(pytester, source, "--corpus=redis://localhost/0", code=pytest.ExitCode.INTERNAL_ERROR)
    assert done.stdout.str().count("--corpus: redis://localhost/0 does not answer: Connection refused.") == 1
    assert document(pytester)["body"]["verdict"] == "conforms"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a Redis server of our own."""
    pytest.importorskip("redis", reason="the module redis is not installed")
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    for _ in itertools.takewhile(lambda begun: time.monotonic() - begun < 30, itertools.repeat(time.monotonic())):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"redis://127.0.0.1:{port}/0"
    process.terminate()
    process.wait()


def test_two_machines_share_the_cases_of_a_real_server(server: str) -> None:
    one, other = (Corpus(place(server)) for _ in range(2))
    one.keep(RELU, found(kept(3), kept(5, Status.FAIL, float("inf"))))
    other.keep(RELU, found(kept(4, ratio=0.75)))
    expected = [kept(5, Status.FAIL, float("inf")), kept(4, ratio=0.75), kept(3)]
    assert one.of(RELU) == other.of(RELU) == (expected, [])
