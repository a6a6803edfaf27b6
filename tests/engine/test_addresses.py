"""Each node has an address of its own on this machine."""

from __future__ import annotations

import socket

import pytest

from linarite.engine.addresses import address


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (1, "127.1.0.1"), (254, "127.1.0.254"), (255, "127.1.1.1"), (254 * 256, "127.1.255.254"),
        (254 * 256 + 1, "127.2.0.1"), (254 * 256 * 255, "127.255.255.254"), (254 * 256 * 255 + 1, "127.1.0.1"),
    ],
)  # fmt: skip
def test_address_follows_from_the_number(key: int, expected: str):
    assert address(key) == expected


def test_addresses_of_neighbours_differ():
    assert len({address(key) for key in range(1, 200_000)}) == 199_999


def test_two_nodes_listen_on_one_port():
    """Each is reached at its own address alone."""
    with socket.create_server((address(1), 0)) as first:
        port = first.getsockname()[1]
        with socket.create_server((address(70_000), port)) as second, socket.create_connection((address(70_000), port)):
            second.settimeout(10)
            assert second.accept()[1]
            first.setblocking(False)
            with pytest.raises(BlockingIOError):
                first.accept()
