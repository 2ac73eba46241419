"""Which environment variables a child process gets: a list for each kind, so that no secret reaches who has no use for it.

Knows names; does not start anything. Names that end with `*` stand for all that begin so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

# what any program may need to find its files, speak a language and tell the time
SYSTEM = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TZ", "LANG", "LANGUAGE", "LC_*"),
    *(
        "TMPDIR",
        "TMP",
        "TEMP",
        "LD_LIBRARY_PATH",
        "MALLOC_*",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "JAVA_HOME",
    ),
    *("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONFAULTHANDLER"),
    *(
        "XDG_CACHE_HOME",
        "XDG_RUNTIME_DIR",
        "FRESHET_STACK_HOME",
    ),  # by the last `make stack-down` finds what lost its parent
)
# what computes with torch: devices, threads, where models lie on this disk. Not HF_TOKEN: nothing
# is fetched
MODEL = (
    *(
        "CUDA_*",
        "NVIDIA_*",
        "ROCR_*",
        "HIP_*",
        "OMP_*",
        "MKL_*",
        "KMP_*",
        "OPENBLAS_*",
        "GOMP_*",
        "TORCH_*",
        "PYTORCH_*",
    ),
    *(
        "HF_HOME",
        "HF_HUB_CACHE",
        "HF_HUB_OFFLINE",
        "TRANSFORMERS_CACHE",
        "TRANSFORMERS_OFFLINE",
        "TOKENIZERS_PARALLELISM",
    ),
)
# how the ranks of a training find each other
RANKS = ("NCCL_*", "GLOO_*", "UCX_*", "MASTER_ADDR", "MASTER_PORT", "FRESHET_RENDEZVOUS")
RAY = ("RAY_*",)  # RAY_AUTH_TOKEN among them: for the driver alone
# settings, and the passwords of what is read and written
_SERVICES = (
    "FRESHET_CONFIG",
    "FRESHET__*",
    "FRESHET_KAFKA_*",
    "KRB5*",
    "PG*",
    "REDIS_USERNAME",
    "REDIS_PASSWORD",
)
GATEWAY = (*SYSTEM, *_SERVICES)
WORKER = (
    *SYSTEM,
    *_SERVICES,
    "AWS_*",
    "MINIO_ACCESS_KEY",
    "MINIO_SECRET_KEY",
    *MODEL,
    *RANKS,
    *RAY,
)


def only(environment: Mapping[str, str], *lists: Collection[str]) -> dict[str, str]:
    """Return the variables that one of the lists names."""
    names = {name for names in lists for name in names}
    exact, beginnings = (
        {name for name in names if name[-1] != "*"},
        tuple(name[:-1] for name in names if name[-1] == "*"),
    )
    return {
        name: value
        for name, value in environment.items()
        if name in exact or name.startswith(beginnings)
    }
