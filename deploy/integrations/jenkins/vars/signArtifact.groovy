// A step of a shared library: signs Mender Artifacts with artifact-signer as one batch, and has mender-artifact
// verify each.
//
//   signArtifact artifacts: 'build/*.mender', outputDirectory: 'signed', key: 'firmware',
//       publicKey: 'keys/firmware.pem', url: 'https://signer.example', credentialsId: 'artifact-signer'
//
// artifacts: one path or pattern a line. outputDirectory: where the signed ones and their proofs are put, under their names.
// publicKey: PEM file, the one that devices have; from your repository, never from the service.
// credentialsId: a secret file with an API token that may sign with this key and nothing else.
// caFile: PEM file with the CA of the service, where the agent does not know it. wait: for approvals, such as '30m'.
def call(Map given) {
    for (name in ['artifacts', 'outputDirectory', 'key', 'publicKey', 'url', 'credentialsId']) {
        if (!given[name]) {
            error "signArtifact: ${name} is missing"
        }
    }
    // Values come by the environment: in the text of a script they could be commands.
    def values = [
        "ARTIFACT_SIGNER_URL=${given.url}",
        "SIGN_CA_FILE=${given.caFile ?: ''}",
        "SIGN_KEY=${given.key}",
        "SIGN_PUBLIC_KEY=${given.publicKey}",
        "SIGN_ARTIFACTS=${given.artifacts}",
        "SIGN_DIRECTORY=${given.outputDirectory}",
        "SIGN_WAIT=${given.wait ?: ''}",
    ]
    withCredentials([file(credentialsId: given.credentialsId, variable: 'ARTIFACT_SIGNER_API_TOKEN_FILE')]) {
        withEnv(values) {
            sh '''
                set -eu
                if [ -n "$SIGN_CA_FILE" ]; then export ARTIFACT_SIGNER_CA_FILE="$SIGN_CA_FILE"; fi
                mkdir -p -- "$SIGN_DIRECTORY"
                place=$(mktemp -d "$SIGN_DIRECTORY/.unverified.XXXXXX")
                trap 'rm -rf -- "$place"' EXIT
                trap 'exit 1' HUP INT TERM
                # Lines and patterns become words, and nothing else of them is read.
                IFS=$(printf '\\n.') && IFS=${IFS%.}
                artifact-signer sign --key "$SIGN_KEY" --output-dir "$place" --proof-dir "$place" \
                    ${SIGN_WAIT:+"--wait=$SIGN_WAIT"} -- $SIGN_ARTIFACTS
                # Each has a proof: so each is verified, whatever its name ends with.
                for proof in "$place"/*.tlog-proof; do
                    mender-artifact validate -k "$SIGN_PUBLIC_KEY" "${proof%.tlog-proof}" || exit 1
                done
                mv -- "$place"/* "$SIGN_DIRECTORY"
                # What has a name that these patterns do not see was not verified, and ends the step.
                rmdir -- "$place"
            '''
        }
    }
}
