"""Folders in object stores, which commands take as addresses: `s3://bucket/folder`."""
