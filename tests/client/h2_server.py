"""A server that speaks HTTP/2 and nothing else, without TLS: each request gets one image, with trailers."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def serve(picture: bytes) -> Iterator[str]:
    """Its address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def work() -> None:
        with suppress(OSError):
            while True:
                accepted, _ = listener.accept()
                threading.Thread(target=_connection, args=(accepted, picture), daemon=True).start()

    threading.Thread(target=work, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def _connection(accepted: socket.socket, picture: bytes) -> None:
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.events import StreamEnded

    connection = H2Connection(H2Configuration(client_side=False))
    connection.initiate_connection()
    accepted.sendall(connection.data_to_send())
    with accepted:
        while data := accepted.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, StreamEnded):
                    headers = [(":status", "200"), ("content-type", "image/png")]
                    connection.send_headers(event.stream_id, headers)
                    connection.send_data(event.stream_id, picture)
                    connection.send_headers(event.stream_id, [("x-trailer", "there")], end_stream=True)
            accepted.sendall(connection.data_to_send())
