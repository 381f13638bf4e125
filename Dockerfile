# The operator's image; docs/image.md says how to build it, what is inside and how to verify it.
# A digest goes behind the tag: --build-arg BASE=python:3.11.14-slim-bookworm@sha256:...
ARG BASE=python:3.11.14-slim-bookworm

FROM ${BASE} AS build
# Every file of ours is as old as this (unix seconds), so that the same sources give the same bytes.
ARG SOURCE_DATE_EPOCH=1767225600
# A mirror of the package index, where there is one.
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
COPY image/build.txt image/requirements.txt image/
RUN python -m venv /build \
    && /build/bin/pip install --quiet --require-hashes --only-binary :all: -r image/build.txt
RUN python -m venv --without-pip /opt/tightrope \
    && rm /opt/tightrope/bin/activate* /opt/tightrope/bin/Activate* \
    && /build/bin/pip --python /opt/tightrope/bin/python install --quiet --no-compile \
        --require-hashes --only-binary :all: -r image/requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
# By name from a folder of its own: by path, pip would note down where the wheel lay.
RUN /build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheel . \
    && /build/bin/pip --python /opt/tightrope/bin/python install --quiet --no-compile \
        --no-deps --no-index --find-links /wheel tightrope
RUN mkdir -p /usr/share/sbom \
    && /build/bin/cyclonedx-py environment --output-reproducible --output-format JSON \
        --output-file /usr/share/sbom/tightrope.cdx.json /opt/tightrope/bin/python
# Byte code that carries a hash of its source instead of a time; the seed fixes the order of sets in it.
RUN PYTHONHASHSEED=0 /opt/tightrope/bin/python -m compileall -q --invalidation-mode checked-hash /opt/tightrope/lib \
    && chmod -R u=rwX,go=rX /opt/tightrope /usr/share/sbom \
    && find /opt/tightrope /usr/share/sbom -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

FROM ${BASE}
ARG REVISION=
LABEL org.opencontainers.image.title="Tightrope" \
      org.opencontainers.image.description="A Kubernetes operator that holds the latency SLOs of inference services at the least cost" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/tightrope /opt/tightrope
COPY --from=build /usr/share/sbom /usr/share/sbom
# Where it runs only /tmp can be written to, and no passwd names its user, for whom the Kubernetes client asks for a home.
ENV PATH=/opt/tightrope/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# By number: Kubernetes can't tell from a name that it isn't root.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["tightrope"]
CMD ["run"]
