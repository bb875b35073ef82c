# Builds with any Docker from 20.10 on, with and without BuildKit.

FROM rust:1.95-bookworm AS build
WORKDIR /build
# No line tables, to keep the image small; backtraces still name the functions.
ENV CARGO_PROFILE_RELEASE_DEBUG=none \
    CARGO_PROFILE_RELEASE_STRIP=debuginfo

# The dependencies alone, built against empty sources: this layer is kept until Cargo.toml or Cargo.lock change.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked --bin andera-lb

COPY src ./src
COPY templates ./templates
COPY wit ./wit
# Cargo goes by time stamps, and a checkout may be older than the layer above.
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked --bin andera-lb \
    && install -D --mode=755 target/release/andera-lb /out/andera-lb


FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="andera-lb" \
      org.opencontainers.image.description="A drop-in load balancer for Andera workers" \
      org.opencontainers.image.licenses="Apache-2.0"

# A number, so that Kubernetes can tell that it is not root, and always the same, so that volumes stay readable.
RUN groupadd --gid 10001 andera \
    && useradd --uid 10001 --gid 10001 --home-dir /app --no-create-home --shell /usr/sbin/nologin andera \
    && install --directory --owner=10001 --group=10001 --mode=750 /app/data \
    && install --directory /app/policies
# For workers and webhooks behind https.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/andera-lb /usr/local/bin/andera-lb

# /app/workers.json and /app/policies are mounted, /app/data is a volume.
WORKDIR /app
USER 10001:10001
EXPOSE 4000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["andera-lb", "health"]
ENTRYPOINT ["andera-lb"]
CMD ["serve"]
