"""What targets declare as data, in files that need none of their libraries."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

TARGETS = Path(__file__).parent / "targets"


def declarations(pattern: str) -> Iterator[tuple[str, ModuleType]]:
    """The files of this name in the folders of targets, as modules, with the names of the folders.

    The package that a file belongs to is not imported: that needs the library, which may not be here.
    """
    for path in sorted(TARGETS.glob(f"*/{pattern}")):
        folder = path.parent.name
        description = importlib.util.spec_from_file_location(f"{folder}{path.stem}", path)
        assert description is not None
        assert description.loader is not None
        module = importlib.util.module_from_spec(description)
        description.loader.exec_module(module)
        yield folder, module
