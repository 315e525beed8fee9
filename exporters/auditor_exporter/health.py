"""`python -m auditor_exporter.health [HOST:PORT]`: exit code 0 if an exporter answers on this machine; for containers.

It needs no password, and takes any certificate: a container asks itself, by an address that no certificate names.
A server that demands a client's certificate hangs up after the handshake, which it has to be alive for.
"""

import http.client
import ssl
import sys

TIMEOUT = 4.0


def healthy(host: str, port: int, timeout: float = TIMEOUT) -> bool:
    """Whether /-/healthy answers, with or without TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for connection in (
        http.client.HTTPConnection(host, port, timeout=timeout),
        http.client.HTTPSConnection(host, port, timeout=timeout, context=context),
    ):
        met = False
        try:
            connection.connect()
            met = isinstance(connection, http.client.HTTPSConnection)
            connection.request("GET", "/-/healthy")
            return connection.getresponse().status == 200
        except ConnectionError:  # it speaks TLS, or did so and hung up on clients without a certificate
            if met:
                return True
        except (OSError, http.client.HTTPException):
            continue
        finally:
            connection.close()
    return False


if __name__ == "__main__":
    where, _, number = (sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:19710").rpartition(":")
    sys.exit(not healthy(where.strip("[]"), int(number)))
