"""TLS: what does not fit together is said when the server starts."""

import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from digitline.base.errors import UserError
from digitline.serving import settings

_NONSENSE = "-----BEGIN {0}-----\nAAAA\n-----END {0}-----\n"


def _pem(key, passphrase=None):
    encryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    return key.private_bytes(*form).decode()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("another key", "server_key is not the key of server_cert"),
        ("key of another type", "server_key is not the key of server_cert"),
        ("encrypted", "server_key is encrypted"),
        ("cut", "server_key is not a private key that can be read"),
        ("nonsense", "server_cert is not a certificate that can be read"),
        ("swapped", "server_cert is not a certificate that can be read"),
        ("authority", "custom_ca is not a certificate that can be read"),
        ("good", None),
    ],
)
def test_keys_and_certificates(certificates, tmp_path, kind, words):
    key, certificate, authority, other = (
        (certificates / name).read_text()
        for name in ("server.key", "server.pem", "ca.pem", "client.key")
    )
    if kind == "another key":
        key = other
    elif kind == "key of another type":
        key = _pem(rsa.generate_private_key(65537, 2048))
    elif kind == "encrypted":
        key = _pem(serialization.load_pem_private_key(key.encode(), None), b"secret")
    elif kind == "cut":
        key = key[:80]
    elif kind == "nonsense":
        certificate = _NONSENSE.format("CERTIFICATE")
    elif kind == "swapped":
        key, certificate = certificate, key
    elif kind == "authority":
        authority = _NONSENSE.format("CERTIFICATE")
    file = tmp_path / "ssl.config"
    values = {"server_key": key, "server_cert": certificate, "custom_ca": authority}
    file.write_text("\n".join(f"{name}: {json.dumps(text)}" for name, text in values.items()))
    if words is None:
        assert settings.tls(str(file)) is not None
    else:
        with pytest.raises(UserError, match=words):
            settings.tls(str(file))
