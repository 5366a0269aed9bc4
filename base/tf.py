"""TensorFlow, Keras and TFDS, imported without the start-up chatter.

TensorFlow writes a dozen lines about CPUs and absent GPUs straight to file
descriptor 2 while it is imported and when it first looks for devices; no log
level stops them. A command's error line must not drown in them, so every
module of ours imports `tf`, `keras` and `tfds` from here. Set
`DIGITLINE_TF_LOG=1` to see them all.
"""

import os

from .process.interruption import ending_at_once
from .process.quiet import quiet_stderr

with quiet_stderr(), ending_at_once():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras
    import tensorflow as tf
    import tensorflow_datasets as tfds

    tf.config.list_physical_devices()  # The search for GPUs is chatty too.

tfds.disable_progress_bar()  # In a log file its bars are a mess; ours are not.

__all__ = ["keras", "tf", "tfds"]
