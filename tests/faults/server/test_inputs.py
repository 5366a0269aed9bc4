import asyncio

import inputs
from served import serving


def test_odd_requests_are_never_the_servers_fault(tmp_path):
    with serving(inputs.save(tmp_path), *inputs.FLAGS) as server:
        asker = asyncio.run(inputs.ask(server, 600, seed=0))
    assert asker.faults == []
    for code in ("200", "400"):
        assert asker.codes["REST", code] > 10
    for code in ("OK", "INVALID_ARGUMENT"):
        assert asker.codes["gRPC", code] > 10
