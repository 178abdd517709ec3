"""Another program, which is told something on its standard input and answers on its standard output.

Whatever it does, its user gets an answer or ``Died``: it may end, crash, or say nothing for too long.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Callable, Sequence
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import IO

from conformance.target import Died

# Lines of what a program has printed that are shown where it dies.
_LAST_WORDS = 20

_OUR_FILES = str(Path(__file__).parent)


class Program:
    """A process that starts when it is needed, and again after it has died; it ends with this object.

    ``timeout`` are the seconds that each reading may take; ``greeted`` is called each time that it has started.
    """

    def __init__(self, arguments: Sequence[str], timeout: float, greeted: Callable[[Program], object]) -> None:
        self._arguments = arguments
        self._timeout = timeout
        self._greeted = greeted
        self._process: subprocess.Popen[bytes] | None = None

    def tell(self, said: bytes) -> None:
        """Write to its standard input. Raises ``Died`` where it cannot be started."""
        if self._process is None:
            self._start()
        stdin = self._running.stdin
        assert stdin is not None
        with contextlib.suppress(BrokenPipeError):  # then there is no answer either
            stdin.write(said)
            stdin.flush()

    def line(self, timeout: float | None = None) -> bytes:
        """The next line of its standard output. Raises ``Died`` where there is none."""
        return self._read(lambda stdout: stdout.readline(), lambda found: found.endswith(b"\n"), timeout)

    def block(self, count: int) -> bytes:
        """So many bytes of its standard output. Raises ``Died`` where there are fewer."""
        return self._read(lambda stdout: stdout.read(count), lambda found: len(found) == count)

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process = None
            self._end()

    def died(self, how: str) -> Died:
        """End the process, of which there is no use any more. The error tells what it has printed at last."""
        words = _last_words(self._printed)
        self.stop()
        return Died(how, words)

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "it is told something before it is asked"
        return self._process

    def _start(self) -> None:
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        pipe = subprocess.PIPE
        try:
            # an interrupt from the keyboard is for this process, which ends the other
            self._process = subprocess.Popen(
                self._arguments, stdin=pipe, stdout=pipe, stderr=self._printed, start_new_session=True
            )
        except OSError as error:
            self._printed.close()
            raise Died(f"{self._arguments[0]} does not start: {error.strerror}") from error
        self._end = weakref.finalize(self, _end, self._process, self._printed)
        self._greeted(self)

    def _read(
        self, read: Callable[[IO[bytes]], bytes], complete: Callable[[bytes], bool], timeout: float | None = None
    ) -> bytes:
        timeout = self._timeout if timeout is None else timeout
        process = self._running
        assert process.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(timeout, end)
        timer.start()
        try:
            found = read(process.stdout)
        except BaseException:
            self.stop()  # what it still may answer is no longer asked
            raise
        finally:
            timer.cancel()
        if not complete(found):
            status = process.wait()
            raise self.died(f"timed out after {timeout:g} s" if late.is_set() else _ended(status))
        return found


def _end(process: subprocess.Popen[bytes], printed: IO[bytes]) -> None:
    process.kill()
    with contextlib.suppress(BrokenPipeError):  # what was not written need not be
        process.communicate()
    printed.close()


def _last_words(printed: IO[bytes]) -> list[str]:
    """The last lines that a program has printed beside its answers; of Python's fatal errors, the frames of others."""
    printed.seek(0)
    lines = printed.read().decode(errors="replace").splitlines()
    fatal = list(dropwhile(lambda line: not line.startswith("Fatal Python error"), lines))
    return list(takewhile(lambda line: _OUR_FILES not in line, fatal)) or lines[-_LAST_WORDS:]


def _ended(status: int) -> str:
    if status < 0:
        return f"the process died of {signal.Signals(-status).name}"
    return f"the process ended with the status {status}"
