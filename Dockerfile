# syntax=docker/dockerfile:1
# Build: docker build -t sallyport .
#
# Pin both images by digest for a release, so that a build can be repeated:
#   docker buildx imagetools inspect node:24-trixie-slim --format '{{.Manifest.Digest}}'
# prints the digest; write it behind the tag, as in node:24-trixie-slim@sha256:…

FROM node:24-trixie-slim AS build
WORKDIR /build

# The workspace only brings Node 24 to machines without it, and the image has it.
COPY package.json package-lock.json .npmrc ./
COPY tools/node24/package.json tools/node24/
RUN npm ci --ignore-scripts --workspaces=false

COPY tsconfig.json ./
COPY tools tools
COPY src src
COPY policies policies
RUN npm run -s build

FROM gcr.io/distroless/nodejs24-debian13:nonroot
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=""
LABEL org.opencontainers.image.title="sallyport" \
      org.opencontainers.image.description="Kubernetes admission guard for the egress of an Istio mesh" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"

WORKDIR /app
# The bundle is all the program needs; it says `type: module` by package.json.
COPY --from=build /build/package.json ./
COPY --from=build /build/dist dist
COPY --from=build /build/policies policies
COPY LICENSE ./

ENV NODE_ENV=production
# By number, so that Kubernetes can verify runAsNonRoot. The root file system may be read-only.
USER 65532:65532
EXPOSE 9443 9090
# No shell in this image: exec form, Node is the first process and ends on SIGTERM by itself.
# Small young generation, bounded old one: made for a memory limit of 256 MiB.
ENTRYPOINT ["/nodejs/bin/node", "--max-semi-space-size=2", "--max-old-space-size=160", "/app/dist/sallyport.js"]
# The certificate is mounted. Other commands take the place of this one: docker run -i sallyport check -
CMD ["serve", "--listen", "0.0.0.0:9443", "--metrics-listen", "0.0.0.0:9090", "--cert", "/etc/sallyport/tls/tls.crt", "--key", "/etc/sallyport/tls/tls.key"]
