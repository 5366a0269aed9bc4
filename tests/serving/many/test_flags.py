import asyncio
import contextlib
import socket

import pytest

from digitline.base.errors import UsageError, UserError
from digitline.serving.flags import ServeOptions, cores
from digitline.serving.many import ports


@pytest.mark.parametrize("number", ["0", "-1", "257", "two", "", "1.5", "AUTO"])
def test_a_number_of_servers_that_cannot_be_is_refused(number):
    options = ServeOptions(model_base_path="m", num_servers=number)
    with pytest.raises(UsageError, match=f"--num_servers={number}: expected a number from 1 to"):
        options.check()


def test_several_processes_need_a_port_to_share():
    options = ServeOptions(model_base_path="m", num_servers="2", port=0, grpc_socket_path="socket")
    with pytest.raises(UsageError, match="share ports, and there is none"):
        options.check()


def test_auto_is_a_process_for_each_core():
    assert ServeOptions(num_servers="auto").servers == cores() >= 1
    assert ServeOptions().servers == 1


@pytest.mark.parametrize("shared", [False, True])
def test_a_port_that_another_server_has_is_refused_though_both_would_share_it(shared):
    async def reserve(port):
        async with contextlib.AsyncExitStack() as stack:
            ports.reserved(ServeOptions(port=0, rest_api_port=port), stack)

    with socket.socket() as other:
        if shared:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        other.listen()
        with pytest.raises(UserError, match=f"REST cannot listen at 127.0.0.1:{port}: Address al"):
            asyncio.run(reserve(port))
    asyncio.run(reserve(port))
