"""The object store: one protocol, a local folder and S3/MinIO behind it."""
