# Each step runs a script of scripts/ that runs, and is tested, outside of a container too.
FROM debian:bookworm-slim AS build
COPY . /source
RUN /source/scripts/make-venv /opt/artifact-signer service

FROM debian:bookworm-slim
COPY scripts/install-system-packages /usr/local/share/artifact-signer/install-system-packages
RUN /usr/local/share/artifact-signer/install-system-packages python
RUN /usr/local/share/artifact-signer/install-system-packages service
COPY --from=build /opt/artifact-signer /opt/artifact-signer
RUN useradd --system --home-dir /var/lib/artifact-signer --create-home artifact-signer
USER artifact-signer
WORKDIR /var/lib/artifact-signer
ENV PATH=/opt/artifact-signer/bin:/usr/local/bin:/usr/bin:/bin
EXPOSE 8443
HEALTHCHECK CMD ["curl", "--silent", "--fail", "--cacert", "cert.crt", "https://127.0.0.1:8443/healthz"]
ENTRYPOINT ["artifact-signer"]
CMD ["serve", "--config", "/var/lib/artifact-signer/artifact-signer.toml"]
