"""Looks at a message before it is parsed: two bytes of it can state an object of hundred."""

# Of TensorProto: tensor_content, float_val, double_val, string_val, scomplex_val, dcomplex_val.
_PLAIN = {4, 5, 6, 8, 9, 12}
_INPUTS, _VALUE = 2, 2  # Of PredictRequest the map of inputs; of its entries the tensor.
_MOST_FIELDS = 4096
_SMALL = 64 << 10  # Bytes that may be anything.


class _ManyError(Exception):
    pass


def is_plain(data: bytes) -> bool:
    """Whether a PredictRequest is read quickly: few fields, of which the long ones are copied.

    Looks at up to some thousand fields.
    """
    walk = _Walk(data)
    try:
        return walk.others(0, len(data), (_INPUTS, _VALUE)) <= _SMALL
    except (_ManyError, IndexError):
        return False


class _Walk:
    def __init__(self, data: bytes):
        self._data = data
        self._left = _MOST_FIELDS

    def others(self, start: int, end: int, path: tuple[int, ...]) -> int:
        """Bytes in a message that are not values in a plain field of a tensor.

        Args:
          start, end: where it lies.
          path: numbers of the fields that lead from it to tensors.
        """
        count, position = 0, start
        while position < end:
            self._left -= 1
            if self._left < 0:
                raise _ManyError
            tag, position = self._varint(position)
            number, kind = tag >> 3, tag & 7
            if kind != 2:
                position = self._skipped(kind, position)
                continue
            length, position = self._varint(position)
            if position + length > end:
                raise IndexError  # Damaged: the parser says so.
            if path and number == path[0]:
                count += self.others(position, position + length, path[1:])
            elif path or number not in _PLAIN:
                count += length
            position += length
        return count

    def _skipped(self, kind: int, position: int) -> int:
        if kind == 0:
            return self._varint(position)[1]
        if kind in (1, 5):
            return position + (8 if kind == 1 else 4)
        raise IndexError

    def _varint(self, position: int) -> tuple[int, int]:
        value, shift = 0, 0
        while True:
            byte = self._data[position]
            position += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value, position
            shift += 7
            if shift > 63:
                raise IndexError
