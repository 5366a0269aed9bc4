"""A SavedModel of TensorFlow 1 or 2 as a servable: a session of its own, as in TF Serving.

A session runs what the file states, with the file's initializers and assets, and
gives all its memory back when it is closed; `tf.saved_model.load` keeps functions in
a context that all models of the process share.
"""

import contextlib
import gc
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from ...base import files
from ...base.errors import UserError, first_line
from ...base.tf import tf
from ..bounds.in_place import Call
from ..bounds.steadiness import is_steady
from ..flags import ServeOptions
from ..protocol import messages
from .servable import Servable, Signature

# A signature that initializes the model; requests cannot call it.
_INIT = "__saved_model_init_op"
# RunOptions: ops run on the thread that calls, one after the other.
_IN_PLACE = -1


def load(folder: Path, options: ServeOptions) -> Servable:
    """Loads one version: a folder with `saved_model.pb` and `variables/`.

    Raises:
      Exception: what TensorFlow raises of a file that is not such a model, or does not load.
    """
    load_libraries(options.load_library)  # In this process too, whichever it is.
    graph = tf.Graph()
    with graph.as_default():
        session = tf.compat.v1.Session(graph=graph, config=_session_config(options))
        try:
            with files.literal(folder) as place:
                meta_graph = tf.compat.v1.saved_model.load(
                    session, list(options.saved_model_tags), str(place)
                )
        except BaseException:
            session.close()
            raise
    defs = {
        name: definition for name, definition in meta_graph.signature_def.items() if name != _INIT
    }
    steady = {
        name
        for name, definition in defs.items()
        if is_steady(
            meta_graph.graph_def,
            _tensors(definition.inputs).values(),
            _tensors(definition.outputs).values(),
        )
    }
    model = _Model(session, defs, steady)
    strict = options.enable_signature_method_name_check
    signatures = {name: Signature.from_def(definition, strict) for name, definition in defs.items()}
    return Servable(signatures, defs, model.run, model.close, model.in_place)


def load_libraries(paths: Sequence[str]) -> None:
    """Loads libraries of custom ops, each once in a process.

    Raises:
      UserError: one does not load.
    """
    for path in paths:
        try:
            tf.load_op_library(path)
        except (OSError, RuntimeError, tf.errors.OpError) as error:
            raise UserError(f"--load_library={path}: {first_line(error)}") from error


def _session_config(options: ServeOptions) -> tf.compat.v1.ConfigProto:
    both = options.tensorflow_session_parallelism
    config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=options.tensorflow_intra_op_parallelism or both,
        inter_op_parallelism_threads=options.tensorflow_inter_op_parallelism or both,
    )
    # Threads of its own: ops of a slow model would stand before those of the others.
    own = config.inter_op_parallelism_threads or os.cpu_count() or 1
    config.session_inter_op_thread_pool.add(num_threads=own)
    graph = config.graph_options
    if options.xla_cpu_compilation_enabled:
        graph.optimizer_options.global_jit_level = tf.compat.v1.OptimizerOptions.ON_1
        graph.optimizer_options.cpu_global_jit = True
    if options.mixed_precision == "bfloat16":
        graph.rewrite_options.auto_mixed_precision_onednn_bfloat16 = 1  # ON
    return config


class _Model:
    """A session and its compiled calls."""

    def __init__(
        self,
        session: tf.compat.v1.Session,
        signature_defs: Mapping[str, messages.SignatureDef],
        steady: Collection[str],
    ):
        self._session, self._steady = session, steady
        self._defs = signature_defs
        self._calls: dict[str, Call] = {}
        self._in_place: dict[str, Call] = {}
        for name in signature_defs:  # Now, and not when the first request comes.
            # One that cannot be made (of ops that were cut away) fails when it is called.
            with contextlib.suppress(Exception):
                self._calls[name] = self._compiled(name)

    def run(
        self, signature: str, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]
    ) -> list[np.ndarray]:
        call = self._calls.get(signature) or self._compiled(signature)
        return call(inputs, outputs)

    def in_place(self, signature: str) -> Call | None:
        """The call that takes only the thread that calls it; None where its time is not known."""
        if signature in self._steady and signature not in self._in_place:
            self._in_place[signature] = self._compiled(signature, _IN_PLACE)
        return self._in_place.get(signature)

    def _compiled(self, signature: str, threads: int = 0) -> Call:
        definition = self._defs[signature]
        fed, tensors = _tensors(definition.inputs), _tensors(definition.outputs)
        # All outputs: another choice of them would be another graph to compile, which takes
        # the first request that asks for it most of a second, warm-up or not. Each tensor once,
        # and none that is fed: a session refuses that.
        computed = [name for name in dict.fromkeys(tensors.values()) if name not in fed.values()]
        # Not `make_callable`, which compiles at the first call, and holds what is fed against
        # the shapes of placeholders. TF Serving leaves those to the graph.
        function = self._session._make_callable_from_options(
            messages.CallableOptions(
                feed=dict.fromkeys(fed.values()),
                fetch=computed,
                run_options=tf.compat.v1.RunOptions(inter_op_thread_pool=threads),
            )
        )

        def call(inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> list[np.ndarray]:
            given = {tensor: inputs[name] for name, tensor in fed.items()}
            values = given | dict(zip(computed, function(*given.values()), strict=True))
            return [values[tensors[name]] for name in outputs]

        return call

    def close(self) -> None:
        self._calls.clear()
        self._in_place.clear()  # Before the session, whose handles they hold.
        self._session.close()
        del self._session
        gc.collect()  # A graph and its ops refer to one another.


def _tensors(infos: Mapping[str, messages.TensorInfo]) -> dict[str, str]:
    return {name: info.name for name, info in infos.items()}
