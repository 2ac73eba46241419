"""The artifact store in a bucket: any server with the S3 API.

`client` and `uploading_client` make the clients and translate their errors; `upload` and `store`
are the port.
"""
