"""What the tests of JSON requests share."""

import grpc
import pytest
import tensorflow as tf

from digitline.serving.bounds.limits import Effort
from digitline.serving.core.servable import TensorInfo
from digitline.serving.protocol.status import StatusError
from digitline.serving.rest import json_tensors, json_text


def infos(**dtypes):
    return {
        name: TensorInfo(tf.dtypes.as_dtype(dtype).as_datatype_enum, None)
        for name, dtype in dtypes.items()
    }


def parse(text, max_depth=64, effort=None):
    return json_text.parse(
        text.encode() if isinstance(text, str) else text, max_depth, effort or Effort()
    )


def read(text, **dtypes):
    document = json_text.as_object(parse(text))
    json_tensors.signature_name(document)
    return json_tensors.read_inputs(document, infos(**dtypes), Effort())


def one(text, dtype):
    (array,) = read(text, x=dtype)[0].values()
    return array


def error(call, *arguments, code=grpc.StatusCode.INVALID_ARGUMENT, **options):
    with pytest.raises(StatusError) as caught:
        call(*arguments, **options)
    assert caught.value.code is code
    return caught.value.message
