"""The wheel, in a virtual environment of its own and away from the checkout."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from conformance.environment import suite

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with the wheel.

    Its dependencies are those of the environment that runs the tests.
    """
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, with_pip=False, symlinks=True)
    interpreter = home / "bin" / "python"
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(interpreter),
        "install",
        "--no-deps",
        "--no-index",
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True, text=True)
    (packages,) = home.glob("lib/*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return interpreter


def test_the_wheel_holds_the_fixtures_and_no_stray_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"conformance", "oracle"}
    assert "conformance/fixtures/conv2d.toml" in names
    data = ("certificate.schema.json", "costs.json", "page.css", "page.html", "page.js")
    assert {f"conformance/{name}" for name in data} <= set(names)


def test_the_installed_suite_runs_anywhere(python: Path, tmp_path: Path) -> None:
    arguments = [
        "--pyargs",
        "conformance",
        "--target=oracle-float32",
        "--layer=linear,conv2d",
        "--max-examples=5",
        "-v",
    ]
    done = subprocess.run(
        [python, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "conv2d-float32-worked PASSED" in done.stdout


def test_the_installed_suite_is_the_wheels(python: Path, tmp_path: Path) -> None:
    program = "import conformance, oracle; print(conformance.__file__); print(oracle.__file__)"
    done = subprocess.run([python, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert all(Path(line).is_relative_to(python.parents[1]) for line in done.stdout.splitlines())


def test_the_installed_suite_has_the_same_hash_as_the_checkout(python: Path, tmp_path: Path) -> None:
    program = "from conformance.environment import suite; print(suite()['sources'])"
    done = subprocess.run([python, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == suite()["sources"]
