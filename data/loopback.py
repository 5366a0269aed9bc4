"""Listening ports of this process, closed to other machines.

TensorFlow's servers listen on all interfaces, whatever they are told. On Linux a filter (classic
BPF, `man 7 socket`) on a listening socket passes over connections that are not of this machine.
"""

import contextlib
import ctypes
import os
import socket
import struct

from ..base import progress

_SO_ATTACH_FILTER = 26
_OPENED = "/proc/self/fd"
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


def close_to_others() -> None:
    """Closes the ports that this process listens on to other machines.

    That is possible on Linux only; elsewhere it is said that it was not.
    """
    if not os.path.isdir(_OPENED):
        progress.say(
            "on this system TensorFlow's ports cannot be closed to other machines: whoever reaches "
            "them can run TensorFlow graphs here; let a firewall close them"
        )
        return
    content = b"".join(struct.pack("HBBI", *step) for step in _FILTER)
    memory = ctypes.create_string_buffer(content, len(content))
    program = struct.pack("HP", len(_FILTER), ctypes.addressof(memory))
    for name in os.listdir(_OPENED):
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(name))) as opened:
            if opened.family in (socket.AF_INET, socket.AF_INET6) and opened.getsockopt(
                socket.SOL_SOCKET, socket.SO_ACCEPTCONN
            ):
                opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
