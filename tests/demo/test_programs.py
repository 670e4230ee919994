"""Ports for programs of ours: chosen before the program starts, and its own until it ends."""

import socket
import sys

import pytest

from rollcall_demo.programs import free_ports


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere two sockets cannot have one port, so that none is held")
def test_a_port_is_kept_for_the_program_that_will_listen_on_it() -> None:
    ports = free_ports(3)
    assert len(set(ports)) == 3
    for port in ports:
        with socket.socket() as somebody, pytest.raises(OSError, match="Address already in use"):
            somebody.bind(("127.0.0.1", port))
        for _ in range(2):  # and again where it is restarted
            with socket.create_server(("127.0.0.1", port)) as program:
                assert program.getsockname()[1] == port
    # Whoever asks the kernel for any port; who asks here for as many as are held would let these go.
    for _ in range(1000):
        with socket.create_server(("127.0.0.1", 0)) as other:
            assert other.getsockname()[1] not in ports
