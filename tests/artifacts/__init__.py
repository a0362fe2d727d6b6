"""An independent writer of Mender Artifacts for the tests, and the corpus of good, odd and hostile ones."""

from .builder import (
    ARTIFACT_NAME,
    DEVICE_TYPE,
    PAYLOAD_TYPE,
    ArtifactBuilder,
    PayloadFile,
    Script,
    Stage,
)
from .compression import Compression
from .keys import KeyKind, SignatureForm, private_key, public_pem

__all__ = [
    "ARTIFACT_NAME",
    "DEVICE_TYPE",
    "PAYLOAD_TYPE",
    "ArtifactBuilder",
    "Compression",
    "KeyKind",
    "PayloadFile",
    "Script",
    "SignatureForm",
    "Stage",
    "private_key",
    "public_pem",
]
