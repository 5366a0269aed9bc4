"""TensorFlow and Keras, imported without the start-up chatter.

TensorFlow writes a dozen lines about CPUs and absent GPUs straight to file
descriptor 2 while it is imported and when it first looks for devices; no log
level stops them. A command's error line must not drown in them, so every
module of ours imports `tf` and `keras` from here. Set `DIGITLINE_TF_LOG=1` to
see them all.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Holds back file descriptor 2; lets it out if the block fails."""
    if os.environ.get("DIGITLINE_TF_LOG"):
        yield
        return
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


with _quiet_stderr():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras
    import tensorflow as tf

    tf.config.list_physical_devices()  # The search for GPUs is chatty too.

__all__ = ["keras", "tf"]
