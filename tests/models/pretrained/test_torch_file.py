import collections
import io
import os
import pickle
import random
import struct
import sys
import time
import tracemalloc
import types

import numpy as np
import pytest

from digitline.base.errors import DataError
from digitline.models.pretrained import torch_file

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
MACHINE = {"protocol_version": VERSION, "little_endian": True, "type_sizes": {"int": 4}}


def rebuild(*arguments):
    """What torch calls to make a tensor; it is written by name."""


rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
STORAGES = {
    "<f4": type("FloatStorage", (), {"__module__": "torch"}),
    "<i8": type("LongStorage", (), {"__module__": "torch"}),
}


class Reference:
    """A storage, as a tensor refers to it."""

    def __init__(self, *persistent_id):
        self.persistent_id = persistent_id


class Tensor:
    """Pickled as torch pickles its own."""

    def __init__(self, *arguments):
        self._arguments = arguments

    def __reduce__(self):
        return rebuild, self._arguments


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return value.persistent_id if isinstance(value, Reference) else None


@pytest.fixture(scope="module", autouse=True)
def torch():
    """As if it were installed, for pickle to find its names."""
    module, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for storage in STORAGES.values():
        setattr(module, storage.__name__, storage)
    utils._rebuild_tensor_v2 = rebuild
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torch", module)
        patch.setitem(sys.modules, "torch._utils", utils)
        yield


def tensor(key="1", kind="<f4", size=24, offset=0, shape=(2, 3, 4), strides=(12, 4, 1), view=None):
    reference = Reference("storage", STORAGES[kind], key, "cpu", size, view)
    return Tensor(reference, offset, shape, strides, False, collections.OrderedDict())


def written(tensors, storages, machine=MACHINE, magic=MAGIC, version=VERSION, keys=None):
    """A file; storages are arrays by key."""
    file = io.BytesIO()
    state = collections.OrderedDict(tensors)
    state._metadata = {"": {"version": 1}}  # Torch notes versions so.
    for part in (magic, version, machine, state, sorted(storages) if keys is None else keys):
        Pickler(file, protocol=2).dump(part)
    for key in sorted(storages):
        file.write(struct.pack("<q", storages[key].size) + storages[key].tobytes())
    return file.getvalue()


VALUES = np.arange(24, dtype="<f4")
FILE = {"tensors": {"a": tensor()}, "storages": {"1": VALUES}}


def test_tensors_come_back_whatever_their_order_of_axes():
    read = torch_file.read(
        written(
            {
                "plain": tensor(),
                "turned": tensor(shape=(4, 3, 2), strides=(1, 4, 12)),
                "part": tensor(offset=8, shape=(4, 1), strides=(1, 7)),
                "counter": tensor("0", "<i8", 1, shape=(), strides=()),
            },
            {"1": VALUES, "0": np.array([2**40])},
        ),
        "a file",
    )
    assert list(read) == ["plain", "turned", "part", "counter"]
    np.testing.assert_array_equal(read["plain"], VALUES.reshape(2, 3, 4))
    np.testing.assert_array_equal(read["turned"], VALUES.reshape(2, 3, 4).T)
    np.testing.assert_array_equal(read["part"], [[8], [9], [10], [11]])
    assert read["counter"] == 2**40
    assert [value.dtype for value in read.values()] == ["float32"] * 3 + ["int64"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"shape": (2, 3, 5)}, "not next to one another"),
        ({"shape": (3, 3, 4)}, "ends after its storage"),
        ({"offset": 1}, "ends after its storage"),
        ({"offset": -1}, "shape that no tensor has"),
        ({"shape": (2, -3, 4)}, "shape that no tensor has"),
        ({"shape": (0,), "strides": (1,)}, "shape that no tensor has"),
        ({"shape": (24,)}, "shape that no tensor has"),
        ({"shape": (1,) * 9, "strides": (1,) * 9}, "shape that no tensor has"),
        ({"shape": (2**62, 2**62), "strides": (2**62, 1)}, "ends after its storage"),
        ({"shape": (2**62,), "strides": (0,)}, "not next to one another"),
        ({"shape": (2.0,), "strides": (1,)}, "opcode BINFLOAT"),
        ({"shape": ("2",), "strides": (1,)}, "shape that is not of numbers"),
        ({"shape": [24], "strides": [1]}, "what a tensor is not made of"),
        ({"size": 2**40}, "a storage has another size"),
        ({"size": 25}, "a storage has another size"),
        ({"size": -1}, "a storage has another size"),
        ({"kind": "<i8"}, "the file is not complete"),
        ({"key": "2"}, "storages are not those of its tensors"),
        ({"view": ("3", 0, 4)}, "storage in another form"),
    ],
)
def test_rejects_a_tensor_that_does_not_lie_in_its_storage(changed, message):
    with pytest.raises(DataError, match=message):
        torch_file.read(written({"a": tensor(**changed)}, {"1": VALUES}), "a file")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: b"", "a file: not weights as torch wrote them"),
        (lambda: b"PK\3\4 the form since torch 1.6", "not weights"),
        (lambda: pickle.dumps({"a": 1}, protocol=2), "not weights"),
        (lambda: written(**FILE, magic=1), "does not begin as these do"),
        (lambda: written(**FILE, version=2), "does not begin as these do"),
        (lambda: written(**FILE, machine={"little_endian": False}), "not little-endian"),
        (lambda: written(**FILE, keys=["1", "1"]), "not those of its tensors"),
        (lambda: written(**FILE, keys=[1]), "not those of its tensors"),
        (lambda: written(**FILE) + b"\0", "goes on after its last storage"),
        (lambda: written(**FILE)[:-1], "the file is not complete"),
        (lambda: written({"a": 1}, {}), "something that is not a tensor"),
        (lambda: written({"a": tensor(), "b": tensor(size=3)}, {"1": VALUES}), "disagree"),
        (lambda: written({1: tensor()}, {"1": VALUES}), "one that is not a text"),
    ],
)
def test_rejects_other_files(content, message):
    with pytest.raises(DataError, match=message):
        torch_file.read(content(), "a file")


class Attack:
    def __reduce__(self):
        return os.system, ("touch attacked",)


# In front of a file, as its first pickle.
ATTACKS = {
    "memo index": (b"Nr\xff\xff\xff\x7f.", "does not begin"),
    "size of a text": (b"X\xff\xff\xff\x7fa.", "expected 2147483647 bytes"),
    "size of bytes": (b"\x8e" + b"\xff" * 7 + b"\x7fa.", "bytes"),
    "size of an array": (b"\x96" + b"\xff" * 7 + b"\x7fa.", "bytes"),
    "nested tuples": (b"}" + b")" + b"\x85" * 40_000 + b"Ns.", "not a text"),
    "nested lists": (b"](" * 15_000 + b"e" * 15_000 + b".", "does not begin"),
    "a list in itself": (b"]q\0h\0a.", "does not begin"),
    "many opcodes": (b"N" * 60_000 + b".", "more than 50,000 opcodes"),
    "a long number": (b"L" + b"9" * 100_000 + b"L\n.", ""),
    "nothing to take": (b"\x87.", "pop from empty list"),
    "no mark": (b"t.", "pop from empty list"),
    "a memo that is not there": (b"h\x05.", "not there"),
    "a call of a name": (b"ctorch\nFloatStorage\n)R.", "it calls something"),
    "attributes of a name": (b"ccollections\nOrderedDict\n}b.", "does not begin"),
    "a name": (b"cbuiltins\neval\n.", "refers to builtins eval"),
    "a name of the stack": (b"X\4\0\0\0evalX\4\0\0\0eval\x93.", "opcode STACK_GLOBAL"),
    "an object": (b")\x81.", "opcode NEWOBJ"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_refused_in_little_time_and_memory(attack):
    opcodes, message = ATTACKS[attack]
    assert message in refused(b"\x80\x02" + opcodes + written(**FILE))


def test_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "refers to posix system" in refused(written({"a": Attack()}, {}))
    assert not list(tmp_path.iterdir())


def refused(content):
    """The error of a file, or nothing if it is read, in time and memory that fit its size."""
    tracemalloc.start()
    start = time.process_time()
    try:
        torch_file.read(content, "a file")
        return ""
    except DataError as error:
        return str(error)
    finally:
        taken, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert taken < 5
        assert peak < 100 * len(content) + (1 << 20)


def mutants(content, count, seed):
    """Copies with a few other bytes, without some, with more, or with some twice."""
    generator = random.Random(seed)
    for _ in range(count):
        mutant = bytearray(content)
        for _ in range(generator.choice([1, 1, 2, 4])):
            place, size = generator.randrange(len(mutant)), generator.randrange(1, 40)
            kind = generator.randrange(5)
            if kind < 2:
                mutant[place] = generator.randrange(256)
            elif kind == 2:
                del mutant[place : place + size]
            elif kind == 3:
                mutant[place:place] = mutant[place : place + size]
            else:
                mutant[place : place + 4] = generator.choice([b"\xff", b"\x7f", b"\0"]) * 4
        yield bytes(mutant)


@pytest.mark.parametrize("count", [200, pytest.param(5_000, marks=pytest.mark.long)])
def test_mutants_are_read_or_refused(count):
    tensors = {f"layer{key}.weight": tensor(str(key)) for key in range(6)}
    content = written(tensors, {str(key): VALUES for key in range(6)})
    refusals = [refused(mutant) for mutant in mutants(content, count, count)]
    assert sum(map(bool, refusals)) > count / 2  # The others have other values only.
    assert not any("\n" in refusal for refusal in refusals)


@pytest.mark.long
def test_mutants_of_the_real_file_are_read_or_refused(weights_file):
    content = weights_file.read_bytes()
    header = 47_176  # Where its storages begin.
    for mutant in mutants(content[:header], 100, 0):
        refused(mutant + content[header:])
