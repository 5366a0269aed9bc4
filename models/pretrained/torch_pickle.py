"""A pickle of tensors, followed opcode by opcode: nothing in it is called, imported or set.

Python's own unpickler, even one that finds only harmless names, reserves memory for any memo index
that a file states (five bytes ask for 32 GB), hashes nested tuples until the stack ends, and sets
attributes of what it found. So the standard library's `pickletools` reads the opcodes, and here the
few are followed that a dictionary of tensors is made of.
"""

import dataclasses
import pickletools
from typing import BinaryIO

# The weights of a network are some 10,000 opcodes; this many bound time and memory.
_MOST_OPCODES = 50_000

_ORDERED_DICT = "collections OrderedDict"
_REBUILD_TENSOR = "torch._utils _rebuild_tensor_v2"
# The storages that are read, with numpy's name of the type of their values.
_STORAGES = {"torch FloatStorage": "<f4", "torch LongStorage": "<i8"}


@dataclasses.dataclass(frozen=True)
class Storage:
    """Values in a row, which stand elsewhere in the file.

    Attributes:
      key: by which the file finds them.
      dtype: numpy's name of their type.
      size: how many there are.
    """

    key: str
    dtype: str
    size: int


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A tensor as the pickle describes it: a part of a storage. Nothing of it is checked.

    Attributes:
      storage: which holds its values.
      offset: of the first value, in values.
      shape: values along each axis.
      strides: from one value of an axis to the next, in values.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class _Name:
    """Something that the pickle refers to, as `module name`. It is never looked up."""

    text: str


def load(file: BinaryIO) -> object:
    """Reads one pickle, and leaves `file` behind it.

    Returns:
      Dictionaries, lists, tuples, texts, numbers, None, and `Tensor`s.

    Raises:
      ValueError, LookupError: it is not a pickle, or holds something else.
    """
    machine = _Machine()
    for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if number == _MOST_OPCODES:
            raise ValueError(f"it has more than {_MOST_OPCODES:,} opcodes")
        machine.step(opcode.name, argument)
    return machine.pop()


class _Machine:
    """The stack of values, where groups of them begin, and those that are referred to again."""

    def __init__(self):
        self._stack: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[object, object] = {}

    def step(self, opcode: str, argument: object) -> None:
        """Follows one opcode.

        Raises:
          ValueError, LookupError: tensors are not made by it, or what it takes is not there.
        """
        match opcode:
            case "PROTO" | "STOP":
                pass
            case "MARK":
                self._marks.append(len(self._stack))
            case "NONE":
                self._push(None)
            case "NEWTRUE" | "NEWFALSE":
                self._push(opcode == "NEWTRUE")
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINUNICODE":
                self._push(argument)
            case "EMPTY_DICT":
                self._push({})
            case "EMPTY_LIST":
                self._push([])
            case "EMPTY_TUPLE":
                self._push(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                self._push(self._last(int(opcode[-1])))
            case "TUPLE":
                self._push(tuple(self._group()))
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = self._stack[-1]
            case "BINGET" | "LONG_BINGET":
                self._push(self._remembered(argument))
            case "APPEND":
                self._extend(self._last(1))
            case "APPENDS":
                self._extend(self._group())
            case "SETITEM":
                self._set(self._last(2))
            case "SETITEMS":
                self._set(self._group())
            case "BUILD":
                self.pop()  # Attributes of the dictionary, torch's `_metadata`: not needed.
            case "GLOBAL":
                self._push(_name(argument))
            case "REDUCE":
                self._push(_called(*self._last(2)))
            case "BINPERSID":
                self._push(_storage(self.pop()))
            case _:
                raise ValueError(f"tensors are not made by its opcode {opcode}")

    def pop(self) -> object:
        """The last value, off the stack."""
        return self._stack.pop()

    def _push(self, value: object) -> None:
        self._stack.append(value)

    def _remembered(self, index: object) -> object:
        if index not in self._memo:
            raise ValueError("it refers to a value that is not there")
        return self._memo[index]

    def _last(self, count: int) -> tuple[object, ...]:
        """The last values, off the stack."""
        return tuple(reversed([self.pop() for _ in range(count)]))

    def _group(self) -> list[object]:
        """The values since the last mark, off the stack."""
        start = self._marks.pop()
        group = self._stack[start:]
        del self._stack[start:]
        return group

    def _extend(self, values: tuple[object, ...] | list[object]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise ValueError("it appends values to something that is not a list")
        target.extend(values)

    def _set(self, items: tuple[object, ...] | list[object]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict):
            raise ValueError("it sets items of something that is not a dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str) or key in target:
                raise ValueError("a dictionary has a key twice, or one that is not a text")
            target[key] = value


def _name(text: object) -> _Name:
    if text not in (_ORDERED_DICT, _REBUILD_TENSOR, *_STORAGES):
        raise ValueError(f"it refers to {str(text)[:80]}, which is not part of a tensor")
    return _Name(str(text))


def _called(function: object, arguments: object) -> object:
    """What the two functions would give that a pickle of tensors calls."""
    match function, arguments:
        case _Name(text=name), () if name == _ORDERED_DICT:
            return {}
        case (
            _Name(text=name),
            (Storage() as storage, int(offset), tuple(shape), tuple(strides), *_),
        ) if name == _REBUILD_TENSOR:
            return Tensor(storage, offset, _integers(shape), _integers(strides))
    raise ValueError("it calls something with what a tensor is not made of")


def _integers(values: tuple[object, ...]) -> tuple[int, ...]:
    integers = tuple(value for value in values if isinstance(value, int))
    if len(integers) < len(values):
        raise ValueError("a tensor has a shape that is not of numbers")
    return integers


def _storage(reference: object) -> Storage:
    """What torch's persistent id refers to."""
    match reference:
        case ("storage", _Name(text=kind), str(key), str(), int(size), None) if kind in _STORAGES:
            return Storage(key, _STORAGES[kind], size)
    raise ValueError("it describes a storage in another form")
