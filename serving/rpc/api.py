"""TF Serving's gRPC services: PredictionService, ModelService and the profiler's."""

import asyncio
import collections
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence

import grpc
import numpy as np
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import StringValue

from ...base.errors import UserError
from ...base.export_layout import DEFAULT_SIGNATURE
from ..bounds.shared import Shared
from ..core import inference
from ..core.inference import Lease, Models
from ..core.servable import CLASSIFY_METHOD, REGRESS_METHOD
from ..flags import ServeOptions
from ..protocol import messages, models, tensors
from ..protocol.described import DESCRIPTION, described
from ..protocol.status import StatusError, invalid
from .calls import Calls, Method
from .profiler import PROFILER_SERVICE, Profiler
from .reading import Incoming, arrays_of, examples_of
from .requests import fill_spec, spec_of, target_of

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"
SERVICES = (PREDICTION_SERVICE, MODEL_SERVICE)
_SIGNATURES = "signature_def"  # TF Serving's only field of a model's metadata.

_COPIES = 3  # Of an answer, while it is written.
_ROWS = 256  # Examples whose answers are written without a pause.

# By name: what logs call it, its method and its request.
_Methods = dict[str, tuple[str, Method, type[Message]]]


class Services(grpc.GenericRpcHandler):
    """The services, for `grpc.aio.Server.add_generic_rpc_handlers`."""

    def __init__(
        self,
        served: Models,
        reload: Callable[[messages.ModelServerConfig], Awaitable[None]],
        options: ServeOptions,
        shared: Shared,
        calls: Calls,
    ):
        """Makes the table of methods.

        Args:
          served: the models.
          reload: applies a configuration and waits for its models. Raises StatusError or
            UserError.
          options: how answers hold tensors, and which services there are.
          shared: what all requests share: a message of a few bytes can state any number of
            tensors or examples.
          calls: reads requests and writes answers, within bounds.
        """
        self._models = served
        self._reload = reload if options.enable_config_reload else None
        self._typed = not options.enable_serialization_as_tensor_content
        self._shared = shared
        self._aside = calls.aside
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
            f"/{service}/{name}": calls.handler(*method)
            for service, methods in services.items()
            for name, method in methods.items()
        }

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler | None:
        """The handler of a path; None for an unknown one, which is UNIMPLEMENTED."""
        return self._handlers.get(handler_call_details.method)

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
