import grpc
import pytest

from digitline.serving.protocol import examples, messages
from digitline.serving.protocol.status import StatusError


def example(**features):
    message = messages.Example()
    for name, value in features.items():
        message.features.feature[name].int64_list.value.append(value)
    return message


def test_an_example_has_the_features_of_the_context_and_its_own_first():
    request = messages.Input()
    request.example_list_with_context.context.CopyFrom(example(age=7, size=1))
    request.example_list_with_context.examples.extend([example(), example(age=3)])
    parsed = [messages.Example.FromString(data) for data in examples.serialized(request)]
    assert parsed == [example(age=7, size=1), example(age=3, size=1)]


def test_rejects_an_input_without_examples():
    with pytest.raises(StatusError, match=r"Input is empty\.") as caught:
        examples.serialized(messages.Input())
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_rejects_a_context_that_takes_too_much_memory_in_all_examples():
    with pytest.raises(StatusError, match="The context in each of 10 examples makes more than 99"):
        examples.merged([b""] * 10, b"x" * 10, 99)
