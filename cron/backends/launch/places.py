"""Where the files of trainings travel when their machines share no folder."""

from __future__ import annotations

from urllib.parse import urlencode

from cron.urls.artifact_name import TRAININGS
from cron.urls.files import FileUrl
from cron.urls.s3 import AWS, S3Url


def trainings_uri(artifacts: FileUrl | S3Url) -> str:
    """Return the place of trainings beside the artifacts, as the trainer names it."""
    if isinstance(artifacts, FileUrl):
        return (artifacts.path / TRAININGS).as_uri()
    options = {"region": artifacts.region}
    if artifacts.endpoint != AWS:
        scheme, _, host = artifacts.endpoint.partition("://")
        options |= {"scheme": scheme, "endpoint_override": host}
    if artifacts.ca is not None:
        options["tls_ca_file_path"] = str(artifacts.ca)
    return f"s3://{artifacts.bucket}/{artifacts.prefix}{TRAININGS}?{urlencode(options)}"
