import json
import subprocess
import sys
import threading

import pytest

from digitline.base import addresses
from digitline.base.errors import UserError
from digitline.base.storage import lease
from digitline.base.storage.store import Store


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(lease, "RENEW_S", 0.05)
    monkeypatch.setattr(lease, "LOOK_S", 0.05)
    monkeypatch.setattr(lease, "GONE_S", 0.5)


@pytest.fixture
def folder(s3):
    return addresses.local(s3)


def leases(s3):
    return sorted(Store(s3).right_there())


def test_the_second_is_refused_and_a_lease_is_given_back(folder, s3, capsys):
    with lease.held(folder, "training"):
        assert leases(s3) == [".digitline-lease-1"]
        with (
            pytest.raises(UserError, match=f"another process is training in {s3} .process"),
            lease.held(folder, "training"),
        ):
            pass
    assert leases(s3) == []
    with lease.held(folder, "training"):
        pass


def test_one_that_is_not_renewed_is_taken_over_and_notices(folder, s3):
    gone = {"host": "elsewhere", "pid": 1, "boot": "x", "started": "1"}
    Store(s3).write(".digitline-lease-4", json.dumps(gone).encode())
    with lease.held(folder, "training") as held:
        assert leases(s3) == [".digitline-lease-5"]
        Store(s3).write(".digitline-lease-6", b"{}")
        with pytest.raises(lease.LostError, match=f"{s3}: another process is training there"):
            held.check()


def test_a_dead_process_of_this_machine_is_not_waited_for(folder, s3, monkeypatch):
    monkeypatch.setattr(lease, "GONE_S", 1000)
    code = (
        "import sys, os\n"
        "from digitline.base import addresses\n"
        "from digitline.base.storage import lease\n"
        "lease.Lease(addresses.local(sys.argv[1]), 'training')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, s3], check=False).returncode == -9
    assert leases(s3) == [".digitline-lease-1"]
    with lease.held(folder, "training"):
        assert leases(s3) == [".digitline-lease-2"]


def test_of_many_at_once_one_gets_it(folder, s3):
    Store(s3).write(".digitline-lease-1", b"damaged")
    got, refused = [], []

    def take():
        try:
            got.append(lease.Lease(folder, "training"))
        except UserError:
            refused.append(1)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 3)
    got[0].close()


def test_other_folders_need_none(tmp_path):
    with lease.held(tmp_path, "training") as held:
        assert held is None
