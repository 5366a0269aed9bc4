"""The process that verifies. It shares nothing with the one that exports but the files.

It loads the run and the dataset itself, asks the trained model while the other process still
writes, and checks each format when it is written. Lines of JSON go to its standard input and come
back on its standard output; whatever libraries print there goes to standard error.
"""

from __future__ import annotations

import concurrent.futures
import functools
import json
import logging
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NoReturn, TextIO, TypeVar

from ...base import configs, refused
from ...base.errors import DataError, UsageError, UserError, VerificationError, how_ended
from ...base.process import streams

if TYPE_CHECKING:
    from .messages import Question

Answer = TypeVar("Answer")

_ERRORS = (VerificationError, DataError, UsageError, UserError)


class Verifier:
    """The other process, as the exporting one sees it: questions go out, answers come in order.

    Use it as a context; the process ends with it.
    """

    _runs = "-m", __name__  # What its Python is told.

    def __init__(self) -> None:
        # What this process would import, the other imports too.
        path = os.pathsep.join(entry for entry in sys.path if entry)
        self._process = subprocess.Popen(
            [sys.executable, *self._runs],
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
        return VerificationError(
            f"the process that checks the artifacts ended {how_ended(status)}; nothing was "
            "published"
        )


def main() -> None:
    """Answers questions until there are no more."""
    streams.settle()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the exporting process, and it us.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # What libraries print is no answer.
    # The next question is read, and begun, while answers are waited for.
    writer = concurrent.futures.ThreadPoolExecutor(1)
    for finish in _started(sys.stdin):
        writer.submit(_write, answers, finish)
    os._exit(0)  # The other process has ended.


def _started(lines: Iterator[str]) -> Iterator[Callable[[], object]]:
    """What waits for the answer to each question."""
    from ...base.tf import tf
    from .messages import QUESTIONS, Begin, Ready  # They load TensorFlow.
    from .service import Service

    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # Its advice is not for users.
    # To improve a graph takes longer than to run it here; a session improves its own.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    service = None
    for line in lines:
        content = json.loads(line)
        question = configs.from_config(QUESTIONS[content.pop("kind")], content)
        try:
            if isinstance(question, Begin):
                service = None
                service = Service(question)
                yield Ready
            elif service:  # Else its beginning failed: that answer is read first.
                yield service.start(question)
        except Exception as error:
            yield functools.partial(_fail, _known(error))


def _known(error: Exception) -> UserError:
    """An error that is not a fault of ours; raises any other."""
    known = refused.user_error(error)
    if known is None:
        raise error
    return known


def _fail(error: UserError) -> NoReturn:
    raise error


def _write(answers: TextIO, finish: Callable[[], object]) -> None:
    """Waits for an answer and writes it as a line."""
    try:
        try:
            content = configs.to_config(finish())
        except Exception as error:
            known = _known(error)
            name = next(each.__name__ for each in _ERRORS if isinstance(known, each))
            content = {
                "error": name,
                "message": str(known),
                "details": known.details,
                "option": known.option,
            }
        answers.write(json.dumps(content) + "\n")
        answers.flush()
    except BrokenPipeError:
        os._exit(1)  # Nobody waits for it any more.
    except BaseException:
        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    main()
