// A step of a shared library: signs a Mender Artifact with artifact-signer, and has mender-artifact verify it.
//
//   signArtifact artifact: 'release.mender', output: 'release-signed.mender', key: 'firmware',
//       publicKey: 'keys/firmware.pem', url: 'https://signer.example', credentialsId: 'artifact-signer'
//
// publicKey: PEM file, the one that devices have; from your repository, never from the service.
// credentialsId: a secret file with an API token that may sign with this key and nothing else.
// caFile: PEM file with the CA of the service, where the agent does not know it. wait: for approvals, such as '30m'.
def call(Map given) {
    for (name in ['artifact', 'output', 'key', 'publicKey', 'url', 'credentialsId']) {
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
        "SIGN_ARTIFACT=${given.artifact}",
        "SIGN_OUTPUT=${given.output}",
        "SIGN_WAIT=${given.wait ?: ''}",
    ]
    withCredentials([file(credentialsId: given.credentialsId, variable: 'ARTIFACT_SIGNER_API_TOKEN_FILE')]) {
        withEnv(values) {
            sh '''
                set -eu
                if [ -n "$SIGN_CA_FILE" ]; then export ARTIFACT_SIGNER_CA_FILE="$SIGN_CA_FILE"; fi
                rm -f -- "$SIGN_OUTPUT.unverified" "$SIGN_OUTPUT.tlog-proof"
                artifact-signer sign --key "$SIGN_KEY" --output "$SIGN_OUTPUT.unverified" \
                    --proof "$SIGN_OUTPUT.tlog-proof" ${SIGN_WAIT:+"--wait=$SIGN_WAIT"} -- "$SIGN_ARTIFACT"
                mender-artifact validate -k "$SIGN_PUBLIC_KEY" "$SIGN_OUTPUT.unverified" || {
                    rm -f -- "$SIGN_OUTPUT.unverified" "$SIGN_OUTPUT.tlog-proof"
                    exit 1
                }
                mv -- "$SIGN_OUTPUT.unverified" "$SIGN_OUTPUT"
            '''
        }
    }
}
