"""Stands in for `oss2.crypto` in the code package: the names that oss2 imports, without client-side encryption.

The original imports two more SDKs and `cryptography`: 90 ms at each cold start and half of the package's size, for
keys that are wrapped by the key service before an upload. No function uploads encrypted objects, so whoever tries
is told at once.
"""


class BaseCryptoProvider:
    """Client-side encryption, which this package leaves out."""

    def __init__(self, *_args: object, **_options: object) -> None:
        raise NotImplementedError("client-side encryption of oss2 is left out of this code package")


class LocalRsaProvider(BaseCryptoProvider):
    """The same."""


class RsaProvider(BaseCryptoProvider):
    """The same."""


class AliKMSProvider(BaseCryptoProvider):
    """The same."""


class EncryptionMaterials(BaseCryptoProvider):
    """The same."""
