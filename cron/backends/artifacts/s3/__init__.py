"""The artifact store in a bucket: MinIO, AWS S3, SeaweedFS, or anything else that speaks the S3 API.

`where` reads the URL and knows no client; `client` makes one and translates what it says; `upload`
and `store` are the port.
"""
