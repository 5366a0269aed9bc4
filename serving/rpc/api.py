"""TF Serving's gRPC services: PredictionService, ModelService and the profiler's.

Handlers take and give raw bytes: grpcio then does no work of its own on a message, and a
message that does not parse is answered here.
"""

import asyncio
import collections
import functools
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import grpc
import numpy as np
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import StringValue

from ...base.errors import UserError
from ...base.export_layout import DEFAULT_SIGNATURE
from ..bounds.budget import Hold
from ..bounds.shared import Shared
from ..core import inference
from ..core.inference import Lease, Models
from ..core.servable import CLASSIFY_METHOD, REGRESS_METHOD
from ..flags import ServeOptions
from ..process.access_log import Answered, Observe
from ..process.ending import Ending
from ..protocol import messages, models, tensors
from ..protocol.described import DESCRIPTION, described
from ..protocol.status import StatusError, from_exception, invalid
from . import connections
from .coming import Coming
from .errors import header_text
from .profiler import PROFILER_SERVICE, Profiler
from .reading import Incoming, arrays_of, examples_of, read
from .requests import fill_spec, model_name, spec_of, target_of

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"
SERVICES = (PREDICTION_SERVICE, MODEL_SERVICE)
_SIGNATURES = "signature_def"  # TF Serving's only field of a model's metadata.

# Bytes of a message from which on it is read and written beside the event loop.
_LARGE = 256 << 10
_COPIES = 3  # Of an answer, while it is written.
_ROWS = 256  # Examples whose answers are written without a pause.

T = TypeVar("T")
# Takes a request that was read, and makes the answer.
_Method = Callable[[Incoming], Awaitable[Message]]
# By name: what logs call it, its method and its request.
_Methods = dict[str, tuple[str, _Method, type[Message]]]


class Services(grpc.GenericRpcHandler):
    """The services, for `grpc.aio.Server.add_generic_rpc_handlers`."""

    def __init__(
        self,
        served: Models,
        reload: Callable[[messages.ModelServerConfig], Awaitable[None]],
        observe: Observe,
        ending: Ending,
        options: ServeOptions,
        shared: Shared,
        coming: Coming,
    ):
        """Makes the table of methods.

        Args:
          served: the models.
          reload: applies a configuration and waits for its models. Raises StatusError or
            UserError.
          observe: is told of each request.
          ending: whether requests are taken.
          options: how answers hold tensors, and how many calls are answered at once.
          shared: what all requests share: a message of a few bytes can state any number of
            tensors or examples.
          coming: messages that are being received.
        """
        self._models = served
        self._reload = reload if options.enable_config_reload else None
        self._observe = observe
        self._ending = ending
        self._typed = not options.enable_serialization_as_tensor_content
        self._shared = shared
        self._port = options.port
        self._max_calls = options.max_concurrent_requests
        self._coming = coming
        self._calls = 0
        self._running: collections.Counter[str] = collections.Counter()  # By connection.
        classify = functools.partial(
            self._answer_examples, messages.ClassificationResponse, _fill_classifications
        )
        regress = functools.partial(
            self._answer_examples, messages.RegressionResponse, _fill_regressions
        )
        prediction: _Methods = {
            "Predict": ("predict", self._predict, messages.PredictRequest),
            "Classify": ("classify", classify, messages.ClassificationRequest),
            "Regress": ("regress", regress, messages.RegressionRequest),
            "MultiInference": ("multi_inference", self._multi, messages.MultiInferenceRequest),
            "GetModelMetadata": ("metadata", self._metadata, messages.GetModelMetadataRequest),
        }
        model: _Methods = {
            "GetModelStatus": ("status", self._status, messages.GetModelStatusRequest),
            "HandleReloadConfigRequest": (
                "reload",
                self._reconfigure,
                messages.ReloadConfigRequest,
            ),
        }
        profile: _Methods = {}
        if options.enable_profiler:
            profile["Profile"] = ("profile", Profiler().profile, messages.ProfileRequest)
        services = {
            PREDICTION_SERVICE: prediction, MODEL_SERVICE: model, PROFILER_SERVICE: profile
        }  # fmt: skip
        self._handlers = {
            f"/{service}/{name}": grpc.stream_unary_rpc_method_handler(self._handler(*method))
            for service, methods in services.items()
            for name, method in methods.items()
        }

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler | None:
        """The handler of a path; None for an unknown one, which is UNIMPLEMENTED."""
        return self._handlers.get(handler_call_details.method)

    def _handler(
        self, api: str, method: _Method, request_class: type[Message]
    ) -> Callable[[object, grpc.aio.ServicerContext], Awaitable[bytes]]:
        async def handle(_: object, context: grpc.aio.ServicerContext) -> bytes:
            start = time.perf_counter()
            name, code, length = "", "OK", 0
            data = call = answer = None
            hold = Hold(self._shared.budget)
            peer = ""
            try:
                self._ending.check()
                # A call of a single message; but not gRPC's, which would wait for it unseen.
                data = await self._coming.only(context)
                length = len(data)
                self._ending.check()
                peer = self._begin(context.peer())
                call = await read(data, request_class, self._shared, hold)
                name = model_name(call.message)
                answer = await method(call)
                size = answer.ByteSize()
                content = await self._aside(size, answer.SerializeToString)
                self._follow(len(content), hold, context)
                return content
            except asyncio.CancelledError:
                # At the end of the grace gRPC tells the client so.
                code = "UNAVAILABLE" if self._ending.over.done() else "CANCELLED"
                raise
            except Exception as error:
                failure = from_exception(error).without_frames()
                code = failure.code.name
                await context.abort(failure.code, header_text(failure.message))
                raise  # Not reached: abort raises.
            finally:
                if peer:
                    self._end(peer)
                hold.release()
                # gRPC holds the error of a call, and so this frame.
                data = call = answer = None
                seconds = time.perf_counter() - start
                self._observe(
                    Answered(
                        *("GRPC", api, name, code, seconds),
                        lambda: {"remote": context.peer(), "request_bytes": length},
                    )
                )

        return handle

    def _begin(self, peer: str) -> str:
        """Counts a call of a connection, and gives that back.

        Raises:
          StatusError: RESOURCE_EXHAUSTED: there are too many, by it or by all.
        """
        if self._calls >= self._max_calls:
            raise _refusal(f"More than {self._max_calls} calls at once; try again")
        share = -(-self._max_calls * 3 // 4)  # What is left is for other connections.
        if self._running[peer] >= share:
            raise _refusal(f"More than {share} calls of one connection at once; try again")
        self._calls += 1
        self._running[peer] += 1
        return peer

    def _end(self, peer: str) -> None:
        self._calls -= 1
        self._running[peer] -= 1
        if not self._running[peer]:
            del self._running[peer]

    async def _aside(self, size: int, function: Callable[..., T], *arguments: object) -> T:
        """Calls the function, beside the event loop where it has many bytes to handle."""
        if size < _LARGE:
            return function(*arguments)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._shared.converting, function, *arguments)

    def _follow(self, size: int, hold: Hold, context: grpc.aio.ServicerContext) -> None:
        """Counts an answer until its client has taken it, who is cut off where he does not."""
        if size < _LARGE or (task := asyncio.current_task()) is None:
            return
        peer, loop = context.peer(), asyncio.get_running_loop()

        def cut() -> None:
            loop.run_in_executor(None, connections.close, peer, self._port)

        hold.share()
        hold.sending(2 * size, cut)  # gRPC has a copy.
        task.add_done_callback(lambda _: hold.release())

    async def _predict(self, call: Incoming) -> messages.PredictResponse:
        request = call.message
        spec = spec_of(request)
        signature = spec.signature_name or DEFAULT_SIGNATURE
        wanted = list(request.output_filter)
        with self._models.lease(target_of(spec)) as lease:
            stated = lease.servable.signature(signature)
            # Before the tensors, which may be large, become arrays.
            names = request.inputs if call.arrays is None else call.arrays
            inference.check_names(stated, names, wanted)
            inputs = await arrays_of(call, stated, self._shared)
            size = sum(array.nbytes for array in inputs.values())
            await call.hold.resize(call.size + size, call.effort)
            response = messages.PredictResponse()
            fill_spec(response.model_spec, lease, signature)
            async with self._shared.turn(lease.name, size, call.hold):
                outputs = await inference.predict(lease, signature, inputs, wanted)
                size = sum(array.nbytes for array in outputs.values())
                await call.hold.resize(_COPIES * size, call.effort)
                await self._aside(size, self._encode, outputs, response)
        return response

    def _encode(
        self, outputs: Mapping[str, np.ndarray], response: messages.PredictResponse
    ) -> None:
        for name, array in outputs.items():
            tensors.encode(array, response.outputs[name], typed=self._typed)

    async def _answer_examples(
        self,
        response_class: type[messages.ClassificationResponse],
        fill: "_Fill",
        call: Incoming,
    ) -> messages.ClassificationResponse:
        """Answers Classify or Regress; `fill` runs the signature and fills the result."""
        response = response_class()
        spec = spec_of(call.message)
        signature = spec.signature_name or DEFAULT_SIGNATURE
        with self._models.lease(target_of(spec)) as lease:
            serialized = examples_of(call, self._shared.limits)
            await fill(lease, signature, serialized, response.result)
            fill_spec(response.model_spec, lease, signature)
        return response

    async def _multi(self, call: Incoming) -> messages.MultiInferenceResponse:
        request = call.message
        signatures = _signatures_of_tasks(request)
        serialized = examples_of(call, self._shared.limits)
        response = messages.MultiInferenceResponse()
        with self._models.lease(target_of(spec_of(request.tasks[0]))) as lease:
            for task, signature in zip(request.tasks, signatures, strict=True):
                result = response.results.add()
                if task.method_name == CLASSIFY_METHOD:
                    fill, filled = _fill_classifications, result.classification_result
                elif task.method_name == REGRESS_METHOD:
                    fill, filled = _fill_regressions, result.regression_result
                else:
                    raise StatusError(
                        grpc.StatusCode.UNIMPLEMENTED,
                        f"Unsupported signature method_name: {task.method_name}",
                    )
                await fill(lease, signature, serialized, filled)
                fill_spec(result.model_spec, lease, signature)
        return response

    async def _metadata(self, call: Incoming) -> messages.GetModelMetadataResponse:
        request = call.message
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field not in (_SIGNATURES, DESCRIPTION):
                raise invalid(f"Metadata field {field} is not supported")
        response = messages.GetModelMetadataResponse()
        with self._models.lease(target_of(spec_of(request))) as lease:
            fill_spec(response.model_spec, lease)
            if _SIGNATURES in request.metadata_field:
                signatures = models.signature_map(lease.servable.signature_defs)
                response.metadata[_SIGNATURES].Pack(signatures)
            if DESCRIPTION in request.metadata_field:
                text = await asyncio.to_thread(described, lease.folder, lease.servable.image_shape)
                response.metadata[DESCRIPTION].Pack(StringValue(value=text))
        return response

    async def _status(self, call: Incoming) -> messages.GetModelStatusResponse:
        return models.status(self._models.status(target_of(spec_of(call.message))))

    async def _reconfigure(self, call: Incoming) -> messages.ReloadConfigResponse:
        if self._reload is None:
            raise StatusError(
                grpc.StatusCode.PERMISSION_DENIED,
                "HandleReloadConfigRequest is switched off (--noenable_config_reload)",
            )
        request = call.message
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. Only "
                "ModelConfigList is currently supported"
            )
        try:
            await self._reload(request.config)
        except UserError as error:
            raise invalid(str(error)) from error
        response = messages.ReloadConfigResponse()
        response.status.error_code = 0
        return response


def _refusal(text: str) -> StatusError:
    return StatusError(grpc.StatusCode.RESOURCE_EXHAUSTED, text)


# Runs a signature on serialized examples and fills the result.
_Fill = Callable[[Lease, str, Sequence[bytes], messages.ClassificationResult], Awaitable[None]]


async def _fill_classifications(
    lease: Lease,
    signature: str,
    serialized: Sequence[bytes],
    result: messages.ClassificationResult,
) -> None:
    for count, row in enumerate(await inference.classify(lease, signature, serialized)):
        if count % _ROWS == _ROWS - 1:
            await asyncio.sleep(0)  # Others have their turn.
        classes = result.classifications.add().classes
        for label, score in row:
            classes.add(label=label, score=score)


async def _fill_regressions(
    lease: Lease, signature: str, serialized: Sequence[bytes], result: messages.RegressionResult
) -> None:
    for value in await inference.regress(lease, signature, serialized):
        result.regressions.add(value=value)


def _signatures_of_tasks(request: messages.MultiInferenceRequest) -> list[str]:
    """The signature of each task.

    Raises:
      StatusError: INVALID_ARGUMENT: the tasks are not on several signatures of one model.
    """
    if not request.tasks:
        raise invalid("Inference request tasks are empty")
    if len({task.model_spec.name for task in request.tasks}) > 1:
        raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
    signatures = [task.model_spec.signature_name or DEFAULT_SIGNATURE for task in request.tasks]
    for signature, count in collections.Counter(signatures).items():
        if count > 1:
            raise invalid(f"Duplicate evaluation of signature: {signature}")
    return signatures
