"""The loops are plain Python; where there is much work, numba compiles the very same functions."""

from collections.abc import Callable


def compiled(loop: Callable[..., None]) -> Callable[..., None]:
    """*loop* as machine code, which is kept beside its module."""
    import numba

    made: Callable[..., None] = numba.njit(cache=True)(loop)
    return made
