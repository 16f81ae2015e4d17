# syntax=docker/dockerfile:1
# The image for those who build with a container engine. What is released comes from "make image", which
# pins every package (internal/packaging/debian.lock.json) and gives the same bytes each time; this one
# takes the packages that Debian has on the day.
#
# Base images are pinned by tag here. Where your rules ask for digests, give them as build arguments:
#   docker build --build-arg GO_IMAGE=golang:1.26-trixie@sha256:... --build-arg BASE_IMAGE=debian:trixie-slim@sha256:... .
# "docker buildx imagetools inspect golang:1.26-trixie" prints the digest of the day.
ARG GO_IMAGE=golang:1.26-trixie
ARG BASE_IMAGE=debian:trixie-slim

FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETARCH
# The checkout is not copied (.dockerignore), so that the program has to be told what it is.
ARG VERSION=devel
ARG COMMIT=
ARG COMMIT_TIME=
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=linux GOARCH=$TARGETARCH go build -trimpath -buildvcs=false \
      -ldflags "-s -w -X main.version=$VERSION -X main.commit=$COMMIT -X main.commitTime=$COMMIT_TIME" \
      -o /out/gatekeeper ./cmd/gatekeeper

FROM ${BASE_IMAGE}
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ca-certificates git \
 && rm -rf /var/lib/apt/lists/* /var/log/* \
 && install -d -o 65532 -g 65532 -m 0750 /var/lib/gatekeeper \
 && echo 'gatekeeper:x:65532:65532:gatekeeper:/nonexistent:/usr/sbin/nologin' >> /etc/passwd \
 && echo 'gatekeeper:x:65532:' >> /etc/group
COPY --from=build /out/gatekeeper /usr/local/bin/gatekeeper
ARG VERSION=devel
ARG COMMIT=
ARG COMMIT_TIME=
LABEL org.opencontainers.image.title="gatekeeper" \
      org.opencontainers.image.source="https://github.com/argo-gatekeeper/gatekeeper" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT" \
      org.opencontainers.image.created="$COMMIT_TIME"
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/gatekeeper"]
