"""S3 on loopback: the moto server in a process of its own, with libraries of its own that are pinned with hashes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx

from tests.services import ROOT, free_port, libraries

SECRET = "s3cret-of-the-store"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIAOFTHETESTS", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}


class Moto:
    """A server, its objects, and what was asked of it."""

    def __init__(self, log: Path) -> None:
        self.port, self._log = free_port(), log
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {**ENVIRONMENT, "AWS_ENDPOINT_URL": self.url}
        path = libraries(ROOT / "requirements" / "moto.txt", ROOT / ".moto")
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from moto.server import main; main(['-H', '127.0.0.1', '-p', '{self.port}'])"],
                env={**os.environ, "PYTHONPATH": str(path)}, stdout=said, stderr=said,
            )  # fmt: skip
        signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260901/us-east-1/s3/aws4_request, Signature=x"}
        self._client = httpx.Client(base_url=self.url, trust_env=False, timeout=30, headers=signed)
        ends = time.monotonic() + 60
        while True:
            try:
                self._client.get("/moto-api/")
                return
            except httpx.TransportError:
                assert time.monotonic() < ends and self._process.poll() is None, log.read_text()

    def bucket(self, name: str) -> str:
        """A new bucket."""
        assert self._client.put(f"/{name}").status_code == 200
        return name

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Write an object."""
        assert self._client.put(f"/{bucket}/{quote(key)}", content=data).status_code == 200, key

    def delete(self, bucket: str, key: str) -> None:
        """Remove it."""
        self._client.delete(f"/{bucket}/{quote(key)}")

    def asked(self) -> list[str]:
        """Requests so far that read an object."""
        lines = self._log.read_text(errors="replace").splitlines()
        return [line for line in lines if "GET /" in line and "list-type" not in line and "moto-api" not in line]

    def stop(self) -> None:
        """End it."""
        self._client.close()
        self._process.kill()
        self._process.wait()


@contextmanager
def moto(folder: Path) -> Iterator[Moto]:
    """A server for a module's tests."""
    server = Moto(folder / "moto.log")
    try:
        yield server
    finally:
        server.stop()
