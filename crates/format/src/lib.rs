//! Stored bytes: object names, manifests, sha256 files, codecs. Bytes in, bytes out.
