"""Which environment variables each kind of child process gets, so that secrets stay private.

A name that ends with `*` matches all names with that beginning.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

# what any program may need: files, language, time zone
SYSTEM = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TZ",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TMPDIR",
    "TMP",
    "TEMP",
    "LD_LIBRARY_PATH",
    "MALLOC_*",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "JAVA_HOME",
    "PYTHONUNBUFFERED",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONFAULTHANDLER",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
    "FRESHET_STACK_HOME",  # by which `make stack-down` finds orphaned processes
)
# what torch needs: devices, threads, and where models are on this disk. HF_TOKEN is left out,
# because nothing is fetched
MODEL = (
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
    "HF_HOME",
    "HF_HUB_CACHE",
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_CACHE",
    "TRANSFORMERS_OFFLINE",
    "TOKENIZERS_PARALLELISM",
)
# how the ranks of a training find each other
RANKS = ("NCCL_*", "GLOO_*", "UCX_*", "MASTER_ADDR", "MASTER_PORT", "FRESHET_RENDEZVOUS")
RAY = ("RAY_*",)  # includes RAY_AUTH_TOKEN, for the driver only
S3 = ("AWS_*",)  # only for a driver that sends files through a bucket
# settings, and passwords of the services that are used
_SERVICES = (
    "FRESHET_CONFIG",
    "FRESHET__*",
    "FRESHET_KAFKA_*",
    "FRESHET_COPY_KEY",
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
    exact = {name for name in names if name[-1] != "*"}
    beginnings = tuple(name[:-1] for name in names if name[-1] == "*")
    return {
        name: value
        for name, value in environment.items()
        if name in exact or name.startswith(beginnings)
    }
