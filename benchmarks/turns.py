"""Processes that work in turns: each one lives on, and is idle while another one measures.

A line of JSON asks, a line of JSON answers. This file uses only Python's standard library, because the other process
may be that of another Python, without our packages.
"""

import contextlib
import json
import os
import selectors
import subprocess
import sys


class SideError(Exception):
    """The other process could not do what it was asked for."""


class Side:
    """A process that calls `answer`; a context manager that ends it.

    Args:
        command: list of a program and its arguments.
        environment: variables to set for it, on top of this process's own.
        name: of the side, for error messages.
    """

    def __init__(self, command, environment=None, name="the other process"):
        self.name = name
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    def ask(self, question, within=None, **arguments):
        """What the function `question` of the other process returns for `arguments`.

        Args:
            question: its name there.
            within: seconds to wait for the answer; None is any time. After that the process is killed.
            arguments: what JSON can hold.

        Raises:
            SideError: it raised an error, ended, or took too long.
        """
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps([question, arguments]), file=self._process.stdin, flush=True)
        if not self._answered(within):
            self.kill()
            raise SideError(f"{self.name} took longer than {within:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise SideError(f"{self.name} ended with code {self._process.wait()}")
        answered, value = json.loads(line)
        if not answered:
            raise SideError(f"{self.name}: {value}")
        return value

    def _answered(self, seconds):
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            return bool(selector.select(seconds))

    @property
    def alive(self):
        """Whether it can still be asked."""
        return self._process.poll() is None

    def kill(self):
        """Ends the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def answer(functions):
    """Answers on standard output what is asked on standard input, until that ends.

    Args:
        functions: `{name: function}`; arguments and results are what JSON can hold.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        question, arguments = json.loads(line)
        try:
            reply = [True, functions[question](**arguments)]
        except Exception as error:
            reply = [False, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"]
        print(json.dumps(reply), file=answers, flush=True)
