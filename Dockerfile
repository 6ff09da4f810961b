# syntax=docker/dockerfile:1
# One image for every command: controller, node, supervisor, dev-s3. docker buildx build --platform linux/amd64,linux/arm64 .

# On the target's own architecture: the native helper is compiled, and the Node of the lock file is picked, for it.
FROM node:26-bookworm-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev make \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# scripts and proto first: `npm ci` generates the CSI types.
COPY package.json package-lock.json ./
COPY proto proto
COPY scripts scripts
RUN npm ci --no-audit --no-fund
COPY Makefile LICENSE tsconfig.json ./
COPY src src
RUN make dist/main.js build/bin/s3files-launcher && scripts/install-image-files.sh /image

# mount, umount and sync are what the node plugin runs, beside its own helper; libatomic and libstdc++ are what Node loads.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libatomic1 libstdc++6 mount tini \
 && rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old /var/log/*
COPY --from=build /image/ /

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="s3files-csi-driver" \
      org.opencontainers.image.description="POSIX files over any S3 bucket, for Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

ENV NODE_ENV=production
# Whoever mounts runs as root, because the chart says so; nobody else needs it.
USER 65532:65532
ENTRYPOINT ["/usr/bin/tini", "--", "/usr/local/bin/s3files"]
