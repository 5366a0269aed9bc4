"""Listening ports of this process, closed to other machines.

TensorFlow's servers listen on all interfaces, whatever they are told. On Linux a filter (classic
BPF, `man 7 socket`) on a listening socket passes over connections that are not of this machine.
"""

import contextlib
import ctypes
import os
import socket
import struct

_SO_ATTACH_FILTER = 26
# Places in the header of the network, wherever the packet begins.
_NET = 0xFFF00000
_BYTE, _WORD, _SHIFT, _AND, _IF_EQUAL, _RETURN = 0x30, 0x20, 0x74, 0x54, 0x15, 0x06
# (code, steps to go over if true, if false, number): 127.0.0.0/8 of IPv4 and ::1 of IPv6 pass.
_FILTER = (
    (_BYTE, 0, 0, _NET),
    (_SHIFT, 0, 0, 4),
    (_IF_EQUAL, 0, 3, 4),
    (_WORD, 0, 0, _NET + 12),
    (_AND, 0, 0, 0xFF000000),
    (_IF_EQUAL, 8, 9, 127 << 24),
    (_WORD, 0, 0, _NET + 8),
    (_IF_EQUAL, 0, 7, 0),
    (_WORD, 0, 0, _NET + 12),
    (_IF_EQUAL, 0, 5, 0),
    (_WORD, 0, 0, _NET + 16),
    (_IF_EQUAL, 0, 3, 0),
    (_WORD, 0, 0, _NET + 20),
    (_IF_EQUAL, 0, 1, 1),
    (_RETURN, 0, 0, 0xFFFFFFFF),
    (_RETURN, 0, 0, 0),
)


def close_to_others() -> bool:
    """Closes the ports that this process listens on to other machines.

    Returns:
      Whether that was possible: it is on Linux only.
    """
    content = b"".join(struct.pack("HBBI", *step) for step in _FILTER)
    memory = ctypes.create_string_buffer(content, len(content))
    program = struct.pack("HP", len(_FILTER), ctypes.addressof(memory))
    if not os.path.isdir("/proc/self/fd"):
        return False
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(name))) as opened:
            if opened.family in (socket.AF_INET, socket.AF_INET6) and opened.getsockopt(
                socket.SOL_SOCKET, socket.SO_ACCEPTCONN
            ):
                opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    return True
