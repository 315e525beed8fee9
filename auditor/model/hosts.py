"""Hosts, as everything compares them: what a client, a log and a Host header write in several ways is one host."""


def host_of(authority: str) -> str:
    """The host in `user:secret@Host.example.:443`, in lower case, without the dot that ends a full name."""
    host = authority.rpartition("@")[2].lower()
    bare, colon, port = host.rpartition(":")
    if colon and (not port or port.isdigit()) and (":" not in bare or bare.endswith("]")):  # (or it is one of IPv6)
        host = bare
    return host.rstrip(".")
