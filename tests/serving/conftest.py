import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def _name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _certificate(name, key, issuer, issuer_key, is_authority):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if not is_authority:
        names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """ca, other (another authority), server and client: NAME.pem and NAME.key in a folder."""
    folder = tmp_path_factory.mktemp("certificates")
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in
            ("ca", "other", "server", "client")}  # fmt: skip
    for name, key in keys.items():
        is_authority = name in ("ca", "other")
        issuer = name if is_authority else "ca"
        made = _certificate(name, key, issuer, keys[issuer], is_authority)
        pem = serialization.Encoding.PEM
        (folder / f"{name}.pem").write_bytes(made.public_bytes(pem))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
    return folder


@pytest.fixture(scope="session")
def stubs():
    """A server of tests/stub_server.py for each protocol, by its name."""
    import stub_server

    both = {"grpc": stub_server.grpc_stub(), "http": stub_server.rest_stub()}
    yield both
    for stub in both.values():
        stub.stop()


@pytest.fixture(params=["grpc", "http"])
def stub(request, stubs):
    """One of them, as if it was new."""
    stubs[request.param].reset()
    yield stubs[request.param]
    stubs[request.param].reset()
