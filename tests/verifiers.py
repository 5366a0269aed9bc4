"""A process that verifies one export after the other."""

import contextlib
import json
import os

from digitline.base.errors import UserError
from digitline.export.gate.verifier import Verifier

# As the exporter's own process, but that it follows the tests from folder to folder.
FOLLOWS = """
import os, sys
from digitline.export.gate import verifier

def questions(lines):
    for line in lines:
        if line.startswith("cd "):
            os.chdir(line[3:-1])
        else:
            yield line

sys.stdin = questions(sys.stdin)
verifier.main()
"""


class Follower(Verifier):
    _runs = "-c", FOLLOWS

    def follow(self, folder):
        self._process.stdin.write(f"cd {folder}\n")

    def has_ended(self):
        return self._process.poll() is not None

    def skip(self):
        """Reads an answer: whether it is an error, or None where the process has ended."""
        line = self._process.stdout.readline()
        return "error" in json.loads(line) if line else None


class Shared:
    """As a `Verifier`; a context leaves the process to the next one."""

    def __init__(self):
        self.process = None
        self.waiting = []

    def __call__(self):
        if self.process is None or self.process.has_ended():
            self.close()
            self.process = Follower()
        self.process.follow(os.getcwd())
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        while self.waiting:  # Answers that nobody waited for.
            self._answered(self.waiting.pop(0), self.process.skip())

    def send(self, question):
        self.waiting.append(question)
        self.process.send(question)

    def receive(self, kind):
        question = self.waiting.pop(0)
        try:
            return self.process.receive(kind)
        except UserError:
            self._answered(question, True)
            raise

    def _answered(self, question, is_error):
        if is_error is None:
            self.close()
        elif is_error and type(question).__name__ == "Begin":
            self.waiting.clear()  # What was asked of an export that did not begin has no answer.

    def close(self):
        if self.process is not None:
            self.process.__exit__()
        self.process, self.waiting = None, []


@contextlib.contextmanager
def shared():
    """Gives what makes the one process, when it is first asked for."""
    verifier = Shared()
    try:
        yield verifier
    finally:
        verifier.close()
