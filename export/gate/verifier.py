"""The process that verifies. It shares nothing with the one that exports but the files.

It loads the run and the dataset itself, asks the trained model while the other process still
writes, and checks each format when it is written. Lines of JSON go to its standard input and come
back on its standard output; whatever libraries print there goes to standard error.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

from ...base import configs
from ...base.errors import DataError, UsageError, UserError, VerificationError
from ...base.files import JsonObject

if TYPE_CHECKING:
    from .messages import Question

Answer = TypeVar("Answer")

_ERRORS = (VerificationError, DataError, UsageError, UserError)


class Verifier:
    """The other process, as the exporting one sees it: questions go out, answers come in order.

    Use it as a context; the process ends with it.
    """

    def __init__(self) -> None:
        # What this process would import, the other imports too.
        path = os.pathsep.join(entry for entry in sys.path if entry)
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Verifier:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def send(self, question: Question) -> None:
        """Asks something; does not wait for the answer.

        Raises:
          VerificationError: the other process ended.
        """
        assert self._process.stdin
        line = json.dumps({"kind": type(question).__name__, **configs.to_config(question)})
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def receive(self, kind: type[Answer]) -> Answer:
        """Waits for the answer to the first question that has none.

        Raises:
          UserError: what the other process raised.
          VerificationError: it ended.
        """
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        answer = json.loads(line)
        for error in _ERRORS:
            if answer.get("error") == error.__name__:
                raise error(answer["message"], answer["details"], answer["option"])
        return configs.from_config(kind, answer)

    def _ended(self) -> VerificationError:
        status = self._process.wait()
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        return VerificationError(
            f"the process that checks the artifacts ended {how}; nothing was published"
        )


def main() -> None:
    """Answers questions until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the exporting process, and it us.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # What libraries print is no answer.
    try:
        for answer in _answers(sys.stdin):
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
    except BrokenPipeError:
        os._exit(1)  # Nobody waits for it any more.


def _answers(lines: Iterator[str]) -> Iterator[JsonObject]:
    from .messages import QUESTIONS, Begin, Ready  # They load TensorFlow.
    from .service import Service

    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # Its advice is not for users.
    service = None
    for line in lines:
        content = json.loads(line)
        question = configs.from_config(QUESTIONS[content.pop("kind")], content)
        try:
            if isinstance(question, Begin):
                service, answer = Service(question), Ready()
            elif service is None:  # Its beginning failed: that answer is read first.
                continue
            else:
                answer = service.answer(question)
            yield configs.to_config(answer)
        except UserError as error:
            name = next(each.__name__ for each in _ERRORS if isinstance(error, each))
            yield {
                "error": name,
                "message": str(error),
                "details": error.details,
                "option": error.option,
            }


if __name__ == "__main__":
    main()
