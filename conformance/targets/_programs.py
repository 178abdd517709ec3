"""Reproducers of what ends the process it is met in, or spoils what that does later: another process meets it."""

from __future__ import annotations

from collections.abc import Mapping


def ends_its_process(program: str, environment: Mapping[str, str] | None = None) -> str:
    """A reproducer that shows that ``program`` ends by a signal, in that environment if one is given."""
    changed = "" if environment is None else f", env={{**os.environ, **{dict(environment)}}}"
    return (
        f"import {'' if environment is None else 'os, '}subprocess, sys\n"
        f"program = '''\n{program}\n'''\n"
        f"ended = subprocess.run([sys.executable, '-c', program], capture_output=True{changed})\n"
        "print(ended.returncode < 0)  # by a signal\n"
        "# True"
    )


def says_in_its_process(program: str, *said: str) -> str:
    """A reproducer that shows the lines that ``program`` prints."""
    return "\n".join(
        (
            "import subprocess, sys",
            f"program = '''\n{program}\n'''",
            "ended = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)",
            "print(ended.stdout.strip())",
            *(f"# {line}" for line in said),
        )
    )
