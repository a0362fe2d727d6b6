# Signs the Mender Artifact of an image with artifact-signer, and has mender-artifact verify it, before the image is deployed.
# One image, one artifact: images are built apart from each other, by tasks that know of no other, so that each is signed by itself.
# For meta-mender: `IMAGE_CLASSES += "artifact-signer"` in local.conf or the distribution's configuration, beside mender-full.
#
#   ARTIFACT_SIGNER_URL             the service, https://HOST[:PORT]
#   ARTIFACT_SIGNER_KEY             name of the key at the service
#   ARTIFACT_SIGNER_PUBLIC_KEY      PEM file, the one that devices have (as MENDER_ARTIFACT_VERIFY_KEY of meta-mender)
#   ARTIFACT_SIGNER_API_TOKEN_FILE  file with an API token that may sign with this key and nothing else
#   ARTIFACT_SIGNER_CA_FILE         PEM file with the CA of the service, where the machine does not know it
#   ARTIFACT_SIGNER_FLAGS           further options of `artifact-signer sign`, such as --wait=30m
#
# MENDER_ARTIFACT_SIGNING_KEY stays unset: no private key is on the machine that builds.
ARTIFACT_SIGNER_URL ?= ""
ARTIFACT_SIGNER_KEY ?= ""
ARTIFACT_SIGNER_PUBLIC_KEY ?= "${MENDER_ARTIFACT_VERIFY_KEY}"
ARTIFACT_SIGNER_API_TOKEN_FILE ?= ""
ARTIFACT_SIGNER_CA_FILE ?= ""
ARTIFACT_SIGNER_FLAGS ?= ""
MENDER_ARTIFACT_VERIFY_KEY ?= ""
ARTIFACT_SIGNER_ARTIFACT ?= "${IMGDEPLOYDIR}/${IMAGE_NAME}${IMAGE_NAME_SUFFIX}.mender"

# Where the service is and who asks decides nothing of what is built.
ARTIFACT_SIGNER_URL[vardepvalue] = ""
ARTIFACT_SIGNER_API_TOKEN_FILE[vardepvalue] = ""
ARTIFACT_SIGNER_CA_FILE[vardepvalue] = ""

# The command is the machine's (HOSTTOOLS, in the configuration: a class is read too late for that); mender-artifact is the
# one that meta-mender builds.
do_image_complete[depends] += "mender-artifact-native:do_populate_sysroot"
# Tasks have no network of themselves since kirkstone.
do_image_complete[network] = "1"
# Before what is in IMGDEPLOYDIR is taken over to DEPLOY_DIR_IMAGE and into the shared state.
do_image_complete[prefuncs] += "artifact_signer_sign"

python () {
    if "mender" not in (d.getVar("IMAGE_FSTYPES") or "").split():
        return
    for name in ("ARTIFACT_SIGNER_URL", "ARTIFACT_SIGNER_KEY", "ARTIFACT_SIGNER_PUBLIC_KEY"):
        if not d.getVar(name):
            bb.fatal("%s is not set, and artifact-signer.bbclass signs nothing without it" % name)
    if d.getVar("MENDER_ARTIFACT_SIGNING_KEY"):
        bb.fatal("MENDER_ARTIFACT_SIGNING_KEY is set: the artifact would be signed twice, by a key on this machine")
}

artifact_signer_sign() {
    artifact="${ARTIFACT_SIGNER_ARTIFACT}"
    # An image of which no artifact is made.
    [ -e "$artifact" ] || return 0
    # Run again over what was signed before: it is as it should be.
    if mender-artifact validate -k "${ARTIFACT_SIGNER_PUBLIC_KEY}" "$artifact" >/dev/null 2>&1; then
        return 0
    fi
    export ARTIFACT_SIGNER_URL="${ARTIFACT_SIGNER_URL}"
    if [ -n "${ARTIFACT_SIGNER_API_TOKEN_FILE}" ]; then
        export ARTIFACT_SIGNER_API_TOKEN_FILE="${ARTIFACT_SIGNER_API_TOKEN_FILE}"
    fi
    if [ -n "${ARTIFACT_SIGNER_CA_FILE}" ]; then
        export ARTIFACT_SIGNER_CA_FILE="${ARTIFACT_SIGNER_CA_FILE}"
    fi
    rm -f "$artifact.unverified" "$artifact.tlog-proof"
    if ! artifact-signer sign --key "${ARTIFACT_SIGNER_KEY}" --output "$artifact.unverified" \
        --proof "$artifact.tlog-proof" ${ARTIFACT_SIGNER_FLAGS} -- "$artifact"; then
        bbfatal "artifact-signer did not sign $artifact"
    fi
    if ! mender-artifact validate -k "${ARTIFACT_SIGNER_PUBLIC_KEY}" "$artifact.unverified"; then
        rm -f "$artifact.unverified" "$artifact.tlog-proof"
        bbfatal "what came back does not verify with ${ARTIFACT_SIGNER_PUBLIC_KEY}"
    fi
    mv "$artifact.unverified" "$artifact"
}
