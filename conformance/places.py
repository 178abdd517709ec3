"""Where texts are kept for later runs, by item and name: a folder, or a Redis server that several machines share."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from conformance.files import write
from conformance.target import one_line

_EXPECTED = "expected a folder, or redis://HOST[:PORT]/DB, such as redis://localhost:6379/0"
_NEEDED = "a corpus in Redis needs the module redis: pip install 'layer-conformance[redis]'"

# Seconds that a server may take to answer. In a network of one site it takes milliseconds.
_PATIENCE = 10.0


class Unreachable(Exception):
    """A place that cannot be read or written; the message says why, and what would help."""


class Place(Protocol):
    """Texts by item and name. Every method raises ``Unreachable`` where the place cannot be read or written."""

    def texts(self, item: str) -> dict[str, str]:
        """All texts of an item by name."""

    def put(self, item: str, name: str, text: str) -> None:
        """Keep a text; another one of the same name gives way."""

    def drop(self, item: str, name: str) -> None:
        """Keep it no more, if it is there."""


def place(given: str) -> Place:
    """The place that is called so. Raises ``Unreachable`` where it is of no use."""
    if "://" not in given:
        return Folder(Path(given))
    if urlsplit(given).scheme not in ("redis", "rediss") or not re.fullmatch(r"/\d+", urlsplit(given).path):
        raise Unreachable(f"{_without_password(given)!r} is no place for a corpus; {_EXPECTED}")
    return Redis(given)


def _without_password(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//", url)


class Folder:
    """A folder with one for every item, whose files are whole or not there.

    Equal names hold equal cases, so machines that share it are in nobody's way.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with self._reached("made"):
            folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise Unreachable(f"the folder {str(folder)!r} cannot be written to")

    def texts(self, item: str) -> dict[str, str]:
        with self._reached("read"):
            return dict(self._read(self._folder / item))

    def _read(self, folder: Path) -> Iterator[tuple[str, str]]:
        for path in sorted(folder.glob("*.json")):
            try:
                yield path.stem, path.read_text(encoding="utf-8", errors="replace")
            except FileNotFoundError:  # another run has dropped it in the meantime
                continue

    def put(self, item: str, name: str, text: str) -> None:
        with self._reached("written"):
            (self._folder / item).mkdir(exist_ok=True)
            write(self._folder / item / f"{name}.json", text)

    def drop(self, item: str, name: str) -> None:
        with self._reached("written"):
            (self._folder / item / f"{name}.json").unlink(missing_ok=True)

    @contextmanager
    def _reached(self, how: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unreachable(f"the folder {str(self._folder)!r} cannot be {how}: {error.strerror}") from error


class Redis:
    """A Redis database: for every item a hash ``conformance:ITEM`` of names and texts."""

    def __init__(self, url: str) -> None:
        try:
            import redis
        except ModuleNotFoundError as error:
            raise Unreachable(_NEEDED) from error
        self._shown = _without_password(url)
        self._error = redis.RedisError
        self._server: Any = redis.Redis.from_url(
            url, decode_responses=True, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE
        )
        with self._reached():
            self._server.ping()

    def texts(self, item: str) -> dict[str, str]:
        with self._reached():
            return dict(self._server.hgetall(_key(item)))

    def put(self, item: str, name: str, text: str) -> None:
        with self._reached():
            self._server.hset(_key(item), name, text)

    def drop(self, item: str, name: str) -> None:
        with self._reached():
            self._server.hdel(_key(item), name)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except self._error as error:
            raise Unreachable(
                f"{self._shown} does not answer: {one_line(error)}; is a Redis server there? "
                "It is started by: redis-server"
            ) from error


def _key(item: str) -> str:
    return f"conformance:{item}"
