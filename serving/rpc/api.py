"""TF Serving's gRPC services: PredictionService and ModelService.

Handlers take and give raw bytes: grpcio then does no work of its own on a message, and a
message that does not parse is answered here.
"""

import asyncio
import collections
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import grpc
import numpy as np
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    input_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

from ...base.export_layout import DEFAULT_SIGNATURE
from ..access_log import Answered, Observe
from ..core import inference
from ..core.inference import Target
from ..core.servable import CLASSIFY_METHOD, REGRESS_METHOD
from ..protocol import tensors
from ..protocol.status import StatusError, from_exception, invalid
from . import requests as grpc_messages
from .requests import echo, model_name, spec_of, target_of

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"
SERVICES = (PREDICTION_SERVICE, MODEL_SERVICE)

# The classes of messages are made when these modules are imported: no checker knows them.
_classification: Any = classification_pb2
_metadata: Any = get_model_metadata_pb2
_status: Any = get_model_status_pb2
_inference: Any = inference_pb2
_input: Any = input_pb2
_management: Any = model_management_pb2
_predict: Any = predict_pb2
_regression: Any = regression_pb2

# Bytes of a message from which on it is read and written beside the event loop.
_MUCH = 256 << 10
# Characters of an error: gRPC sends it in a header, whose size is limited.
_LONGEST_MESSAGE = 2000
_Method = Callable[[Any], Awaitable[Any]]


class Models(Protocol):
    """What a manager offers to the services."""

    def lease(self, target: Target) -> Any: ...
    def status(self, target: Target) -> Sequence[Any]: ...


class Services(grpc.GenericRpcHandler):
    """Both services, for `grpc.aio.Server.add_generic_rpc_handlers`."""

    def __init__(
        self,
        models: Models,
        reload: Callable[[Any], Awaitable[None]],
        observe: Observe,
        tensor_content: bool = False,
        max_bytes: int = 2**27,
        max_calls: int = 1000,
    ):
        """Makes the table of methods.

        Args:
          models: that answer.
          reload: puts a `ModelServerConfig` in force, in its time. Raises StatusError or
            UserError.
          observe: told of each request.
          tensor_content: whether answers hold tensors as bytes instead of typed fields.
          max_bytes: of a request's tensors or examples once they are unfolded: a message of
            a few bytes can state any number of them.
          max_calls: that are answered at once; more are RESOURCE_EXHAUSTED.
        """
        self._models = models
        self._reload = reload
        self._observe = observe
        self._typed = not tensor_content
        self._max_bytes = max_bytes
        self._max_calls = max_calls
        self._running = 0
        methods: Mapping[str, tuple[_Method, Any, str]] = {
            f"{PREDICTION_SERVICE}/Predict": (
                self._answer_predict, _predict.PredictRequest, "predict"
            ),
            f"{PREDICTION_SERVICE}/Classify": (
                self._classify, _classification.ClassificationRequest, "classify"
            ),
            f"{PREDICTION_SERVICE}/Regress": (
                self._regress, _regression.RegressionRequest, "regress"
            ),
            f"{PREDICTION_SERVICE}/MultiInference": (
                self._multi_inference, _inference.MultiInferenceRequest, "multi_inference"
            ),
            f"{PREDICTION_SERVICE}/GetModelMetadata": (
                self._get_metadata, _metadata.GetModelMetadataRequest, "metadata"
            ),
            f"{MODEL_SERVICE}/GetModelStatus": (
                self._get_status, _status.GetModelStatusRequest, "status"
            ),
            f"{MODEL_SERVICE}/HandleReloadConfigRequest": (
                self._reload_config, _management.ReloadConfigRequest, "reload"
            ),
        }  # fmt: skip
        self._handlers = {
            f"/{path}": grpc.unary_unary_rpc_method_handler(self._handler(*each))
            for path, each in methods.items()
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """The handler of a path; None for one that is not there, which is UNIMPLEMENTED."""
        return self._handlers.get(handler_call_details.method)

    def _handler(self, method: _Method, request_class: Any, api: str) -> Any:
        async def handle(data: bytes, context: grpc.aio.ServicerContext) -> bytes:
            start = time.perf_counter()
            name, status = "", "OK"
            self._running += 1
            try:
                if self._running > self._max_calls:
                    raise StatusError(
                        grpc.StatusCode.RESOURCE_EXHAUSTED,
                        f"More than {self._max_calls} calls at once",
                    )
                try:
                    request = request_class.FromString(data)
                except DecodeError:
                    raise invalid(f"the message is no {request_class.DESCRIPTOR.name}") from None
                name = model_name(request)
                return (await method(request)).SerializeToString()
            except asyncio.CancelledError:
                status = "CANCELLED"
                raise
            except Exception as error:
                failure = from_exception(error)
                status = failure.code.name
                await context.abort(failure.code, failure.message[:_LONGEST_MESSAGE])
                raise  # Not reached: abort raises.
            finally:
                self._running -= 1
                seconds = time.perf_counter() - start
                self._observe(Answered(api, name, status, seconds, context.peer(), len(data)))

        return handle

    async def _answer_predict(self, request: Any) -> Any:
        spec = spec_of(request)
        signature = spec.signature_name or DEFAULT_SIGNATURE
        wanted = list(request.output_filter)
        with self._models.lease(target_of(spec)) as lease:
            # Before anything is made of the tensors, which may be large.
            inference.check_names(inference.signature_of(lease, signature), request.inputs, wanted)
            inputs = await _aside(
                request.ByteSize(), grpc_messages.decoded, request.inputs, self._max_bytes
            )
            outputs = await inference.predict(lease, signature, inputs, wanted)
            response = _predict.PredictResponse()
            echo(response.model_spec, lease, signature)
        size = sum(array.nbytes for array in outputs.values())
        await _aside(size, self._encode, outputs, response.outputs)
        return response

    def _encode(self, outputs: Mapping[str, np.ndarray], into: Any) -> None:
        for name, array in outputs.items():
            tensors.encode(array, into[name], typed=self._typed)

    async def _classify(self, request: Any) -> Any:
        response = _classification.ClassificationResponse()
        return await self._of_examples(request, response, _fill_classifications)

    async def _regress(self, request: Any) -> Any:
        response = _regression.RegressionResponse()
        return await self._of_examples(request, response, _fill_regressions)

    async def _of_examples(
        self, request: Any, response: Any, fill: Callable[..., Awaitable[None]]
    ) -> Any:
        """Answers Classify or Regress; `fill` runs the signature and fills the result."""
        spec = spec_of(request)
        signature = spec.signature_name or DEFAULT_SIGNATURE
        with self._models.lease(target_of(spec)) as lease:
            examples = grpc_messages.examples(request.input, self._max_bytes)
            await fill(lease, signature, examples, response.result)
            echo(response.model_spec, lease, signature)
        return response

    async def _multi_inference(self, request: Any) -> Any:
        tasks = list(request.tasks)
        if not tasks:
            raise invalid("Inference request tasks are empty")
        if len({task.model_spec.name for task in tasks}) > 1:
            raise invalid(
                "All ModelSpecs in a MultiInferenceRequest must access the same model name."
            )
        names = [task.model_spec.signature_name or DEFAULT_SIGNATURE for task in tasks]
        repeated = [name for name, count in collections.Counter(names).items() if count > 1]
        if repeated:
            raise invalid(f"Duplicate evaluation of signature: {repeated[0]}")
        examples = grpc_messages.examples(request.input, self._max_bytes)
        response = _inference.MultiInferenceResponse()
        with self._models.lease(target_of(spec_of(tasks[0]))) as lease:
            for task, signature in zip(tasks, names, strict=True):
                result = response.results.add()
                if task.method_name == CLASSIFY_METHOD:
                    await _fill_classifications(
                        lease, signature, examples, result.classification_result
                    )
                elif task.method_name == REGRESS_METHOD:
                    await _fill_regressions(lease, signature, examples, result.regression_result)
                else:
                    raise StatusError(
                        grpc.StatusCode.UNIMPLEMENTED,
                        f"Unsupported signature method_name: {task.method_name}",
                    )
                echo(result.model_spec, lease, signature)
        return response

    async def _get_metadata(self, request: Any) -> Any:
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != "signature_def":
                raise invalid(f"Metadata field {field} is not supported")
        with self._models.lease(target_of(spec_of(request))) as lease:
            response = _metadata.GetModelMetadataResponse()
            response.model_spec.name = lease.name
            response.model_spec.version.value = lease.version
            signatures = _metadata.SignatureDefMap()
            for name, definition in lease.servable.signature_defs.items():
                signatures.signature_def[name].CopyFrom(definition)
            response.metadata["signature_def"].Pack(signatures)
        return response

    async def _get_status(self, request: Any) -> Any:
        response = _status.GetModelStatusResponse()
        for version in self._models.status(target_of(spec_of(request))):
            response.model_version_status.add(
                version=version.version,
                state=int(version.state),
                status={
                    "error_code": version.error_code,
                    "error_message": version.error_message,
                },
            )
        return response

    async def _reload_config(self, request: Any) -> Any:
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. Only "
                "ModelConfigList is currently supported"
            )
        try:
            await self._reload(request.config)
        except StatusError:
            raise
        except Exception as error:
            raise invalid(str(error)) from error
        response = _management.ReloadConfigResponse()
        response.status.error_code = 0
        return response


async def _fill_classifications(
    lease: Any, signature: str, examples: Sequence[bytes], result: Any
) -> None:
    for row in await inference.classify(lease, signature, examples):
        classes = result.classifications.add().classes
        for label, score in row:
            classes.add(label=label, score=score)


async def _fill_regressions(
    lease: Any, signature: str, examples: Sequence[bytes], result: Any
) -> None:
    for value in await inference.regress(lease, signature, examples):
        result.regressions.add(value=value)


async def _aside(size: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls the function, beside the event loop where so many bytes take their time."""
    if size < _MUCH:
        return function(*arguments)
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)
