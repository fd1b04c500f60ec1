"""The tests themselves cannot reach the network."""

import socket
import urllib.request

import pytest


def test_other_machines_are_out_of_reach():
    with socket.socket() as made, pytest.raises(AssertionError, match="connection"):
        made.connect(("192.0.2.1", 80))
    with socket.socket() as made, pytest.raises(AssertionError, match="connection"):
        made.connect_ex(("192.0.2.1", 80))
    with pytest.raises(AssertionError, match="asked for"):
        socket.create_connection(("example.org", 443), timeout=1)
    with pytest.raises(AssertionError, match="asked for"):
        urllib.request.urlopen("http://example.org/", timeout=1)


def test_this_machine_is_within_reach():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as made:
        made.connect(server.getsockname())
        assert made.getpeername() == server.getsockname()
