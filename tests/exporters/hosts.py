"""Hosts of their own for forwarders, a line that loses answers, and a disk that can be full."""

import os
import random
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.services import free_port


@dataclass
class Network:
    """What an exporter listens on, and what a process of a host is started with."""

    address: str
    prefixes: list[list[str]]

    @property
    def kind(self) -> str:
        """What the hosts are."""
        return "network namespaces" if self.prefixes[0] else "processes on one loopback"


@contextmanager
def hosts(count: int) -> Iterator[Network]:
    """Network namespaces on one bridge; where they cannot be made, processes that share the loopback."""
    mark, third = os.getpid() % 100_000, os.getpid() % 250 + 1
    bridge, names = f"ab{mark}", [f"ah{mark}n{number}" for number in range(count)]

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    try:
        try:
            ip("link", "add", bridge, "type", "bridge")
            ip("addr", "add", f"10.77.{third}.1/24", "dev", bridge)
            ip("link", "set", bridge, "up")
            for number, name in enumerate(names):
                near, far = f"v{mark}a{number}", f"v{mark}b{number}"
                ip("netns", "add", name)
                ip("link", "add", near, "type", "veth", "peer", "name", far)
                ip("link", "set", near, "master", bridge)
                ip("link", "set", near, "up")
                ip("link", "set", far, "netns", name)
                ip("-n", name, "addr", "add", f"10.77.{third}.{number + 2}/24", "dev", far)
                ip("-n", name, "link", "set", far, "up")
                ip("-n", name, "link", "set", "lo", "up")
            made = Network(f"10.77.{third}.1", [["ip", "netns", "exec", name] for name in names])
        except (OSError, subprocess.CalledProcessError):
            made = Network("127.0.0.1", [[] for _ in names])
        yield made
    finally:
        with suppress(OSError):
            for name in names:
                subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
            subprocess.run(["ip", "link", "del", bridge], check=False, capture_output=True)


@dataclass
class Line:
    """Carries bytes to an exporter; while it *loses*, it cuts some connections where the answer begins."""

    host: str
    to: int
    losing: float = 0.0
    """Share of the answers that are lost."""
    lost: int = 0
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self._random = random.Random(11)
        self._listener = socket.create_server((self.host, self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        sent = 0
        with near, suppress(OSError), socket.create_connection((self.host, self.to), 10) as far:

            def back() -> None:
                nonlocal sent
                with suppress(OSError):
                    while data := far.recv(1 << 16):
                        # A request was delivered on this connection, and this is the answer to it.
                        if sent > 2500 and self._random.random() < self.losing:
                            self.lost += 1
                            break
                        near.sendall(data)
                with suppress(OSError):
                    near.shutdown(socket.SHUT_RDWR)
                    far.shutdown(socket.SHUT_RDWR)

            answers = threading.Thread(target=back, daemon=True)
            answers.start()
            while data := near.recv(1 << 16):
                far.sendall(data)
                sent += len(data)
            with suppress(OSError):
                far.shutdown(socket.SHUT_WR)
            answers.join(10)

    def close(self) -> None:
        """No more connections."""
        self._listener.close()


class SmallDisk:
    """A file system of its own, which can be filled."""

    def __init__(self, folder: Path, size: str, owner: str) -> None:
        self.folder = folder
        folder.mkdir()
        size_of_it = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        self.made = not subprocess.run(size_of_it, check=False, capture_output=True).returncode
        if self.made:
            shutil.chown(folder, owner, owner)

    def fill(self) -> None:
        """Leave no room."""
        with suppress(OSError), (self.folder / "ballast").open("wb", buffering=0) as file:
            while True:
                file.write(b"\1" * 4096)

    def free(self) -> None:
        """Leave room again."""
        (self.folder / "ballast").unlink()

    def close(self) -> None:
        """Take it away."""
        if self.made:
            subprocess.run(["umount", "-l", str(self.folder)], check=False, capture_output=True)
