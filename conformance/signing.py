"""Signatures of certificates: ed25519 (RFC 8032) over the canonical form of the body."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from conformance.certificate import Document, Unusable, canonical

_NEEDED = "signatures need the module cryptography: pip install 'layer-conformance[certificates]'"


def signed(document: Document, key: Path) -> Document:
    """The document with a signature by the private key in a PEM file. Raises ``Unusable`` where there is none."""
    serialization, ed25519 = _library()
    private = _loaded(key, lambda data: serialization.load_pem_private_key(data, None), ed25519.Ed25519PrivateKey)
    public = private.public_key().public_bytes_raw()
    value = private.sign(canonical(document["body"]))
    signature = {"algorithm": "ed25519", "public_key": _text(public), "value": _text(value)}
    return {**document, "signature": signature}


def signer(document: Document, trusted: Path | None = None) -> str:
    """The fingerprint of the key that signed the document. Raises ``Unusable`` where it did not, or is another key.

    ``trusted`` is a PEM file with the public key that must have signed it.
    """
    serialization, ed25519 = _library()
    if "signature" not in document:
        raise Unusable("it has no signature")
    from cryptography.exceptions import InvalidSignature

    try:
        public = base64.b64decode(document["signature"]["public_key"], validate=True)
        value = base64.b64decode(document["signature"]["value"], validate=True)
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(value, canonical(document["body"]))
    except (InvalidSignature, KeyError, ValueError) as error:
        raise Unusable("its signature is not one of this body by the key that it names") from error
    if trusted is not None:
        expected = _loaded(trusted, serialization.load_pem_public_key, ed25519.Ed25519PublicKey).public_bytes_raw()
        if public != expected:
            raise Unusable(f"it is signed by {_fingerprint(public)}, expected {_fingerprint(expected)} of {trusted}")
    return _fingerprint(public)


def _library() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ModuleNotFoundError as error:
        raise Unusable(_NEEDED) from error
    return serialization, ed25519


def _loaded(path: Path, load: Any, kind: type) -> Any:
    """The key in a PEM file."""
    try:
        found = load(path.read_bytes())
    except (OSError, TypeError, ValueError) as error:
        raise Unusable(f"{path} holds no key in PEM that needs no password: {error}") from error
    if not isinstance(found, kind):
        raise Unusable(f"{path} holds a {type(found).__name__}, expected an {kind.__name__}")
    return found


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _fingerprint(public: bytes) -> str:
    return f"ed25519 key sha256:{hashlib.sha256(public).hexdigest()[:16]}"
