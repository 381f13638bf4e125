#!/bin/sh
# Builds the operator's image with the first of docker, podman and buildah that works; `make image` calls it.
# TAG names the image, BASE and BASE_DIGEST what it stands on, SOURCE_DATE_EPOCH how old its files are, REVISION
# the commit; arguments are handed to the builder.
set -eu
cd "$(dirname "$0")/.."

for builder in ${BUILDER:-docker podman buildah}; do
    "$builder" info >/dev/null 2>&1 && break
    builder=
done
if [ -z "$builder" ]; then
    echo "make image: none of ${BUILDER:-docker, podman and buildah} works here (asked with: info): install one, or start docker's daemon" >&2
    exit 1
fi

default() { sed -n "s/^ARG $1=//p" Dockerfile; }
epoch=${SOURCE_DATE_EPOCH:-$(default SOURCE_DATE_EPOCH)}
revision=${REVISION:-$(git rev-parse --verify --quiet HEAD || true)}
if [ -z "${REVISION:-}" ] && [ -n "$revision" ] && [ -n "$(git status --porcelain)" ]; then
    revision=$revision-modified
fi
set -- "$@" --file Dockerfile --tag "${TAG:-tightrope:$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)}" \
    --build-arg "BASE=${BASE:-$(default BASE)}${BASE_DIGEST:+@$BASE_DIGEST}" \
    --build-arg "SOURCE_DATE_EPOCH=$epoch" \
    --build-arg "REVISION=$revision"
if [ -n "${PIP_INDEX_URL:-}" ]; then
    set -- "$@" --build-arg "PIP_INDEX_URL=$PIP_INDEX_URL"
fi
case $builder in
*docker) set -- build "$@" ;;
*) set -- build --timestamp "$epoch" "$@" ;;
esac
exec "$builder" "$@" .
