"""How many connections there may be: as many as the process may have files open."""

import resource

_MOST_FILES = 65_536
# Of them for models, logs and threads, and for connections that are taken from the
# system before they are counted: up to 128 at once.
_OTHER_FILES = 256
_MOST_CONNECTIONS = 10_000


def allow_files() -> int:
    """Lets this process have as many files open as it may; says how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _MOST_FILES
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if wanted > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):  # macOS knows further limits.
            return soft
    return max(wanted, soft)


def limit(files: int) -> int:
    """How many connections the REST port may have of so many files; gRPC may have as many."""
    return min(max((files - _OTHER_FILES) // 2, 32), _MOST_CONNECTIONS)
