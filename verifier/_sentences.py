"""The sentences of ``wording``: for each refusal and each finding a sentence and a hint.

Fields of the error stand in braces; a finding has ``subject``, ``value`` and, in octal, ``mode``.
"""

from __future__ import annotations

from verifier import errors as e
from verifier.findings import FindingCode

_DAMAGED = "the file was changed or damaged after it was written; get it again from where it was published"
_REBUILD = "build the artifact again with mender-artifact"
_WRITER = "this is a fault of the program that wrote the artifact; build it again with mender-artifact"
_KEY_FORM = "openssl writes the right form with: openssl pkey -in PRIVATE.pem -pubout -out PUBLIC.pem"
_LIST = "artifact-signer log recalled writes the newest one"
_PROOF = "get the proof again from the service that signed the artifact"
_LIMIT = "if you trust where it comes from, raise the field {limit} of Limits"

REFUSALS: dict[type[BaseException], tuple[str, str | None]] = {
    e.VerificationError: ("the artifact is refused", None),
    e.MalformedArtifact: ("the artifact is malformed", _REBUILD),
    e.UnsupportedArtifact: ("the artifact is of a kind that not every client accepts", _REBUILD),
    e.SignatureError: ("the signature is refused", None),
    e.KeyLoadError: ("a key cannot be used", _KEY_FORM),
    # the input as a whole
    e.NotAnArtifact: ("this is not a Mender Artifact: it does not begin with a tar header", None),
    e.EmptyInput: ("there is nothing in it, not a single byte", None),
    e.Truncated: (
        "it ends too early: {part} breaks off after {offset} bytes",
        "the download or copy was cut short; get it again",
    ),
    e.DigestMismatch: (
        "{path} is not what the manifest lists: its SHA-256 is {actual}, and should be {expected}",
        _DAMAGED,
    ),
    e.LimitExceeded: ("{part} needs more than this verifier allows: {limit} is {allowed}", _LIMIT),
    e.FastExtraMissing: (
        "{part} is compressed with zstd, and nothing is installed that reads it",
        "pip install 'artifact-signer[fast]'",
    ),
    e.FindingsRefused: (
        "it is valid, but has findings, and none are allowed: {findings}",
        "leave out --strict to accept them",
    ),
    # logs
    e.LogError: ("what the log presents is refused", None),
    e.InclusionRefused: (
        "the proof does not show its record in the log (record {index} of {size})",
        "the proof is of another record or was changed; get it again from the service that signed",
    ),
    e.ConsistencyRefused: (
        "the log of {size} records does not begin with the log of {old_size} that was seen before",
        "records were changed or removed; ask whoever runs the log, and keep both checkpoints",
    ),
    e.NoteMalformed: ("the checkpoint of the log is not a signed note: {problem}", _PROOF),
    e.NoteUnsigned: (
        "none of the log's keys signed its checkpoint (tried: {keys})",
        "give the log's verifier key with --log-key; the service writes it to log.vkey",
    ),
    e.NoteSignatureInvalid: (
        "the checkpoint has a signature in the name of {key} that does not verify",
        "somebody changed it, or made it up; ask whoever runs the log",
    ),
    e.VerifierKeyInvalid: (
        "the verifier key {source} cannot be used: {problem}",
        "the service writes its log's key to log.vkey, in one line: name+id+base64",
    ),
    e.CheckpointMalformed: ("the checkpoint of the log is malformed: {problem}", _PROOF),
    e.OriginMismatch: ("the proof is of the log {actual}, not of {expected}", None),
    e.WitnessesMissing: (
        "{demanded} witnesses have to have signed the log's checkpoint; those that did: {found}",
        "ask for a newer proof when the witnesses have signed, or demand fewer with --witnesses",
    ),
    e.ProofUnreadable: (
        "its proof {source} cannot be read: {reason}",
        "artifact-signer sign --proof FILE writes one; name it with --proof",
    ),
    e.ProofMalformed: ("its proof is not one: {problem}", _PROOF),
    e.LeafMalformed: ("the log's record is malformed: {problem}", _PROOF),
    e.LeafIsNoSignature: (
        "the log's record is of the kind {type}: it does not show that the artifact was signed",
        _PROOF,
    ),
    e.LeafMismatch: (
        "the log's record is of another signature: {member} is {actual}, and should be {expected}",
        "the proof belongs to another artifact; each signature has its own",
    ),
    e.EmergencySignature: (
        "it was signed in an emergency, past its approvals, by {person}: {reason}",
        "have it approved and signed again; --allow-emergency accepts it as it is",
    ),
    e.RecalledListUnreadable: ("{source} cannot be read: {reason}", _LIST),
    e.RecalledListMalformed: ("it is no list of recalled artifacts: {problem}", _LIST),
    e.RecalledListOlder: ("the list of recalled artifacts is of version {version}, older than {demanded}", _LIST),
    e.ArtifactRecalled: (
        "it was recalled: its manifest {manifest_sha256} stands in version {version} of the list",
        "do not install it; the log says who recalled it, and why",
    ),
    e.TilePathInvalid: ("{path} is not the path of a tile", None),
    e.BundleMalformed: ("a bundle of the log's records is malformed: {problem}", None),
    # tar archives
    e.TarChecksumInvalid: ("a tar header of {part} at byte {offset} has a wrong checksum", _DAMAGED),
    e.TarFieldInvalid: (
        "a tar header of {part} at byte {offset} is malformed, or read differently by different clients ({field})",
        _WRITER,
    ),
    e.SecondArchive: (
        "{part} holds a second archive that some devices would read instead",
        "no tool writes that by accident: do not install or sign it, and ask who made it",
    ),
    e.TarExtensionInvalid: ("a tar extension header of {part} at byte {offset} is malformed", _WRITER),
    e.PaxGlobalHeader: (
        "{part} has a global PAX header at byte {offset}, which clients read differently",
        "write it without one; git archive is known to add them",
    ),
    e.PaxRecordInvalid: ("a PAX header of {part} at byte {offset} is malformed ({record})", _WRITER),
    e.PaxRecordUnsupported: (
        "a PAX header of {part} at byte {offset} has the record {record}, which clients read differently",
        _WRITER,
    ),
    e.MemberNotRegular: (
        "{name} in {part} is not a regular file (tar type {typeflag}): no links, directories or devices",
        "an update of several files or with links carries them in an archive of its own",
    ),
    e.TarEndIncomplete: ("a single zero block at byte {offset} of {part} hides what follows it", _DAMAGED),
    e.TarTrailingData: ("{part} goes on after its end, at byte {offset}", _DAMAGED),
    # the order of members, version and manifest
    e.MemberUnexpected: ("{name} may not come here; expected: {expected}", _REBUILD),
    e.MemberMissing: ("the archive ends where a member is missing: {expected}", _REBUILD),
    e.AugmentedArtifact: (
        "it is an augmented artifact ({member}): nothing signs its second manifest, and C++ clients refuse it",
        "build the whole update as one artifact",
    ),
    e.UnsupportedVersion: ("its format version is {version}; clients accept version 3", _REBUILD),
    e.VersionInvalid: ("the member version does not say which format this is", _REBUILD),
    e.ManifestLineInvalid: ("line {line} of the manifest is not a digest, two blanks and a name", _WRITER),
    e.ManifestNameInvalid: ("line {line} of the manifest lists {name}, which cannot be listed there", _WRITER),
    e.ManifestEntryRepeated: ("line {line} of the manifest lists {name} again", _WRITER),
    e.ManifestEntryMissing: ("the manifest does not list {name}", _WRITER),
    e.ManifestHeaderMismatch: ("the manifest lists {listed}, but the artifact holds {stored}", _DAMAGED),
    # compression
    e.CompressionMismatch: (
        "the name of {member} promises compression {promised}, its contents show {found}",
        _WRITER,
    ),
    e.UnsupportedCompression: (
        "{member} is compressed in a way that clients do not read",
        "use none, gzip, lzma or zstd",
    ),
    e.CompressionCorrupt: ("{member} does not decompress ({compression})", _DAMAGED),
    e.CompressionFieldRefused: (
        "{member} is compressed in a form that some clients refuse ({field})",
        "compress it with the defaults of gzip, xz or zstd, as mender-artifact does",
    ),
    e.CompressedTrailingData: ("{member} goes on after the end of its compressed data", _DAMAGED),
    # the documents of the header
    e.JsonInvalid: ("{document} is not the JSON that clients read", _WRITER),
    e.JsonKeyRepeated: (
        "{document} has the key {key} twice, if only in other letter case, and clients may take different ones",
        _WRITER,
    ),
    e.JsonFieldUnknown: ("{document} has the field {field}, which clients refuse", _WRITER),
    e.JsonFieldAmbiguous: (
        "{document} has the field {field}, which some clients take for the one in lower case",
        _WRITER,
    ),
    e.JsonFieldMissing: ("{document} lacks the field {field}", _WRITER),
    e.JsonFieldTypeWrong: ("{document} has something else than a value of type {expected} in {field}", _WRITER),
    e.ArtifactNameInvalid: (
        "{field} cannot be {name}: it needs 1 to 256 bytes, and only characters that print",
        "choose another name: mender-artifact write -n NAME",
    ),
    e.HeaderTextInvalid: (
        "{field} cannot hold {text}: it takes up to 256 bytes, and only characters that print",
        _REBUILD,
    ),
    e.DependsEmpty: ("{field} is an empty list, which C++ clients fail at", "leave the field out"),
    e.ReservedKey: (
        "type-info has {key} in {field}, which only header-info may have: devices differ about which of them counts",
        "leave out the option of mender-artifact write that sets it: --provides or --depends",
    ),
    e.DeviceTypesInvalid: (
        "it names no device type, or an empty one",
        "name the devices it is for: mender-artifact write -t DEVICE",
    ),
    e.PayloadTypeEmpty: ("the payload type is empty", _WRITER),
    e.PayloadTypeInvalid: (
        "the payload type {payload_type} is not the name of a file in one folder; devices run the program it names",
        "name an update module, without a path: mender-artifact write module-image -T NAME",
    ),
    e.PayloadFilesTooMany: (
        "a payload of type {payload_type} has one file at most, and this one has {count}",
        "use an update module for several files",
    ),
    e.SeveralPayloads: ("it does not have one payload but {count}; clients support one", _REBUILD),
    e.TypeInfoMismatch: (
        "header-info says payload type {header_info}, type-info says {type_info}",
        _WRITER,
    ),
    e.HeaderMemberUnexpected: ("{name} may not come here in the header; expected: {expected}", _WRITER),
    e.HeaderMemberMissing: ("the header ends where a file is missing: {expected}", _WRITER),
    e.ScriptNameInvalid: (
        "{name} is no name for a state script",
        "the form is ArtifactInstall_Enter_00_description, at most 255 bytes long",
    ),
    e.ScriptRepeated: ("the state script {name} occurs twice", _WRITER),
    e.MetaDataWithoutPayload: (
        "it has meta-data without a payload, which C++ clients refuse",
        "leave the meta-data out",
    ),
    # the payload
    e.PayloadNameInvalid: (
        "{name} is no name for a payload file",
        "use A-Z a-z 0-9 _ - . and comma, at most 90 characters",
    ),
    e.PayloadNotListed: ("the payload file {name} is not in the manifest, so nothing signs it", _DAMAGED),
    e.PayloadMissing: ("payload files that the manifest lists are missing: {names}", _DAMAGED),
    e.PayloadRepeated: ("the payload file {name} occurs twice", _DAMAGED),
    e.PayloadUnexpected: ("it has no payload type, yet a payload file {name}", _WRITER),
    # the signature
    e.Unsigned: (
        "it is not signed: anyone can have made it",
        "sign it, or look at what it contains with --inspect",
    ),
    e.SignatureEncodingInvalid: (
        "its signature is not one line of base64 without a newline, and clients refuse it",
        "sign it again",
    ),
    e.SignatureInvalid: (
        "none of the keys made its signature (tried: {fingerprints})",
        "either the manifest was changed, or it was signed with another key; compare the fingerprints",
    ),
    e.DerSignatureLengthRefused: (
        "the key {fingerprint} made its signature, but in an ASN.1 form of {length} bytes that some clients refuse",
        "sign it again, with r and s as 64 raw bytes",
    ),
    # keys
    e.NoKeys: (
        "there is no key to verify with",
        "give the public key: --key PUBLIC.pem; or look without verifying: --inspect",
    ),
    e.KeyUnreadable: ("the key {source} cannot be read: {reason}", "nothing was verified"),
    e.KeyPointCompressed: (
        "the key {source} is in compressed form, which Go clients refuse",
        "openssl writes the other form: openssl ec -pubin -in KEY.pem -conv_form uncompressed -out PUBLIC.pem",
    ),
    e.KeyFileEmpty: ("the key file {source} is empty", _KEY_FORM),
    e.KeyDirectoryEmpty: ("the key directory {source} is empty", "put public keys into it, one in each file"),
    e.KeyFileNotPem: ("{source} is not a public key in PEM form", _KEY_FORM),
    e.KeyNotPublic: ("{source} holds {label}, not PUBLIC KEY; clients use only that", _KEY_FORM),
    e.SeveralKeysInFile: (
        "{source} holds several PEM blocks, of which clients use only the first",
        "put each key into a file of its own",
    ),
    e.KeyInvalid: ("{source} does not hold a well-formed public key", _KEY_FORM),
    e.KeyUnsupported: (
        "{source} holds a key of a kind that artifacts are not signed with ({algorithm})",
        "use RSA, or ECDSA on the curve P-256 (prime256v1)",
    ),
}

FINDINGS: dict[FindingCode, tuple[str, str | None]] = {
    FindingCode.SIGNATURE_DER: (
        "the signature is in ASN.1 DER, which Go clients and mender-artifact before 3.11.3 refuse",
        "sign with r and s as 64 raw bytes",
    ),
    FindingCode.RSA_KEY_SHORT: (
        "the key {subject} has only {value} bits",
        "rotate to RSA with 3072 bits, or to ECDSA P-256",
    ),
    FindingCode.PAYLOAD_NAME_SUFFIX: (
        "clients 4.0.x and 5.0.0 to 5.0.3 do not check the digest of {subject}, because of how its name ends",
        "name payload files otherwise than .gz, .xz or .zst",
    ),
    FindingCode.PAYLOAD_MODE: (
        "the payload file {subject} has mode {mode}: setuid, setgid or writable by everyone; modes are not signed",
        "build the artifact from a file with mode 0644 or 0755",
    ),
    FindingCode.ZSTD_CLIENTS: (
        "{subject} is compressed with zstd; Go clients before 3.5.0 and mender-artifact before 3.10.0 do not read it",
        "use gzip or lzma if such devices are in the field",
    ),
    FindingCode.HIDDEN_BYTES: (
        "the padding in {subject} holds bytes other than zero, where no client looks",
        _REBUILD,
    ),
    FindingCode.TYPE_INFO_EMPTY: (
        "{subject} leaves the payload type empty: devices accept that, mender-artifact 4.4.0 calls it corrupt",
        "build the artifact again with mender-artifact 4.4.0 or later",
    ),
    FindingCode.FIELD_IGNORED: (
        "every client ignores the field {subject} of type-info; perhaps it is misspelt",
        None,
    ),
    FindingCode.SCRIPT_NOT_EXECUTABLE: (
        "the state script {subject} has mode {mode}, and Go clients do not run it",
        "chmod +x before building the artifact",
    ),
}
