"""The target keras: its layers conform, and what it knows of Keras is so, on every backend that is installed."""

import importlib.util
import os
import subprocess
import sys

import pytest

from conformance import Deviation, Unavailable, load
from conformance.checking import lenient
from conformance.run import run
from oracle import formulas

try:
    KERAS = load("keras")
except Unavailable as unavailable:
    pytest.skip(str(unavailable), allow_module_level=True)

import keras

from conformance.targets.keras import BACKENDS, spatial
from conformance.targets.keras._deviations import BY_BACKEND, FIRST_BY_BACKEND
from conformance.targets.keras._layers import LAYERS

INSTALLED = [backend for backend in BACKENDS if importlib.util.find_spec(backend)]
LOADED = keras.config.backend()


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_conforms(layer: str) -> None:
    kind = "forward" if layer in formulas.names() else "law"
    with lenient():
        tally = run(KERAS, layer, "float32", kind, 2)
    assert tally.failure is None, tally.failure


@pytest.mark.parametrize("layer", spatial.layers(spatial.FIRST))
def test_a_layer_of_images_whose_channels_come_first_conforms(layer: str) -> None:
    target = load(f"keras-{LOADED}-channels-first")
    assert target.layer("linear") is None
    with lenient():
        tally = run(target, layer, "float32", "forward", 2)
    assert tally.failure is None, tally.failure


@pytest.mark.parametrize(
    ("backend", "deviation"),
    [
        (backend, deviation)
        for backend in INSTALLED
        for deviation in (*BY_BACKEND[backend], *FIRST_BY_BACKEND.get(backend, ()))
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.layer}: {value.reason[:40]}",
)
def test_a_reproducer_prints_what_its_last_comment_says(backend: str, deviation: Deviation) -> None:
    lines = deviation.reproducer.splitlines()
    said: list[str] = []
    while lines[-1].startswith("# "):
        said.insert(0, lines.pop().removeprefix("# "))
    assert printed(backend, deviation.reproducer) == said


def printed(backend: str, program: str) -> list[str]:
    """The lines that a program prints in a process of its own: Keras has one backend per process."""
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    return done.stdout.splitlines()


@pytest.mark.parametrize("backend", [backend for backend in BACKENDS if backend != LOADED])
def test_another_backend_needs_a_process_of_its_own(backend: str) -> None:
    with pytest.raises(Unavailable, match=f"one backend per process, and {LOADED} is loaded"):
        load(f"keras-{backend}")


def test_a_backend_without_a_target_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "openvino")
    with pytest.raises(Unavailable, match="'openvino'; it must be one of jax, torch, tensorflow"):
        load("keras")


def test_the_variant_of_the_backend_that_is_loaded_is_the_same_target() -> None:
    assert load(f"keras-{LOADED}").description == KERAS.description


def test_what_dropout_draws_depends_on_the_seed_alone() -> None:
    dropout = KERAS.layer("dropout")
    assert dropout is not None

    def drawn(seed: int) -> list[float]:
        KERAS.seed(seed)
        return KERAS.read(dropout(keras.ops.ones(64), p=0.5))[0].tolist()

    assert drawn(1) == drawn(1) != drawn(2)
