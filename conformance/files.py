"""Files that are whole or not there: a run that is killed, or a full disk, leaves no half of one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4


def write(path: Path, text: str) -> None:
    """Write the file beside its place, then put it there: what was there before stays until all is written.

    Raises ``OSError``, which names the file, where that cannot be done; then nothing has changed.
    """
    beside = path.with_name(f".{path.name}.{uuid4().hex}")  # of no other process, on this machine or another
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # which a full disk leaves open
        raise


def write_all(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files by their names within the folder, which is made where it is missing. Raises ``OSError``."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, text)
