# Rules for make: `include artifact-signer.mk`, then `make release-signed.mender`.
# Each NAME.mender becomes NAME-signed.mender: signed by artifact-signer, and verified by mender-artifact.
#
#   ARTIFACT_SIGNER_KEY         name of the key at the service
#   ARTIFACT_SIGNER_PUBLIC_KEY  PEM file, the one that devices have; from your repository, never from the service
#   ARTIFACT_SIGNER_ARTIFACTS   artifacts that are signed together, as one batch, when one of them is wanted (GNU make 4.3)
#   ARTIFACT_SIGNER_FLAGS       further options of `artifact-signer sign`, such as --whole or --wait
#
# Where the service is and who asks is said by the environment of `artifact-signer sign` (ARTIFACT_SIGNER_URL, …).
ARTIFACT_SIGNER ?= artifact-signer
MENDER_ARTIFACT ?= mender-artifact
ARTIFACT_SIGNER_KEY ?= $(error ARTIFACT_SIGNER_KEY is not set: the name of the key at the service)
ARTIFACT_SIGNER_PUBLIC_KEY ?= $(error ARTIFACT_SIGNER_PUBLIC_KEY is not set: the PEM file that devices have)
ARTIFACT_SIGNER_FLAGS ?=

# The name ends with .mender only when it is verified; what is left over after a failure is replaced by the next try.
%-signed.mender: %.mender $(wildcard $(ARTIFACT_SIGNER_PUBLIC_KEY))
	rm -f '$@.unverified' '$@.tlog-proof'
	$(ARTIFACT_SIGNER) sign '$<' --key '$(ARTIFACT_SIGNER_KEY)' --output '$@.unverified' --proof '$@.tlog-proof' $(ARTIFACT_SIGNER_FLAGS)
	$(MENDER_ARTIFACT) validate -k '$(ARTIFACT_SIGNER_PUBLIC_KEY)' '$@.unverified' || { rm -f '$@.unverified' '$@.tlog-proof'; exit 1; }
	mv '$@.unverified' '$@'

# Those that are named together: none has its name before all are verified.
ifdef ARTIFACT_SIGNER_ARTIFACTS
$(ARTIFACT_SIGNER_ARTIFACTS:.mender=-signed.mender) &: $(ARTIFACT_SIGNER_ARTIFACTS) $(wildcard $(ARTIFACT_SIGNER_PUBLIC_KEY))
	set -eu; place=$$(mktemp -d ./.unverified.XXXXXX); trap 'rm -rf -- "$$place"' EXIT; trap 'exit 1' HUP INT TERM; \
	$(ARTIFACT_SIGNER) sign --key '$(ARTIFACT_SIGNER_KEY)' --output-dir "$$place" --proof-dir "$$place" $(ARTIFACT_SIGNER_FLAGS) \
	    -- $(ARTIFACT_SIGNER_ARTIFACTS:%='%'); \
	for artifact in $(ARTIFACT_SIGNER_ARTIFACTS:%='%'); do \
	    $(MENDER_ARTIFACT) validate -k '$(ARTIFACT_SIGNER_PUBLIC_KEY)' "$$place/$${artifact##*/}" || exit 1; \
	done; \
	for artifact in $(ARTIFACT_SIGNER_ARTIFACTS:%='%'); do \
	    mv -- "$$place/$${artifact##*/}.tlog-proof" "$${artifact%.mender}-signed.mender.tlog-proof"; \
	    mv -- "$$place/$${artifact##*/}" "$${artifact%.mender}-signed.mender"; \
	done
endif
