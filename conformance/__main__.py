"""The command ``conformance``, or ``python -m conformance``: begin a target, list the layers.

The suite itself is run by pytest: ``pytest --pyargs conformance --target=NAME.py``.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from conformance.case import Case
from conformance.drawing import listed
from conformance.spec import names, spec
from oracle import initialisation
from oracle.formulas import formula
from oracle.formulas import names as with_formula

_SKELETON = Path(__file__).with_name("skeleton.txt")

# Calls of a layer that show all that it may be called with.
_CALLS = 50


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line asks. Exits with status 2 where that cannot be done."""
    parser = argparse.ArgumentParser("conformance", description="conformance of neural-network layers")
    commands = parser.add_subparsers(dest="command", required=True)
    new = commands.add_parser("new-target", help="write a file NAME.py that the suite can test at once")
    new.add_argument("name", metavar="NAME", help="what the target is called, or a path to the new file")
    listing = commands.add_parser("layers", help="list the layers, each as the function that a target offers")
    listing.add_argument("layer", metavar="LAYER", nargs="*", help="only these, with what they compute")
    given = parser.parse_args(arguments)
    if given.command == "new-target":
        print(_begun(new, given.name))
        return
    for layer in given.layer:
        if layer not in names():
            listing.error(f"unknown layer {layer!r}; known: {', '.join(names())}")
    for layer in given.layer or names():
        print(signature(layer))
        if given.layer:
            print(f"    {inspect.getdoc(_specified(layer))}\n".replace("\n", "\n    ").rstrip() + "\n")


def _begun(parser: argparse.ArgumentParser, name: str) -> str:
    """What to do with the file that was written."""
    path = Path(name if name.endswith(".py") else f"{name}.py")
    text = _SKELETON.read_text(encoding="utf-8").replace("NAME", path.stem)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        parser.error(f"{path} exists already; choose another name, or remove it")
    except OSError as error:
        parser.error(f"{path} cannot be written: {error.strerror}")
    return f"wrote {path}; run it: pytest --pyargs conformance --target={path}"


def signature(layer: str) -> str:
    """The function of a layer as a target offers it: the tensors and parameters of its calls."""
    source = spec(layer).arguments.map(lambda call: Case(layer, "float32", call.tensors, call.parameters))
    calls = listed(source, _CALLS, f"calls of {layer}")
    tensors = {name for call in calls for name in call.tensors}
    parameters = {name for call in calls for name in call.parameters}
    written = inspect.signature(_specified(layer)).parameters
    defaults = {name: each.default for name, each in written.items() if each.default is not each.empty}
    order = [*written, *sorted(tensors | parameters)]

    def named(found: Iterable[str]) -> list[str]:
        return [f"{name}={defaults[name]!r}" if name in defaults else name for name in sorted(found, key=order.index)]

    keywords = ["*", *named(parameters)] if parameters else []
    return f"{layer}({', '.join([*named(tensors), *keywords])})"


def _specified(layer: str) -> Callable[..., object]:
    """The formula of a layer, or its law."""
    found: Callable[..., object] = formula(layer) if layer in with_formula() else getattr(initialisation, layer)
    return found


if __name__ == "__main__":
    main()
